"""A server that speaks OpenAI's chat protocol and takes the time that a GPU would, so that its clients can be compared.

It is what vLLM is, without a model: an engine that takes one step after another. In a step every request in one of the
`SLOTS` that has read its prompt writes a token, and prompts are read, at most `BUDGET` tokens in all, the earliest
first. A step takes `STEP` seconds and `READ` more for each token that is read. Requests that find no slot wait in the
order in which they came. Whole blocks of `BLOCK` tokens that a request begins with, and that others have read or
written before, are not read again: `BLOCKS` of them are kept, those that were used last.

What it writes, and how long that is, depends on the messages alone: the order in which questions come changes when
they are answered, never how. So the work is the same for every client that asks the same.

    python benchmarks/simulated_server.py --port 8000

`GET /log` is what became of every request, `POST /reset` forgets that and all blocks. Where we differ from vLLM: a
token has four characters; a request is never put off for want of blocks, as half of them would do for all slots.
"""

import argparse
import asyncio
import hashlib
import json
import random
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from aiohttp import web

SLOTS = 32
BLOCK = 16
BLOCKS = 4096
"""65,536 tokens: what a model of 8B with grouped attention keeps in 8 GB."""
BUDGET = 2048
STEP = 0.006
READ = 0.00005
"""20,000 tokens a second."""
CHARACTERS = 4
LENGTHS = (16, 480)
"""Tokens of an answer, at least and at most; see `length`."""
WORDS = ("answer", "better", "could", "harm", "human", "never", "other", "people", "reason", "those", "whole")


@dataclass
class Asked:
    """What became of a request; times in seconds of the server's clock."""

    digest: str
    """Of its messages."""
    first: str
    """What its first message says."""
    prompt_tokens: int
    tokens: int
    """That are written."""
    came: float
    cached_tokens: int = 0
    began: float | None = None
    """When it found a slot."""
    ended: float | None = None
    status: int | None = None
    """None where it was given up, or is under way."""


@dataclass
class Writing:
    """A request that waits for a slot or has one."""

    asked: Asked
    prompt: str
    text: str
    done: asyncio.Future[None]
    unread: int = 0
    written: int = 0


class Blocks:
    """Which blocks are kept; a block is known by all that stands up to its end."""

    def __init__(self, most: int):
        self.most = most
        self._kept: OrderedDict[int, None] = OrderedDict()

    def cached(self, text: str) -> int:
        """How many tokens at its beginning need not be read; never all, since the last one must be."""
        found = 0
        for block in blocks_of(text[: CHARACTERS * (tokens_in(text) - 1)]):
            if block not in self._kept:
                break
            found += BLOCK
        return found

    def keep(self, text: str) -> None:
        for block in reversed(blocks_of(text)):  # so that the end of a text goes before its beginning
            self._kept[block] = None
            self._kept.move_to_end(block)
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()


def blocks_of(text: str) -> list[int]:
    """Only whole ones."""
    size, found, before = BLOCK * CHARACTERS, list[int](), 0
    for start in range(0, len(text) - size + 1, size):
        before = hash((before, text[start : start + size]))
        found.append(before)
    return found


def tokens_in(text: str) -> int:
    return -(-len(text) // CHARACTERS)


def text_of(messages: Sequence[dict[str, str]]) -> str:
    """What a model reads, as a chat template makes it."""
    return "".join(f"<|{turn['role']}|>\n{turn['content']}<|end|>\n" for turn in messages) + "<|assistant|>\n"


def length(draw: random.Random) -> int:
    """Tokens of an answer: a half has between 100 and 200, a few are long, as they are of chat models."""
    least, most = LENGTHS
    return min(most, max(least, round(draw.lognormvariate(4.95, 0.5))))


def answer_to(digest: str) -> str:
    """Words, `CHARACTERS` characters for each token; begun and ended so that no client trims them."""
    draw = random.Random(digest)
    size = CHARACTERS * length(draw)
    text = digest[:8]
    while len(text) < size:
        text += " " + draw.choice(WORDS)
    return text[: size - 2].rstrip().ljust(size - 1, ".") + "."


class Engine:
    """Takes steps as long as there is something to do."""

    def __init__(self) -> None:
        self.blocks = Blocks(BLOCKS)
        self._waiting: deque[Writing] = deque()
        self._running: list[Writing] = []
        self._wake = asyncio.Event()

    async def answer(self, asked: Asked, prompt: str, text: str) -> None:
        """Wait until it is written; who no longer waits for it frees its slot."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(Writing(asked, prompt, text, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            self._running = [each for each in self._running if not each.done.done()]
            self._admit(clock())
            if not self._running:
                self._wake.clear()
                await self._wake.wait()
                due = clock()
                continue
            due += STEP + READ * self._read()
            await asyncio.sleep(max(0.0, due - clock()))  # what came late is made up for
            self._write(clock())

    def _admit(self, now: float) -> None:
        while self._waiting and len(self._running) < SLOTS:
            each = self._waiting.popleft()
            if not each.done.done():
                each.asked.began, each.asked.cached_tokens = now, self.blocks.cached(each.prompt)
                each.unread = each.asked.prompt_tokens - each.asked.cached_tokens
                self._running.append(each)

    def _read(self) -> int:
        left = BUDGET
        for each in self._running:
            part = min(left, each.unread)
            each.unread -= part
            left -= part
        return BUDGET - left

    def _write(self, now: float) -> None:
        for each in self._running:
            if each.unread or each.done.done():
                continue
            if not each.written:
                self.blocks.keep(each.prompt)
            each.written += 1
            if each.written == each.asked.tokens:
                self.blocks.keep(each.prompt + each.text)
                each.asked.ended = now
                each.done.set_result(None)


class Service:
    """The protocol. `failing` is the share of prompts whose every question is refused twice before it is answered."""

    def __init__(self, *, failing: float = 0.0, retry_after: int | None = None):
        self.engine = Engine()
        self.log: list[Asked] = []
        self.failing = failing
        self.retry_after = retry_after
        self._refused: Counter[str] = Counter()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/log", self.told)
        app.router.add_post("/reset", self.reset)
        app.cleanup_ctx.append(self._running)
        return app

    async def _running(self, app):
        task = asyncio.create_task(self.engine.run())
        yield
        task.cancel()

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not body["messages"]:
            return web.json_response({"error": {"message": "no messages"}}, status=400)
        prompt = text_of(body["messages"])
        digest = hashlib.sha256(prompt.encode()).hexdigest()
        most = CHARACTERS * (body.get("max_tokens") or body.get("max_completion_tokens") or LENGTHS[1])
        whole = answer_to(digest)
        text, now = whole[:most], asyncio.get_running_loop().time()
        asked = Asked(digest, body["messages"][0]["content"], tokens_in(prompt), tokens_in(text), came=now)
        self.log.append(asked)
        if self._fails(asked):
            asked.status = 503
            headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
            return web.json_response({"error": {"message": "unavailable"}}, status=503, headers=headers)
        await self.engine.answer(asked, prompt, text)
        asked.status = 200
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop" if text == whole else "length"}
        used = {
            "prompt_tokens": asked.prompt_tokens,
            "completion_tokens": asked.tokens,
            "total_tokens": asked.prompt_tokens + asked.tokens,
        }
        told = {"id": f"chatcmpl-{digest[:12]}", "object": "chat.completion", "created": 0, "model": body["model"]}
        return web.json_response({**told, "choices": [choice], "usage": used})

    def _fails(self, asked: Asked) -> bool:
        if int(hashlib.sha256(asked.first.encode()).hexdigest()[:8], 16) / 2**32 >= self.failing:
            return False
        self._refused[asked.digest] += 1
        return self._refused[asked.digest] <= 2

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "simulated", "object": "model"}]})

    async def told(self, request: web.Request) -> web.Response:
        return web.json_response([asdict(asked) for asked in self.log])

    async def reset(self, request: web.Request) -> web.Response:
        self.log.clear()
        self.engine.blocks.clear()
        self._refused.clear()
        return web.json_response({})


async def serve(service: Service, *, port: int) -> None:
    runner = web.AppRunner(service.app(), access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes one that is free; it is printed")
    parser.add_argument("--failing", type=float, default=0.0, help="share of prompts that are refused twice, by 503")
    parser.add_argument("--retry-after", type=int, help="seconds that a refusal asks to wait")
    given = parser.parse_args()
    asyncio.run(serve(Service(failing=given.failing, retry_after=given.retry_after), port=given.port))


if __name__ == "__main__":
    main()
