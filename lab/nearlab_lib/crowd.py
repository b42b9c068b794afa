# SPDX-License-Identifier: GPL-2.0-or-later
"""
A crowd: so many clients ask the anycast address for a channel within so many seconds, or each at its
time. Each one that is redirected attaches to the node a little later (SETUP, interleaved), or never
does, and stays. With --patience, who is told that there is no room asks again.

A JSON line for each client when it is done, in any order, and then {"done": COUNT}. The sessions stay
until standard input ends, or for the seconds of --hold; those of --visits until their time. Runs in a
node, as a program of its own: crowd.py URL COUNT SECONDS, or crowd.py URL --visits JSON, and options.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import time
import urllib.parse

PATIENCE = 20.0  # s, for one answer


async def say(reader, writer, request):
    """One request: the answer's (status, head)."""
    writer.write(request.encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode()
    return int(head.split()[1]), head


async def ask(place, request, source=None):
    """One request on a connection of its own: (status, head, the connection)."""
    reader, writer = await asyncio.wait_for(
        asyncio.open_connection(*place, local_addr=source and (source, 0)), PATIENCE)
    try:
        return *await say(reader, writer, request), (reader, writer)
    except BaseException:
        writer.close()
        raise


async def attach(options, done, comes):
    """
    Asks, and attaches where it is sent, or there if that was a node; if it `comes`. Its connection then.
    done: gets code, host and attached of it.
    """
    url = urllib.parse.urlsplit(options.url)
    avoid = "".join(f"Nearcast-Avoid: {host}\r\n" for _, host in done["refused"][-1:])
    done["code"], head, conn = await ask(
        (url.hostname, url.port or 554),
        f"DESCRIBE {options.url} RTSP/1.0\r\nCSeq: 1\r\n{avoid}\r\n", options.source)
    conn[1].close()
    location = re.search(r"(?im)^Location: (\S+)", head)
    target = location[1] if location else options.url
    if done["code"] not in (200, 302):
        return None
    node = urllib.parse.urlsplit(target)
    done["host"] = node.hostname
    if not comes:
        return None
    await asyncio.sleep(random.uniform(*options.attach) / 1000)
    done["attached"], head, conn = await ask(
        (node.hostname, node.port or 554),
        f"SETUP {target}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\n"
        "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n", options.source)
    if options.play and done["attached"] == 200:
        session = re.search(r"(?im)^Session: ([^;\s]+)", head)[1]
        done["attached"], _ = await say(
            *conn, f"PLAY {target} RTSP/1.0\r\nCSeq: 2\r\nSession: {session}\r\n\r\n")
    done["at"] = time.monotonic()
    return conn


async def stay(options, conn, seconds):
    """Reads what comes, until it is time to leave."""
    reader, writer = conn

    async def listen():
        while options.play and await reader.read(1 << 16):
            pass
    try:
        await asyncio.wait_for(asyncio.gather(listen(), asyncio.sleep(seconds)), seconds)
    except (OSError, asyncio.TimeoutError):
        pass
    writer.close()


async def client(options, i, kept):
    """
    One client, as it is told: {client, t, code, host, attached, at, refused: [[t, host]] of each 453, full:
    how many 503}. It leaves at its time, if it has one, or its connection joins those that are kept.
    """
    arrives, stays = options.visits[i]
    await asyncio.sleep(arrives)
    done = {"client": i, "t": time.monotonic(), "refused": [], "full": 0}
    until = done["t"] + options.patience
    conn = None
    try:
        while True:
            done.update(code=None, host=None, attached=None, at=None)
            conn = await attach(options, done, not options.fail or i % options.fail)
            if done["attached"] == 453:
                done["refused"].append([time.monotonic(), done["host"]])
            done["full"] += done["code"] == 503
            if (done["attached"] != 453 and done["code"] != 503) or time.monotonic() >= until:
                break
            if conn:
                conn[1].close()
            await asyncio.sleep(random.uniform(0.2, 1.0))
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
        done["error"] = str(error) or type(error).__name__
    print(json.dumps(done), flush=True)
    if conn and stays is not None:
        await stay(options, conn, stays)
    elif conn:
        kept.append(conn)


async def crowd(options):
    """All of them; then they stay."""
    kept = []
    count = len(options.visits)
    await asyncio.gather(*(client(options, i, kept) for i in range(count)))
    print(json.dumps({"done": count}), flush=True)
    if options.hold is not None:
        await asyncio.gather(*(stay(options, conn, options.hold) for conn in kept))
    elif kept:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int, nargs="?", default=0)
    parser.add_argument("seconds", type=float, nargs="?", default=0)
    parser.add_argument("--visits", type=json.loads,
                        help="[[s until it comes, s that it stays], …], instead of COUNT and SECONDS")
    parser.add_argument("--attach", type=float, nargs=2, default=(50, 500), help="ms")
    parser.add_argument("--fail", type=int, default=0, help="one in so many never attaches; 0: none")
    parser.add_argument("--patience", type=float, default=0,
                        help="s that who is told that there is no room goes on asking")
    parser.add_argument("--play", action="store_true", help="PLAY, and read what comes")
    parser.add_argument("--source", help="address that they come from")
    parser.add_argument("--hold", type=float, help="s that they stay")
    options = parser.parse_args()
    options.visits = options.visits or [(options.seconds * i / options.count, None)
                                        for i in range(options.count)]
    asyncio.run(crowd(options))


if __name__ == "__main__":
    main()
