"""A model that computes nothing: a function from a question to its reply, which a test writes.

`fake:NAME` says words at random, so that a recipe can be tried out before a model is loaded or paid for.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from solon.chains import Choice, Choose, Completion, Failure, Reply, Request
from solon.errors import UsageError
from solon.prompts import FormName
from solon.records import rng

WORDS = "we could ask them first since the shop opens at nine and it is kinder to wait than to take what others need"
CONTEXT = 32_768
"""Words that a question and `max_tokens` may have together."""


class Fake:
    """A model like any other, that answers by calling `reply` and remembers what it was `asked`."""

    def __init__(self, reply: Callable[[Request], Reply] | None = None, *, name: str = "fake", batch_size: int = 8):
        if batch_size < 1:
            raise UsageError(f"batch_size is {batch_size}; it must be at least 1.")
        self.reply = reply or partial(babble, name=name)
        self.name = name
        self.batch_size = batch_size
        self.asked: list[Request] = []

    @property
    def identity(self) -> dict[str, Any]:
        """Its name and batch size, which are all that stand in a file."""
        return {"backend": "fake", "name": self.name, "batch_size": self.batch_size}

    @property
    def form(self) -> FormName:
        """That of a chat."""
        return "chat"

    def rendered(self, request: Request) -> str:
        """The question itself."""
        return str(request.conversation) + request.prefill

    def batches(self, requests: Sequence[Request]) -> list[list[int]]:
        """In order, `batch_size` at a time."""
        indices = list(range(len(requests)))
        return [indices[i : i + self.batch_size] for i in range(0, len(indices), self.batch_size)]

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Call `reply` on each."""
        self.asked.extend(requests)
        return [self.reply(request) for request in requests]


def babble(request: Request, *, name: str) -> Reply:
    """Some words, or the likelihood of the options, drawn by the name, the question and its seed."""
    told = f"{json.dumps(request.conversation)} {request.prefill}"
    room = 0 if isinstance(request, Choose) else request.sampling.max_tokens
    if (long := len(told.split())) + room > CONTEXT:
        return Failure(f"prompt of {long} words and max_tokens {room} exceed the {CONTEXT} of {name}")
    if isinstance(request, Choose):
        shares = [rng(0, name, told, option).uniform(0.1, 1) for option in request.options]
        return Choice(tuple(share / sum(shares) for share in shares), mass=rng(0, name, told).uniform(0.5, 1))
    sampling = request.sampling
    drawn = rng(request.seed if sampling.temperature else 0, name, told)
    words = drawn.choices(WORDS.split(), k=drawn.randint(12, 24))
    text = " ".join(words[: sampling.max_tokens])
    cut = min((at for stop in sampling.stop if (at := text.find(stop)) >= 0), default=None)
    is_whole = cut is not None or len(words) <= sampling.max_tokens
    return Completion(text[:cut], "stop" if is_whole else "length", tokens=min(len(words), sampling.max_tokens))
