"""A model that a test writes: a function from a question to its reply."""

from collections.abc import Callable, Sequence
from typing import Any

from solon.chains import Reply, Request
from solon.prompts import FormName


class Fake:
    """A model like any other, that answers by calling `reply` and remembers what it was `asked`."""

    def __init__(self, reply: Callable[[Request], Reply], *, batch_size: int = 8):
        self.reply = reply
        self.batch_size = batch_size
        self.asked: list[Request] = []

    @property
    def identity(self) -> dict[str, Any]:
        """Its batch size, which is all that stands in a file."""
        return {"backend": "fake", "batch_size": self.batch_size}

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
