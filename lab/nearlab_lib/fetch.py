# SPDX-License-Identifier: GPL-2.0-or-later
"""
Gets an object by HTTP through the anycast address again and again, or what an RTSP server says to
OPTIONS, as a client does that does not give up: it asks, follows the redirection, and when the node
fails it asks once more, naming the node. A JSON line for each object. Runs in a node, as a program of its own: fetch.py URL INTERVAL_MS
[PATIENCE_MS].
"""

import http.client
import io
import json
import socket
import sys
import time
import urllib.parse


def describe(url, patience, avoid=()):
    """The same of RTSP; the body is the method's answer."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port or 554), patience) as conn:
        conn.settimeout(patience)
        more = f"Nearcast-Avoid: {', '.join(avoid)}\r\n" if avoid else ""
        conn.sendall(f"OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\n{more}\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            piece = conn.recv(4096)
            if not piece:
                raise ConnectionError("closed without an answer")
            data += piece
    head = http.client.parse_headers(io.BytesIO(data.split(b"\r\n", 1)[1]))
    return int(data.split()[1]), head["Location"], head["Public"]


def get(url, patience, avoid=()):
    """One exchange: (status, Location or None, body)."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "rtsp":
        return describe(url, patience, avoid)
    conn = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=patience)
    try:
        headers = {"Nearcast-Avoid": ", ".join(avoid)} if avoid else {}
        conn.request("GET", parts.path or "/", headers=headers)
        answer = conn.getresponse()
        return answer.status, answer.getheader("Location"), answer.read().decode()
    finally:
        conn.close()


def attempt(url, patience, avoid):
    """{sent_to: HOST or None, code, got: text or None, error}: one redirection and one node."""
    done = {"sent_to": None, "code": None, "got": None}
    try:
        done["code"], location, _ = get(url, patience, avoid)
        if not location:
            return done
        done["sent_to"] = urllib.parse.urlsplit(location).hostname
        status, _, body = get(location, patience)
        if status == 200:
            done["got"] = body
    except (OSError, ValueError, IndexError, http.client.HTTPException) as error:
        done["error"] = str(error) or type(error).__name__
    return done


def fetch(url, patience, attempts=3):
    """{t, ms, attempts: […]}: until it has the object, or has tried so often."""
    start = time.monotonic()
    tried, avoid = [], []
    while len(tried) < attempts and not (tried and tried[-1]["got"]):
        tried.append(attempt(url, patience, avoid))
        if tried[-1]["sent_to"] and not tried[-1]["got"]:
            avoid.append(tried[-1]["sent_to"])
    return {"t": start, "ms": round((time.monotonic() - start) * 1000, 2), "attempts": tried}


def main(url, interval, patience=300.0):
    """Until it is ended."""
    while True:
        done = fetch(url, patience / 1000)
        print(json.dumps(done), flush=True)
        time.sleep(max(0.0, done["t"] + interval / 1000 - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
