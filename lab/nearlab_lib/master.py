# SPDX-License-Identifier: GPL-2.0-or-later
"""
A master site: master.py ROOT PORT [LOG]. Serves the files below ROOT as a web server does that knows
ranges of bytes (RFC 9110, 14), with ETag and Last-Modified. LOG gets a line of JSON for each request:
client, method, path, status, first, last, bytes. Runs in a node, as a program of its own.
"""

import http.server
import json
import os
import re
import socket
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """GET and HEAD of files."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def _file(self):
        path = os.path.normpath(self.path.split("?")[0]).lstrip("/")
        return open(os.path.join(self.server.root, path), "rb")

    def _range(self, size):
        """(first, last) that is asked for, None: all of it; ValueError: there is no such."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return None
        first, last = int(asked[1]), min(int(asked[2] or size), size - 1)
        if first >= size or last < first:
            raise ValueError(self.headers["Range"])
        return first, last

    def do_GET(self):  # pylint: disable=invalid-name
        """A file, or a part of it."""
        try:
            with self._file() as file:
                self._serve(file)
        except OSError:
            self._answer(404, b"", [])

    do_HEAD = do_GET

    def _serve(self, file):
        stat = os.fstat(file.fileno())
        head = [("ETag", f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'), ("Accept-Ranges", "bytes"),
                ("Last-Modified", self.date_time_string(stat.st_mtime))]
        try:
            part = self._range(stat.st_size)
        except ValueError:
            self._answer(416, b"", [("Content-Range", f"bytes */{stat.st_size}")])
            return
        first, last = part or (0, stat.st_size - 1)
        if part:
            head.append(("Content-Range", f"bytes {first}-{last}/{stat.st_size}"))
        file.seek(first)
        self._answer(206 if part else 200, file.read(last - first + 1), head, first, last)

    def _answer(self, status, body, head, first=None, last=None):
        self.server.note(client=self.client_address[0].removeprefix("::ffff:"), method=self.command, path=self.path,
                         status=status, first=first, last=last, bytes=len(body))
        self.send_response(status)
        for name, value in head + [("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """Nothing: what matters is in the log of the server."""


class Server(http.server.ThreadingHTTPServer):
    """Of one folder."""

    address_family = socket.AF_INET6  # and IPv4, mapped
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, root, port, log=None):
        self.root = root
        self._lock = threading.Lock()
        super().__init__(("::", port), Handler)
        self._log = open(log, "a", encoding="ascii", buffering=1) if log else None

    def note(self, **what):
        """A request has been answered."""
        if self._log:
            with self._lock:
                self._log.write(json.dumps(what) + "\n")


if __name__ == "__main__":
    Server(sys.argv[1], int(sys.argv[2]), *sys.argv[3:4]).serve_forever()
