"""relay.py ADDRESS PORT..: passes connections to ADDRESS on to the same port of 127.0.0.1, as long as
whoever started it lives."""

import asyncio
import os
import sys


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def listen(address, port):
    async def accept(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    return await asyncio.start_server(accept, address, port)


async def main(address, *ports):
    parent = os.getppid()
    servers = [await listen(address, int(port)) for port in ports]
    while os.getppid() == parent:
        await asyncio.sleep(1)
    for server in servers:
        server.close()


asyncio.run(main(*sys.argv[1:]))
