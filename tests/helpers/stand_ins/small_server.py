"""A server that fails in the ways that real ones do; a process of its own, started as `small_server.py KEY=VALUE...`.

`port`, and: `late` seconds until it answers; `status` to exit with at once; `taken` file of a count of starts that find
their port taken; `requests` after which it dies; `ready` file that it waits for before it answers, and removes as it
dies; `child` file for the id of a process that it starts and leaves behind; `health=no` for one that names its models
only; `hang=yes` for one that never listens; `deaf=yes` for one that ignores SIGTERM; `exclusive=yes` for one that
shares no address; `gpus` file for what it sees of them.
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

options = dict(argument.split("=", 1) for argument in sys.argv[1:])
LISTED = {" Yes": -0.5, " No": -1.5}
asked = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = {"/health": options.get("health") != "no", "/v1/models": True}
        self.send({"data": [{"id": "m"}]}, 200 if known.get(self.path) else 404)

    def do_POST(self):
        global asked
        asked += 1
        if asked > int(options.get("requests", 1e9)):
            print("out of memory", flush=True)
            if "ready" in options:
                Path(options["ready"]).unlink(missing_ok=True)
            os._exit(3)
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"index": 0, "finish_reason": "length", "text": "", "logprobs": {"top_logprobs": [LISTED]}}
        self.send({"id": "1", "created": 0, "model": "m", "object": "x", "choices": [choice]})

    def send(self, body, status=200):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


def main():
    print("loading weights", flush=True)
    if "status" in options:
        print("no such model", flush=True)
        sys.exit(int(options["status"]))
    if "gpus" in options:
        Path(options["gpus"]).write_text(repr(os.environ.get("CUDA_VISIBLE_DEVICES")))
    if "taken" in options:
        count = Path(options["taken"])
        if left := int(count.read_text()):
            count.write_text(str(left - 1))
            print("[Errno 98] error while attempting to bind: address already in use", flush=True)
            sys.exit(1)
    if "child" in options:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(options["child"]).write_text(str(child.pid))
    if options.get("deaf") == "yes":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.get("hang") == "yes":
        time.sleep(600)
    time.sleep(float(options.get("late", 0)))
    while "ready" in options and not Path(options["ready"]).exists():
        time.sleep(0.05)
    ThreadingHTTPServer.allow_reuse_address = options.get("exclusive") != "yes"
    ThreadingHTTPServer(("127.0.0.1", int(options["port"])), Handler).serve_forever()


main()
