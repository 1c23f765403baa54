"""What a model is to the rest of Solon, and how it is named.

Whatever is behind it, a model promises the following; `tests/models/test_contract.py` holds every backend to it.
- Each question has one reply: `Generate` a Completion, `Choose` a Choice, either a Failure that says why it cannot be
  answered, e.g. that it is too long. No text in a question raises; what makes every question fail is a ModelError.
- A Completion has at most `max_tokens` tokens, without the prefill, and ends before the first of the `stop` strings.
  It says "length" where it was cut, and nothing else says so. The same question and seed get the same words; another
  seed draws anew, where the temperature is not 0.
- A Choice has a probability for each option, in their order, which sum to 1; the mass that they had together, in
  [0, 1]; and how that is known.
- The same questions, asked of the model loaded anew, get the same replies. A server may not hold this: it is probed.
- The identity is JSON, is the same whenever the model is loaded, differs where replies could, and holds no secret.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from solon.chains import Reply, Request
from solon.models.width import Width
from solon.prompts import FormName


@dataclass(frozen=True)
class ModelSpec:
    """Which model: "Qwen/Qwen3-8B" is `ModelSpec("transformers", "Qwen/Qwen3-8B")`."""

    backend: str
    name: str
    """A Hub name, the path of a folder, or the URL of a server, "#" and the name that the model has there."""
    options: Mapping[str, Any] = field(default_factory=dict)


class Model(Protocol):
    """A local model: it computes batches, and says which questions it would compute together."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides what it answers (weights digest, dtype, device, threads, library versions)."""

    @property
    def form(self) -> FormName:
        """How it is best asked: in the turns of a chat, or in the paper's transcript."""

    def rendered(self, request: Request) -> str:
        """What it reads, control tokens and all; for people to look at. Why not, where it cannot be asked."""

    def batches(self, requests: Sequence[Request]) -> list[list[int]]:
        """Partition `requests` (indices) into what is computed together; a function of `requests` alone.

        Not of what was asked before, nor of the hour: what a batch computes depends, in the last bits, on its shape.
        """

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer one of `batches`, in order: as many replies as questions.

        Raises:
            ModelError: it cannot answer anything at all.
        """


@runtime_checkable
class Server(Protocol):
    """A model behind a server, which makes batches of its own: asked one question at a time, many side by side.

    It is asked within an `async with` statement, which holds its connections.
    """

    width: Width
    """How many questions it is asked at once."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that is known of what decides its answers; no keys."""

    @property
    def form(self) -> FormName:
        """As of a local model."""

    def rendered(self, request: Request) -> str:
        """What it is sent; for people to look at."""

    async def answer(self, request: Request) -> Reply:
        """Answer one question.

        Raises:
            ModelError: it cannot answer anything at all.
        """

    async def __aenter__(self) -> Self:
        """Open connections as they are needed."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
