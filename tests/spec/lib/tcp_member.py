#!/usr/bin/env python3
"""A member of a TCP service: tcp_member.py PORT NAME MODE [BYTES]

    echo    says what it hears
    greet   "NAME\\n" first, as a server of MySQL does, then echo
    sum     reads to the end, then says the SHA-256 of it
    push    says BYTES bytes (push_bytes), ends its half, then reads to the end and prints how many
    flood   says bytes without end, and reads nothing
"""

import asyncio
import hashlib
import sys

CHUNK = 65536


def push_bytes(count):
    """count bytes that repeat only after 256 * 251."""
    block = bytes((i * 7 + i // 251) & 0xff for i in range(256 * 251))
    return (block * (count // len(block) + 1))[:count]


async def echo(reader, writer):
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()


async def serve(mode, name, count, reader, writer):
    try:
        if mode == "greet":
            writer.write(f"{name}\n".encode())
        if mode in ("echo", "greet"):
            await echo(reader, writer)
        elif mode == "sum":
            digest = hashlib.sha256()
            while chunk := await reader.read(CHUNK):
                digest.update(chunk)
            writer.write(digest.hexdigest().encode())
        elif mode == "push":
            writer.write(push_bytes(count))
            await writer.drain()
            writer.write_eof()
            heard = 0
            while chunk := await reader.read(CHUNK):
                heard += len(chunk)
            print(f"heard {heard}", flush=True)
        elif mode == "flood":
            while True:
                writer.write(push_bytes(CHUNK))
                await writer.drain()
        await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main(port, name, mode, count):
    async def on_client(reader, writer):
        await serve(mode, name, count, reader, writer)
    server = await asyncio.start_server(on_client, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3],
                     int(sys.argv[4]) if len(sys.argv) > 4 else 0))
