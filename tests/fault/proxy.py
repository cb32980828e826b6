"""A TCP proxy in front of PostgreSQL that can misbehave: one for each process, so that one can be cut off and the others not.

Its faults last for a time or for a number of messages, may overlap, and end by themselves:

    reset    connections are reset, and new ones refused
    swallow  bytes vanish in both directions, and nobody is told; afterwards the connections that lost some are reset
    delay    every piece takes so much longer
    cut      the next messages of a kind reach PostgreSQL, and their connection is reset before the answer comes back
"""

import asyncio
import contextlib
import socket
import struct
import threading
import time

COMMIT = b"COMMIT\0"  # a simple query, as libpq sends it
ANY = b""
# What PostgreSQL needs to act on a message before its client is cut off.
ACT_S = 0.05


class Link:
    """One connection through the proxy."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.lost_bytes = False

    def reset(self):
        with contextlib.suppress(OSError):
            self.client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.transport.abort()
        self.server.transport.abort()


class Proxy:
    """Listens from its construction until close(). `target`: the path of a Unix socket. Thread-safe."""

    def __init__(self, target, host="127.0.0.1"):
        self.target = target
        self.links = set()
        self.until = {"reset": 0.0, "swallow": 0.0, "delay": 0.0}  # monotonic times
        self.pause = 0.0
        self.cuts = []  # [kind, how many are left]
        self.was_cut = 0
        self.loop = asyncio.new_event_loop()
        listener = socket.create_server((host, 0))
        self.host, self.port = listener.getsockname()[:2]
        self.server = self.loop.run_until_complete(asyncio.start_server(self._serve, sock=listener))
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def url(self, database):
        return f"postgresql://quenchd@{self.host}:{self.port}/{database}?sslmode=disable&gssencmode=disable"

    def close(self):
        async def end():
            self.server.close()
            for link in list(self.links):
                link.reset()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0.01)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    # ---- faults: each returns at once ----

    def reset(self, seconds):
        self.loop.call_soon_threadsafe(self._begin, "reset", seconds, self._reset_all)

    def swallow(self, seconds):
        self.loop.call_soon_threadsafe(self._begin, "swallow", seconds, lambda: None)

    def delay(self, seconds, pause):
        self.pause = pause
        self.loop.call_soon_threadsafe(self._begin, "delay", seconds, lambda: None)

    def cut(self, kind, count):
        """Both sides see what a network that fails between a commit and its answer shows them."""
        self.loop.call_soon_threadsafe(self.cuts.append, [kind, count])

    def _begin(self, what, seconds, first):
        self.until[what] = max(self.until[what], time.monotonic() + seconds)
        first()
        self.loop.call_later(seconds + 0.01, self._reset_maimed)

    def _on(self, what):
        return time.monotonic() < self.until[what]

    def _reset_all(self):
        for link in list(self.links):
            link.reset()

    def _reset_maimed(self):
        if not self._on("swallow"):
            for link in list(self.links):
                if link.lost_bytes:
                    link.reset()

    def _cuts(self, data):
        for cut in self.cuts:
            if cut[1] > 0 and cut[0] in data:
                cut[1] -= 1
                self.was_cut += 1
                return True
        return False

    # ---- bytes ----

    async def _serve(self, reader, writer):
        # While bytes vanish the client finds a connection that never answers, as behind a dead router.
        if self._on("reset"):
            Link(writer, writer).reset()
            return
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self.target)
        except OSError:
            Link(writer, writer).reset()
            return
        link = Link(writer, server_writer)
        self.links.add(link)
        try:
            await asyncio.gather(self._pump(reader, server_writer, link, True), self._pump(server_reader, writer, link, False))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.links.discard(link)
            link.client.close()
            link.server.close()

    async def _pump(self, reader, writer, link, from_client):
        while data := await reader.read(65536):
            if self._on("swallow") or link.lost_bytes:
                link.lost_bytes = True
                continue
            if self._on("delay"):
                await asyncio.sleep(self.pause)
            writer.write(data)
            await writer.drain()
            if from_client and self._cuts(data):
                await asyncio.sleep(ACT_S)
                link.reset()
                return
        writer.close()
