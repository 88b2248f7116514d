"""A TCP relay that delays every byte; this machine's kernel has no netem."""

import asyncio
import threading

CHUNK_BYTES = 65536


class DelayRelay:
    """Listens on a port, forwards to a target with delay_ms each way; delay_ms may change."""

    def __init__(self, listen_port, target, delay_ms):
        self.listen_port, self.target, self.delay_ms = listen_port, target, delay_ms
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(5), "relay does not listen"

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        assert not self._thread.is_alive(), "relay does not end"

    def _run(self):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", self.listen_port))
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer),
                             return_exceptions=True)

    async def _pump(self, reader, writer):
        """Chunks keep their order: each is written when its own time has come."""
        queue = asyncio.Queue()

        async def deliver():
            while True:
                due, chunk = await queue.get()
                await asyncio.sleep(max(0, due - self._loop.time()))
                if not chunk:
                    writer.close()
                    return
                writer.write(chunk)

        task = self._loop.create_task(deliver())
        try:
            while True:
                chunk = await reader.read(CHUNK_BYTES)
                queue.put_nowait((self._loop.time() + self.delay_ms / 1000, chunk))
                if not chunk:
                    break
        except OSError:
            queue.put_nowait((self._loop.time(), b""))
        await task
