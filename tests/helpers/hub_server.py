"""A hub on loopback: as much of the Hugging Face hub's HTTP interface as its own library asks for when it downloads."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serving(root: Path, token: str = "hf_right"):
    """Serve `root/models/<owner>/<name>/` and `root/datasets/...`, which have one commit; yields address and requests.

    A repository with a file `.gated` is read by who sends the token.
    """
    asked: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(Path(root), token, asked)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


def _handler(root: Path, token: str, asked: list[str]):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            asked.append("/".join(parts))
            if parts[0] == "api":  # api/models/owner/name/(revision|tree)/REVISION
                self._about(parts[1], parts[2:4], parts[4:])
            else:  # [datasets/]owner/name/resolve/REVISION/path
                kind = "datasets" if parts[0] == "datasets" else "models"
                owner, name, _, revision, *path = parts[kind == "datasets" :]
                self._file(kind, [owner, name], revision, "/".join(path))

        do_HEAD = do_GET

        def _repository(self, kind: str, name: list[str], revision: str) -> Path | None:
            folder = root.joinpath(kind, *name)
            if not folder.is_dir():
                return self._refuse(404, "RepoNotFound")
            if (folder / ".gated").exists() and self.headers["Authorization"] != f"Bearer {token}":
                return self._refuse(403, "GatedRepo")
            if revision not in ("main", COMMIT):
                return self._refuse(404, "RevisionNotFound")
            return folder

        def _about(self, kind: str, name: list[str], rest: list[str]):
            what, revision = rest[:2] if rest else ("revision", "main")
            if (folder := self._repository(kind, name, revision)) is None:
                return
            files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".gated")
            names = [path.relative_to(folder).as_posix() for path in files]
            if what == "tree":
                found = [
                    {"type": "file", "path": name, "size": path.stat().st_size, "oid": _etag(path)}
                    for name, path in zip(names, files, strict=True)
                ]
            else:
                found = {"id": "/".join(name), "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
            self._send(json.dumps(found).encode(), {"Content-Type": "application/json"})

        def _file(self, kind: str, name: list[str], revision: str, path: str):
            if (folder := self._repository(kind, name, revision)) is None:
                return
            if not (folder / path).is_file():
                return self._refuse(404, "EntryNotFound")
            self._send((folder / path).read_bytes(), {"ETag": f'"{_etag(folder / path)}"', "X-Repo-Commit": COMMIT})

        def _send(self, body: bytes, headers: dict[str, str]):
            self.send_response(200)
            for key, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    return Handler


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
