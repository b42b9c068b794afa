# SPDX-License-Identifier: GPL-2.0-or-later
"""Web servers that do what a test tells them, in threads: nodes with an object, and the ARN that sends
clients to them. Each remembers what it was asked."""

import re
import socket
import threading

PORT = 8080


def body_of(size, seed=0):
    """Bytes that are nowhere the same: a byte at the wrong place is found."""
    block = bytes((i * 7 + i // 251 + seed) & 0xFF for i in range(65521))
    return (block * (size // len(block) + 1))[:size]


class Request:
    """What a client asked: line, headers (names in lower case)."""

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        fields = (line.split(": ", 1) for line in lines[1:] if line)
        self.headers = {name.lower(): value for name, value in fields}


class WebServer:
    """Listens at once. `answer(request, connection)` does the rest; True: the connection stays."""

    def __init__(self, host, answer=None, port=PORT):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.answer = answer or self.serve
        self.requests = []
        self.connections = []
        self.listener = socket.create_server((host, port), family=family, backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with conn:
            conn.settimeout(30)
            try:
                while True:
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        piece = conn.recv(1)
                        if not piece:
                            return
                        head += piece
                    request = Request(head[:-4])
                    self.requests.append(request)
                    if not self.answer(request, conn):
                        return
            except OSError:
                pass

    def serve(self, request, conn):
        raise NotImplementedError

    def close(self):
        """As if it had been killed: nobody listens, and its connections are reset."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for conn in self.connections:
            try:
                conn.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def reply(conn, status, body=b"", **headers):
    """A small answer."""
    lines = [f"HTTP/1.1 {status} Because"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    conn.sendall("\r\n".join(lines).encode() + body)


class Arn(WebServer):
    """Sends clients to the first of the nodes (URL authorities) that they do not avoid. clings: it does
    not close their connections."""

    def __init__(self, host, nodes, query="", clings=False, port=PORT):
        self.nodes, self.query, self.clings = nodes, query, clings
        super().__init__(host, port=port)

    def serve(self, request, conn):
        avoid = [h.strip() for h in request.headers.get("nearcast-avoid", "").split(",")]
        ok = [n for n in self.nodes if n.rsplit(":", 1)[0].strip("[]") not in avoid]
        if not self.nodes:
            reply(conn, 503, Retry_After=1)
        else:
            node = (ok or self.nodes)[0]
            more = ("&" if "?" in request.target else "?") + self.query if self.query else ""
            more = "" if self.query in request.target else more
            reply(conn, 302, Location=f"http://{node}{request.target}{more}")
        return self.clings


class Node(WebServer):
    """Has one object at every path, and knows ranges.

    cut: closes after so many bytes of its first answer. stall: an Event; it stops after `cut` bytes
    until that is set. etag, modified: what it says of the object. ranges: whether it knows them.
    chunked: it does not say how long it is. before: called with each request. rate: bytes a second.
    """

    def __init__(self, host, body, etag='"v1"', modified=None, cut=None, stall=None, ranges=True,
                 chunked=False, status=None, before=None, rate=None, port=PORT):
        self.body, self.etag, self.modified = body, etag, modified
        self.cut, self.stall, self.ranges, self.chunked = cut, stall, ranges, chunked
        self.status, self.before, self.rate = status, before, rate
        super().__init__(host, port=port)

    def _range(self, request):
        """(first, last) or None."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        condition = request.headers.get("if-range")
        if not asked or not self.ranges or condition not in (None, self.etag, self.modified):
            return None
        last = int(asked[2]) if asked[2] else len(self.body) - 1
        return int(asked[1]), min(last, len(self.body) - 1)

    def serve(self, request, conn):
        if self.before:
            self.before(request)
        if self.status:
            reply(conn, self.status, b"no")
            return True
        part = self._range(request)
        if part and part[0] >= len(self.body):
            reply(conn, 416, Content_Range=f"bytes */{len(self.body)}")
            return True
        data = self.body[part[0] : part[1] + 1] if part else self.body
        lines = ["HTTP/1.1 206 Partial Content" if part else "HTTP/1.1 200 OK",
                 "Date: Thu, 26 Nov 2026 15:00:00 GMT", "Content-Type: video/mp4"]
        lines += [f"ETag: {self.etag}"] if self.etag else []
        lines += [f"Last-Modified: {self.modified}"] if self.modified else []
        if part:
            lines += [f"Content-Range: bytes {part[0]}-{part[1]}/{len(self.body)}"]
        lines += ["Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {len(data)}"]
        conn.sendall("\r\n".join([*lines, "", ""]).encode())
        if request.method != "HEAD":
            self._send(conn, data)
        return request.headers.get("connection") != "close"

    def _send(self, conn, data):
        cut, self.cut = self.cut, None
        if cut is not None:
            self._pieces(conn, data[:cut])
            if self.stall is None:
                conn.shutdown(socket.SHUT_RDWR)
                return
            self.stall.wait(30)
            data = data[cut:]
        self._pieces(conn, data)
        if self.chunked:
            conn.sendall(b"0\r\n\r\n")

    def _pieces(self, conn, data):
        step = 16384
        for at in range(0, len(data), step):
            piece = data[at : at + step]
            if self.chunked:
                piece = b"%x\r\n%s\r\n" % (len(piece), piece)
            conn.sendall(piece)
            if self.rate:
                threading.Event().wait(step / self.rate)
