"""A server that a test writes: what it says to each question, and how it breaks off.

It runs in a thread, and speaks just enough HTTP to be wrong in every way. `Behaviour` answers as a real one does.
"""

import asyncio
import hashlib
import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from solon.chains import Choose, Failure, Generate, Sampling
from solon.models.fake import babble


@dataclass(frozen=True)
class Said:
    """One answer, whole or not."""

    body: Any = b""
    """Bytes, text, or what becomes JSON."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int | None = None
    """Close the connection after so many bytes of the body."""
    hang: bool = False
    """Send no more after the headers, or after `cut`."""
    drip: float = 0.0
    """Seconds between two bytes."""


Reply = Callable[[str, dict[str, Any]], Any]
"""Called with the path and the body of a request; what is not `Said` is a JSON body."""


class Scripted:
    """`with Scripted(reply) as server` serves at `server.url`, and remembers what it was `asked`."""

    def __init__(self, reply: Reply):
        self.reply = reply
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.under_way = 0
        self.most = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def questions(self):
        """The bodies of all that was posted."""
        return [body for path, body in self.asked if path.endswith("/completions")]

    def name(self, model="m"):
        return f"openai:{self.url}#{model}"

    def __enter__(self):
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    def __exit__(self, *error):
        async def stop():
            self._server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self, reader, writer):
        try:
            while request := await _read(reader):
                path, headers, body = request
                self.asked.append((path, body))
                self.headers.append(headers)
                self.under_way += 1
                self.most = max(self.most, self.under_way)
                try:
                    said = self.reply(path, body)
                    said = said if isinstance(said, Said) else Said(said)
                    await asyncio.sleep(said.delay)
                    if not await _write(writer, said):
                        return
                finally:
                    self.under_way -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _read(reader):
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return first.split()[1], headers, json.loads(body) if body else {}


async def _write(writer, said: Said) -> bool:
    """Whether the connection may be used again."""
    data = said.body if isinstance(said.body, bytes | str) else json.dumps(said.body)
    data = data.encode() if isinstance(data, str) else data
    headers = {"Content-Type": "application/json", "Content-Length": str(len(data)), **said.headers}
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {said.status} Status\r\n{told}\r\n".encode())
    if said.hang:
        writer.write(data[: said.cut or 0])
        await asyncio.sleep(60)
    for byte in data if said.drip else b"":
        writer.write(bytes([byte]))
        await asyncio.sleep(said.drip)
    if said.drip:
        return True
    writer.write(data[: said.cut])
    await writer.drain()
    if said.cut is not None:
        writer.transport.abort()
        return False
    return True


@dataclass
class Behaviour:
    """A server that answers as vLLM does, but for what it is told not to do."""

    model: str = "m"
    chat: bool = True
    system: bool = True
    continues: bool = True
    top_logprobs: int = 20
    """The most that may be asked for; 0 ignores the wish in silence, as `transformers serve` does."""
    names_tokens: bool = True
    """Whether it tells of the tokens that `logprob_token_ids` names; else it ignores the field in silence."""
    tokenizes: bool = True
    """Whether there is a /tokenize."""
    limit: str = "max_tokens"
    """What it calls the most tokens of an answer; it refuses the other name, as OpenAI does."""
    seeds: bool = True
    samples: bool = True
    thinks: str = ""
    """The field that thoughts stand in, or "tags"."""
    likely: dict[str, float] = field(default_factory=lambda: {"A": -0.3, "B": -1.5, "The": -4.0})
    """Log-probabilities of the first token."""
    said: str = "Rather not, since it would hurt them"
    count: int = 0

    def __call__(self, path, body):
        if path == "/v1/models":
            return {"data": [{"id": self.model, "max_model_len": 4096}]}
        if body["model"] != self.model:
            return Said(error("The model does not exist.", code="model_not_found"), 404)
        if path == "/tokenize" and self.tokenizes:
            text = body["prompt"] if "prompt" in body else _read_out(body["messages"])
            count = len(text.split()) + (0 if body.get("continue_final_message") else 2)
            return {"count": count, "tokens": [ord(character) for character in text]}
        if path == "/v1/completions":
            return self._reply(body, body["prompt"], is_chat=False)
        if path != "/v1/chat/completions":
            return Said({"detail": "Not Found"}, 404)
        if not self.chat:
            return Said(error("no chat template"), 400)
        turns = body["messages"]
        if turns[0]["role"] == "system" and not self.system:
            return Said(error("System role not supported"), 400)
        return self._reply(body, _read_out(turns), is_chat=True)

    def _reply(self, body, prompt, *, is_chat):
        self.count += 1
        other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[self.limit]
        if other in body:
            return Said(error(f"Unsupported parameter: '{other}'. Use '{self.limit}' instead."), 400)
        depth = body.get("top_logprobs" if is_chat else "logprobs", 0)
        if self.top_logprobs and depth > self.top_logprobs:
            return Said(error(f"top_logprobs must be at most {self.top_logprobs}"), 400)
        is_open = is_chat and self.continues and body.get("continue_final_message")
        used = {"prompt_tokens": len(prompt.split()) + (0 if is_open else 2), "completion_tokens": 3}
        choice = {"index": 0, "finish_reason": "length" if body[self.limit] == 1 else "stop"}
        if depth and self.top_logprobs:
            choice["logprobs"] = self._logprobs(depth, is_chat=is_chat)
        if self.top_logprobs and self.names_tokens and (named := body.get("logprob_token_ids")):
            likely = {f"token_id:{id}": self.likely.get(chr(id), -20.0) for id in named}
            entries = [{"token": token, "logprob": value} for token, value in likely.items()]
            choice["logprobs"] = {"content": [{**entries[0], "top_logprobs": entries}]}
        text = self._text(body, prompt, is_open=is_open)
        if not is_chat:
            return {"choices": [{**choice, "text": text}], "usage": used}
        message = {"role": "assistant", "content": text}
        if self.thinks == "tags":
            message["content"] = f"<think>Hm.</think>\n\n{text}"
        elif self.thinks:
            message[self.thinks] = "Hm."
        return {"choices": [{**choice, "message": message}], "usage": used}

    def _text(self, body, prompt, *, is_open):
        if is_open and prompt.endswith("strawb"):
            return "erry"
        drawn = body.get("seed", 0) if self.seeds else self.count
        key = f"{prompt} {drawn if self.samples else ''}"
        return f"{self.said} {int(hashlib.sha256(key.encode()).hexdigest(), 16) % 10**6}."

    def _logprobs(self, depth, *, is_chat):
        tops = dict(sorted(self.likely.items(), key=lambda it: -it[1])[:depth])
        if not is_chat:
            return {"tokens": [next(iter(tops))], "top_logprobs": [tops]}
        entries = [{"token": token, "logprob": likely} for token, likely in tops.items()]
        return {"content": [{**entries[0], "top_logprobs": entries}]}


def _read_out(turns):
    return "".join(f"<{turn['role']}>{turn['content']}" for turn in turns)


def error(message, *, code=None):
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


def obedient(path, body, *, model="m", chat=True):
    """A server that does all it is told, with `babble` behind it, which keeps to max_tokens, stops and seeds."""
    if path == "/v1/models":
        return {"data": [{"id": model}]}
    is_chat = path == "/v1/chat/completions"
    if is_chat and not (chat and body["messages"]):
        return Said(error("no chat template" if body["messages"] else "messages must not be empty"), 400)
    turns = body["messages"] if is_chat else body["prompt"]
    is_open = is_chat and body.get("continue_final_message")
    turns, prefill = (turns[:-1], turns[-1]["content"]) if is_open else (turns, "")
    if body.get("logprobs"):
        asked = Choose(turns, ("A", "B"), prefill)
    else:
        sampling = Sampling(body["max_tokens"], body["temperature"], stop=tuple(body.get("stop", ())))
        asked = Generate(turns, sampling, body["seed"], prefill)
    reply = babble(asked, name=model)
    if isinstance(reply, Failure):
        return Said(error(reply.reason), 400)
    long = len(json.dumps(turns).split()) + len(prefill.split())
    used = {"prompt_tokens": long + (0 if is_open else 3), "completion_tokens": 1}
    if isinstance(asked, Choose):
        choice = {"finish_reason": "length", "logprobs": _likely(reply, is_chat=is_chat)}
        text = "A"
    else:
        used["completion_tokens"], text = reply.tokens, reply.text
        choice = {"finish_reason": reply.finish_reason}
    return {"choices": [{**choice, **({"message": {"content": text}} if is_chat else {"text": text})}], "usage": used}


def _likely(choice, *, is_chat):
    tops = {option: math.log(p * choice.mass) for option, p in zip("AB", choice.probabilities, strict=True)}
    if not is_chat:
        return {"top_logprobs": [tops]}
    return {"content": [{"top_logprobs": [{"token": token, "logprob": p} for token, p in tops.items()]}]}
