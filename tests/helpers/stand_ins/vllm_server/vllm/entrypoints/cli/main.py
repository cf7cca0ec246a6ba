import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


seen = {key: os.environ.get(key) for key in ("CUDA_VISIBLE_DEVICES", "VLLM_SERVER_DEV_MODE")}
Path(os.environ["SEEN"]).write_text(json.dumps({"words": sys.argv[1:]} | seen))
host, port = (sys.argv[sys.argv.index(name) + 1] for name in ("--host", "--port"))
HTTPServer((host, int(port)), Healthy).serve_forever()
