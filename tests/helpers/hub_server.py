"""A hub on loopback: as much of the Hugging Face hub's HTTP interface as its own library asks for when it downloads,
and when it creates a repository and uploads a folder (with LFS, not with Xet)."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OWNER = "gavel"  # the only one for whom the token may create repositories
LFS = (".safetensors", ".parquet")
LICENSES = ("apache-2.0", "mit")
MARKS = (".gated", ".private")  # files that describe a repository, and are not in it
REFUSE = "refuse"  # beside `models`: a file with a part of a path; requests for such paths are refused


@contextmanager
def serving(root: Path, token: str = "hf_right"):
    """Serve `root/models/<owner>/<name>/` and `root/datasets/...`, which have one commit; yields address and requests.

    A repository with a file `.gated` is read by who sends the token. What is uploaded lies there as well.
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

        def do_POST(self):
            parts, body = unquote(urlsplit(self.path).path).strip("/").split("/"), self._body()
            asked.append("/".join(parts))
            if parts[:2] == ["api", "validate-yaml"]:  # without a token
                return self._validate(json.loads(body)["content"])
            if self.headers["Authorization"] != f"Bearer {token}":
                return self._refuse(401, "InvalidToken", "Invalid username or password.")
            refused = root / REFUSE
            if refused.exists() and refused.read_text() in asked[-1]:
                return self._refuse(500, "Internal", "Out of order.")
            if parts[:3] == ["api", "repos", "create"]:
                return self._create(json.loads(body))
            if parts[-1] == "batch":  # [datasets/]owner/name.git/info/lfs/objects/batch
                return self._batch(json.loads(body)["objects"])
            kind, owner, name, what = parts[1:5]  # api/models/owner/name/(preupload|commit)/main
            folder = root.joinpath(kind, owner, name)
            if what == "preupload":
                return self._preupload(folder, json.loads(body)["files"])
            return self._commit(folder, [json.loads(line) for line in body.splitlines()])

        def do_PUT(self):
            """An LFS object, at the address that `_batch` gave."""
            body, name = self._body(), self.path.rpartition("/")[2]
            if hashlib.sha256(body).hexdigest() != name:
                return self._refuse(400, "BadObject", "The object has another digest.")
            place = root / "lfs" / name
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(body)
            self._json({})

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers["Content-Length"]))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _validate(self, card: str):
            """Of the metadata, only the licence is checked; the hub checks more."""
            license = yaml.safe_load(card.split("---")[1]).get("license", LICENSES[0])
            errors = [] if license in LICENSES else [{"message": f'"license" must be one of {LICENSES}'}]
            self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

        def _create(self, wanted: dict):
            owner, name, kind = wanted["organization"], wanted["name"], f"{wanted.get('type', 'model')}s"
            if owner != OWNER:
                return self._refuse(403, "Forbidden", f"You don't have the rights to create a {kind[:-1]} there.")
            folder, prefix = root.joinpath(kind, owner, name), "" if kind == "models" else f"{kind}/"
            address = f"http://{self.headers['Host']}/{prefix}{owner}/{name}"
            if folder.exists():
                return self._json({"error": "You already created this repository.", "url": address}, 409)
            folder.mkdir(parents=True)
            if wanted.get("visibility") == "private":
                (folder / ".private").touch()
            self._json({"url": address})

        def _preupload(self, folder: Path, files: list[dict]):
            answers = []
            for file in files:
                large, there = file["path"].endswith(LFS), folder / file["path"]
                known = there.read_bytes() if there.is_file() else None
                oid = None if known is None else hashlib.sha256(known).hexdigest() if large else _git_oid(known)
                mode = "lfs" if large else "regular"
                answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
            self._json({"files": answers})

        def _batch(self, objects: list[dict]):
            """Where to put each object, unless it is there."""
            answers = []
            for one in objects:
                upload = {"upload": {"href": f"http://{self.headers['Host']}/lfs/{one['oid']}"}}
                there = (root / "lfs" / one["oid"]).exists()
                answers.append({key: one[key] for key in ("oid", "size")} | ({} if there else {"actions": upload}))
            self._json({"transfer": "basic", "objects": answers})

        def _commit(self, folder: Path, lines: list[dict]):
            for line in lines:
                value = line["value"]
                if line["key"] == "header":
                    continue
                content = (
                    base64.b64decode(value["content"])
                    if line["key"] == "file"
                    else (root / "lfs" / value["oid"]).read_bytes()
                )
                (folder / value["path"]).parent.mkdir(parents=True, exist_ok=True)
                (folder / value["path"]).write_bytes(content)
            name = "/".join(folder.parts[-2:])
            address = f"http://{self.headers['Host']}/{name}/commit/{COMMIT}"
            self._json({"commitUrl": address, "commitOid": COMMIT, "success": True})

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
            files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in MARKS)
            names = [path.relative_to(folder).as_posix() for path in files]
            if what == "tree":
                found = [
                    {"type": "file", "path": name, "size": path.stat().st_size, "oid": _etag(path)}
                    for name, path in zip(names, files, strict=True)
                ]
            else:
                found = {"id": "/".join(name), "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
                found |= {"private": (folder / ".private").exists()}
            self._json(found)

        def _file(self, kind: str, name: list[str], revision: str, path: str):
            if (folder := self._repository(kind, name, revision)) is None:
                return
            if not (folder / path).is_file():
                return self._refuse(404, "EntryNotFound")
            self._send((folder / path).read_bytes(), {"ETag": f'"{_etag(folder / path)}"', "X-Repo-Commit": COMMIT})

        def _json(self, value: object, status: int = 200):
            self._send(json.dumps(value).encode(), {"Content-Type": "application/json"}, status)

        def _send(self, body: bytes, headers: dict[str, str], status: int = 200):
            self.send_response(status)
            for key, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _refuse(self, status: int, code: str, message: str = "") -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            if message:
                self.send_header("X-Error-Message", message)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    return Handler


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
