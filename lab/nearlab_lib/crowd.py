# SPDX-License-Identifier: GPL-2.0-or-later
"""
A crowd: so many clients ask the anycast address for a channel within so many seconds. Each one that
is redirected attaches to the node a little later (SETUP, interleaved), or never does, and stays. A
JSON line for each client when it is done, in any order, and then {"done": COUNT}. The sessions stay
until standard input ends, or for the seconds of --hold. Runs in a node, as a program of its own:
crowd.py URL COUNT SECONDS [--attach MIN MAX] [--fail N] [--source ADDRESS] [--hold S].
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


async def ask(place, request, source=None):
    """One request on a connection of its own: (status, head, the connection)."""
    reader, writer = await asyncio.wait_for(
        asyncio.open_connection(*place, local_addr=source and (source, 0)), PATIENCE)
    try:
        writer.write(request.encode())
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode()
        return int(head.split()[1]), head, writer
    except BaseException:
        writer.close()
        raise


async def client(options, i, kept):
    """One client, as it is told: {client, t, code, host, attached}."""
    url = urllib.parse.urlsplit(options.url)
    source = options.source
    await asyncio.sleep(options.seconds * i / options.count)
    done = {"client": i, "t": time.monotonic(), "code": None, "host": None, "attached": None}
    try:
        done["code"], head, conn = await ask(
            (url.hostname, url.port or 554),
            f"DESCRIBE {options.url} RTSP/1.0\r\nCSeq: 1\r\n\r\n", source)
        conn.close()
        location = re.search(r"(?im)^Location: (\S+)", head)
        if location:
            node = urllib.parse.urlsplit(location[1])
            done["host"] = node.hostname
            if not options.fail or i % options.fail:
                await asyncio.sleep(random.uniform(*options.attach) / 1000)
                done["attached"], _, conn = await ask(
                    (node.hostname, node.port or 554),
                    f"SETUP {location[1]}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\n"
                    "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n", source)
                kept.append(conn)
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
        done["error"] = str(error) or type(error).__name__
    print(json.dumps(done), flush=True)


async def crowd(options):
    """All of them; then they stay."""
    kept = []
    await asyncio.gather(*(client(options, i, kept) for i in range(options.count)))
    print(json.dumps({"done": options.count}), flush=True)
    if options.hold is not None:
        await asyncio.sleep(options.hold)
    else:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--attach", type=float, nargs=2, default=(50, 500), help="ms")
    parser.add_argument("--fail", type=int, default=0, help="one in so many never attaches; 0: none")
    parser.add_argument("--source", help="address that they come from")
    parser.add_argument("--hold", type=float, help="s that they stay")
    asyncio.run(crowd(parser.parse_args()))


if __name__ == "__main__":
    main()
