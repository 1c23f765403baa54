"""A model behind a server that speaks OpenAI's protocol: vLLM, llama.cpp, `transformers serve`, hosted ones.

What it can do is asked of it first (`probe`), since servers take what they do not know in silence.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from solon import prompts
from solon.chains import Choose, Failure, Generate, Reply, Request, Sampling
from solon.errors import ModelError, UsageError
from solon.models.client import KNOCK_SECONDS, Again, Client, GaveUp, Pace
from solon.models.completions import as_text, read, request_of, tokenize_of
from solon.models.naming import option_ids
from solon.models.probe import Probed, probe
from solon.models.width import Width
from solon.prompts import FormChoice, FormName
from solon.records import user

CONCURRENCY = 64
KNOCK = Generate([user("Hello?")], Sampling(max_tokens=16))
"""What a server is asked that could not answer something else, to find out which of the two is the cause."""
TOKENIZED = 32
"""Prompts whose tokens are counted at once."""


def load(
    name: str,
    *,
    concurrency: int = CONCURRENCY,
    form: FormChoice = "auto",
    timeout: float = 600.0,
    api_key_env: str | Mapping[str, str] = "OPENAI_API_KEY",
    extra_body: Mapping[str, Any] | None = None,
    pace: Pace | None = None,
) -> "OpenAI":
    """Ask the server of "http://localhost:8000/v1#model-name" what it can do.

    `concurrency` bounds the questions under way at once, `timeout` is the seconds each may take, `extra_body` has more
    fields for each. The key is in the environment variable `api_key_env`, or that of the server's host.

    Raises:
        UsageError: it is no URL with a model's name, or the model is not asked so.
        ModelError: the server cannot be reached, or answers nothing.
    """
    url, model = parts(name)
    host = urlsplit(url).netloc
    key_env = api_key_env if isinstance(api_key_env, str) else api_key_env.get(host)

    def client(seconds: float) -> Client:
        return Client(url, width=Width(concurrency), key_env=key_env, timeout=seconds, pace=pace)

    async def ask() -> Probed:
        async with client(min(timeout, KNOCK_SECONDS)) as asked:
            return await probe(asked, model=model, form=form, extra=extra_body or {})

    return OpenAI(client(timeout), model=model, probed=asyncio.run(ask()), extra=extra_body or {})


def parts(name: str) -> tuple[str, str]:
    """The URL of a server and a model's name.

    Raises:
        UsageError: they are none; says nothing of what could be a key.
    """
    url, _, model = name.partition("#")
    try:
        place = urlsplit(url)
        is_url = place.scheme in ("http", "https") and place.hostname is not None and place.port != 0
    except ValueError:
        is_url = False
    if not is_url or "@" in url or "?" in url or not (model and url.isascii() and url.isprintable()):
        raise UsageError(
            "A server is named by its URL and, after a #, the model's name there, e.g. "
            "openai:http://localhost:8000/v1#my-model; keys and options do not belong into it: `models.api_key_env` "
            "names the environment variable that holds the key."
        )
    return url, model


class OpenAI:
    """A model and its server."""

    def __init__(self, client: Client, *, model: str, probed: Probed, extra: Mapping[str, Any]):
        self.client = client
        self.model = model
        self.probed = probed
        self.extra = extra
        self.width = client.width
        self._tokens: dict[tuple[tuple[str, ...], str], tuple[int, ...]] = {}

    @property
    def identity(self) -> dict[str, Any]:
        """Where it is, what it is called there and how it is asked; not which weights are behind it, nobody says."""
        place = urlsplit(self.client.url)
        abilities = self.probed.abilities
        told = {
            "backend": "openai",
            "server": place.netloc + place.path,
            "name": self.model,
            **asdict(abilities),
            "extra_body": dict(self.extra),
        }
        if not abilities.continues:
            asked = [user("{0}")]
            words = [prompts.asked_to_begin(asked, "{1}"), prompts.asked_for_an_option(asked, ("{1}", "{2}"))]
            told["words"] = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]
        return told

    @property
    def form(self) -> FormName:
        """As it was found, or as the person says."""
        return self.probed.abilities.form

    def rendered(self, request: Request) -> str:
        """The text, or the turns that the server makes a text of."""
        _, body = self._request(request)
        if "prompt" in body:
            return str(body["prompt"])
        turns = "\n\n".join(f"[{turn['role']}]\n{turn['content']}" for turn in body["messages"])
        return turns + (" …" if "continue_final_message" in body else "")

    def count(self, requests: Sequence[Request]) -> list[int] | None:
        """Tokens of each prompt by the server's `/tokenize`, which is vLLM's and beside `/v1`; None without one."""
        abilities = self.probed.abilities
        asked = [tokenize_of(each, model=self.model, abilities=abilities, extra=self.extra) for each in requests]

        async def ask() -> list[int] | None:
            async with self.client as client:
                counts: list[int] = []
                while len(counts) < len(asked):
                    some = asked[len(counts) :][: TOKENIZED if counts else 1]  # at first one, to see if it is there
                    for found in await asyncio.gather(*(client.once(*each, _counted) for each in some)):
                        if found is None:
                            return None
                        counts.append(found)
                return counts

        return asyncio.run(ask())

    async def answer(self, request: Request) -> Reply:
        """Ask; a question that fails again and again costs its row if the server answers another one.

        Raises:
            ModelError: it does not, or no question can be answered, or an option is not one token there.
        """
        abilities = self.probed.abilities
        tokens = await self._option_ids(request)
        path, body = self._request(request, tokens)
        reading = partial(read, request=request, abilities=abilities, tokens=tokens)
        found: Reply | GaveUp = await self.client.post(path, body, reading)
        if not isinstance(found, GaveUp):
            return found
        path, body = self._request(KNOCK)
        if await self.client.once(path, body, partial(read, request=KNOCK, abilities=abilities)) is None:
            raise ModelError(f"{self.client.url} does not answer any more: {found.reason}")
        return Failure(f"the server cannot answer it: {found.reason}")

    def _request(self, request: Request, tokens: tuple[int, ...] = ()) -> tuple[str, dict[str, Any]]:
        abilities = self.probed.abilities
        return request_of(request, model=self.model, abilities=abilities, extra=self.extra, tokens=tokens)

    async def _option_ids(self, request: Request) -> tuple[int, ...]:
        """The tokens of a choice's options, where the server can be told them; found once."""
        abilities = self.probed.abilities
        if not isinstance(request, Choose) or not abilities.names_tokens or as_text(request, abilities):
            return ()
        key = request.options, request.prefill
        async with self._finding:
            if key not in self._tokens:
                found = await option_ids(self.client, request, model=self.model, abilities=abilities, extra=self.extra)
                if isinstance(found, Failure | GaveUp):
                    raise ModelError(found.reason)
                self._tokens[key] = found
        return self._tokens[key]

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        self._finding = asyncio.Lock()  # of this event loop
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.__aexit__(kind, error, trace)


def _counted(data: Any) -> int | Again:
    many = data.get("count") if isinstance(data, dict) else None
    return many if isinstance(many, int) and not isinstance(many, bool) and many > 0 else Again("no count of tokens")
