"""What a request costs in each HTTP library: CPU time of the client, where a server of another process answers at once.

Chat completions of about 2 kB each way go to a server on this machine over kept connections, `--width` at a time, which
is what the backend for servers does. Each client runs in a process of its own, `--repeats` times, taking turns; the
median is printed. Libraries that are not installed are left out:

    pip install aiohttp httpx httpx2 niquests pycurl
    python benchmarks/http_clients.py
"""

import argparse
import asyncio
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from http.client import HTTPConnection
from statistics import median
from threading import local
from urllib.parse import urlsplit

ASKED = {"model": "m", "messages": [{"role": "user", "content": "Is this a good answer? " * 90}], "max_tokens": 512}
SAID = {"content": "A response that helps, without doing harm. " * 45, "role": "assistant"}
REPLY = json.dumps({"choices": [{"index": 0, "message": SAID, "finish_reason": "stop"}], "usage": {}}).encode()

Send = Callable[[bytes], Awaitable[bytes]]


class Answering(asyncio.Protocol):
    """The least that answers HTTP: it reads the length of the body, and sends the same bytes back each time."""

    def connection_made(self, transport):
        self.transport, self.read = transport, b""

    def data_received(self, data):
        self.read += data
        while (end := self.read.find(b"\r\n\r\n")) >= 0:
            head = self.read[:end].lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head else 0
            if len(self.read) < end + 4 + length:
                return
            self.read = self.read[end + 4 + length :]
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            self.transport.write(b"Content-Length: %d\r\n\r\n" % len(REPLY) + REPLY)


async def serve():
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def with_aiohttp(stack: AsyncExitStack, url: str, width: int) -> Send:
    import aiohttp

    session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=width)))

    async def send(body):
        async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
            return await response.read()

    return send


async def with_httpx(stack: AsyncExitStack, url: str, width: int, *, module: str = "httpx") -> Send:
    httpx = __import__(module)
    limits = httpx.Limits(max_connections=width, max_keepalive_connections=width)
    client = await stack.enter_async_context(httpx.AsyncClient(limits=limits, timeout=60))

    async def send(body):
        return (await client.post(url, content=body, headers={"Content-Type": "application/json"})).content

    return send


async def with_httpx2(stack: AsyncExitStack, url: str, width: int) -> Send:
    return await with_httpx(stack, url, width, module="httpx2")


async def with_niquests(stack: AsyncExitStack, url: str, width: int) -> Send:
    import niquests

    session = await stack.enter_async_context(niquests.AsyncSession(pool_maxsize=width, pool_connections=width))

    async def send(body):
        return (await session.post(url, data=body, headers={"Content-Type": "application/json"})).content

    return send


async def with_http_client(stack: AsyncExitStack, url: str, width: int) -> Send:
    """The standard library, in threads."""
    place, mine = urlsplit(url), local()
    threads = stack.enter_context(ThreadPoolExecutor(width))

    def post(body):
        if not hasattr(mine, "connection"):
            mine.connection = HTTPConnection(place.hostname or "", place.port)
        mine.connection.request("POST", place.path, body, {"Content-Type": "application/json"})
        return mine.connection.getresponse().read()

    async def send(body):
        return await asyncio.get_running_loop().run_in_executor(threads, post, body)

    return send


async def with_pycurl(stack: AsyncExitStack, url: str, width: int) -> Send:
    """libcurl, a handle to each of so many threads."""
    import pycurl

    threads, mine = stack.enter_context(ThreadPoolExecutor(width)), local()

    def post(body):
        if not hasattr(mine, "curl"):
            mine.curl = pycurl.Curl()
            mine.curl.setopt(pycurl.URL, url)
            mine.curl.setopt(pycurl.HTTPHEADER, ["Content-Type: application/json", "Expect:"])
        mine.curl.setopt(pycurl.POSTFIELDS, body)
        return mine.curl.perform_rb()

    async def send(body):
        return await asyncio.get_running_loop().run_in_executor(threads, post, body)

    return send


CLIENTS = {
    "aiohttp": with_aiohttp,
    "httpx": with_httpx,
    "httpx2": with_httpx2,
    "niquests": with_niquests,
    "http.client in threads": with_http_client,
    "pycurl in threads": with_pycurl,
}


async def measure(client: str, url: str, *, width: int, requests: int) -> tuple[float, float]:
    """CPU and wall seconds a request, after one round that opens the connections."""
    body = json.dumps(ASKED).encode()
    async with AsyncExitStack() as stack:
        send = await CLIENTS[client](stack, url, width)

        async def worker(times):
            for _ in range(times):
                assert await send(body) == REPLY

        await asyncio.gather(*(worker(1) for _ in range(width)))
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.gather(*(worker(requests // width) for _ in range(width)))
        times = requests // width * width
        return (time.process_time() - cpu) / times, (time.perf_counter() - wall) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--requests", type=int, default=6400)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client == "serve":
        asyncio.run(serve())
    elif given.client:
        print(json.dumps(asyncio.run(measure(given.client, given.url, width=given.width, requests=given.requests))))
    else:
        compare(given)


def compare(given: argparse.Namespace) -> None:
    me = [sys.executable, __file__, "--width", str(given.width), "--requests", str(given.requests), "--client"]
    server = subprocess.Popen([*me, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1/chat/completions"
        there = [client for client in CLIENTS if importlib.util.find_spec(client.removesuffix(" in threads"))]
        found: dict[str, list[list[float]]] = {client: [] for client in there}
        for _ in range(given.repeats):
            for client in there:
                done = subprocess.run([*me, client, "--url", url], capture_output=True, text=True, check=True)
                found[client].append(json.loads(done.stdout))
    finally:
        server.terminate()
    print("| client | CPU ms a request, median (least to most) | requests a second, median |\n|---|---|---|")
    for client, times in sorted(found.items(), key=lambda it: median(cpu for cpu, _ in it[1])):
        cpu = sorted(1000 * each for each, _ in times)
        rate = 1 / median(wall for _, wall in times)
        print(f"| {client} | {median(cpu):.2f} ({cpu[0]:.2f} to {cpu[-1]:.2f}) | {rate:.0f} |")


if __name__ == "__main__":
    main()
