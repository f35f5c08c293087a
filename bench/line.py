#!/usr/bin/env python3
"""A slow line before a TCP service, for kernels without netem: a rate and a delay each way.

    bench/line.py LISTEN_PORT SERVER_PORT MBIT_PER_SECOND DELAY_MS

Each direction has one queue for all connections: a piece leaves when those
before it have, at the rate, and arrives after the delay.  What a client sends
first waits for a round trip more: TCP's handshake, which the loopback device does at once.
TCP's slow start is not imitated.  At SIGTERM it prints the bytes that went up and down.
"""

import asyncio
import signal
import sys

PIECE = 1448  # what a segment of an Ethernet carries
HEADERS = 66  # Ethernet, IP and TCP with timestamps


class Direction:
    def __init__(self, rate: float, delay: float) -> None:
        self.rate, self.delay, self.free, self.bytes = rate, delay, 0.0, 0

    def arrival(self, length: int) -> float:
        now = asyncio.get_running_loop().time()
        self.bytes += length
        on_wire = length + HEADERS * -(-length // PIECE)
        self.free = max(self.free, now) + on_wire / self.rate
        return self.free + self.delay


async def carry(direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handshake: float) -> None:
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)

    async def deliver() -> None:
        while True:
            at, piece = await pieces.get()
            await asyncio.sleep(max(0.0, at - loop.time()))
            if not piece:
                writer.close()
                return
            writer.write(piece)
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    await asyncio.sleep(handshake)
    try:
        while True:
            piece = await reader.read(PIECE * 4)
            await pieces.put((direction.arrival(len(piece)), piece))
            if not piece:
                break
        await delivering
    except ConnectionError:
        delivering.cancel()
        writer.close()


async def main() -> None:
    listen, server = int(sys.argv[1]), int(sys.argv[2])
    rate, delay = float(sys.argv[3]) * 1e6 / 8, float(sys.argv[4]) / 1e3
    up, down = Direction(rate, delay), Direction(rate, delay)

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", server)
        both = carry(up, reader, behind_writer, 2 * delay), carry(down, behind_reader, writer, 0.0)
        try:
            await asyncio.gather(*both, return_exceptions=True)
        except asyncio.CancelledError:
            pass  # the end, with a connection kept open

    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    # small buffers, so that what waits for its turn waits with the client
    async with await asyncio.start_server(accepted, "127.0.0.1", listen, limit=1 << 16):
        await ended.wait()
        print(up.bytes, down.bytes, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
