# SPDX-License-Identifier: Apache-2.0
"""An HTTP server on a free port that stands for whoever is told something by POST."""

from __future__ import annotations

import http.server
import threading


class HttpReceiver:
    """Keeps headers (by lower-case name) and body of each POST; `answer` says what comes back."""

    def __init__(self, path: str):
        self.posts: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status, told = receiver.answer(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}{path}"

    def answer(self, body: bytes) -> tuple[int, bytes]:
        raise NotImplementedError

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
