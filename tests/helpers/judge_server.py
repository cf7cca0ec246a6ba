"""A judge behind HTTP: a small OpenAI-compatible server in this process, which can fail in every way."""

import json
import math
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gavel.judge import load

LISTED = {" Yes": math.log(0.6), " No": math.log(0.2), " Maybe": math.log(0.1)}


class Handler(BaseHTTPRequestHandler):
    """Answers completions and chat completions with the log-probabilities that `server.reply` gives for a prompt."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        chat = self.path.endswith("/chat/completions")
        found = self.server.reply(body["messages"][0]["content"] if chat else body["prompt"])
        if isinstance(found, int):
            return self._send(found, {"error": {"message": "busy"}})
        if isinstance(found, bytes):
            return self._send_as_it_is(found)
        if isinstance(found, WholeReply):
            return self._send(200, found.body)
        entries = [{"token": token, "logprob": value, "top_logprobs": []} for token, value in found.items()]
        first = max(entries, key=lambda entry: entry["logprob"])
        listed = {"content": [first | {"top_logprobs": entries}]} if chat else {"top_logprobs": [found]}
        choice = {"index": 0, "finish_reason": "length", "logprobs": listed}
        written = self.server.text if body["max_tokens"] > 1 else ""
        choice |= {"message": {"role": "assistant", "content": written}} if chat else {"text": written}
        reply = {"id": "1", "created": 0, "model": "m", "object": "x", "choices": [choice]}
        if self.server.counts:
            reply["usage"] = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}
        return self._send(200, reply)

    def _send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send_as_it_is(self, raw):
        """Bytes of a whole HTTP response, or of a body with status 200; both end the connection."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
        whole = raw if raw.startswith(b"HTTP/") else head + raw
        self.wfile.write(whole.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        self.close_connection = True

    def log_message(self, *arguments):
        pass


class WholeReply:
    """The JSON document that is the whole reply."""

    def __init__(self, body):
        self.body = body


@contextmanager
def serving(reply, counts=False, text=""):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.reply, server.bodies, server.counts, server.text = reply, [], counts, text
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def connect(server, **settings):
    options = {
        "base_url": f"http://127.0.0.1:{server.server_port}/v1",
        "retries": 0,
        "timeout_s": 20.0,
        "concurrency": 4,
    }
    names = ("kind", "chat", "chat_template_kwargs", "labels", "cache", "reasoning")
    common = {name: settings.pop(name) for name in names if name in settings}
    return load.load(model="m", server=options | settings, **common)
