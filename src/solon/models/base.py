"""What a model is to the rest of Solon, and how it is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from solon.chains import Reply, Request
from solon.prompts import FormName


@dataclass(frozen=True)
class ModelSpec:
    """Which model: "Qwen/Qwen3-8B" is `ModelSpec("transformers", "Qwen/Qwen3-8B")`."""

    backend: str
    name: str
    """A Hub name, or the path of a folder."""
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
        """What it reads, control tokens and all; for people to look at."""

    def batches(self, requests: Sequence[Request]) -> list[list[int]]:
        """Partition `requests` (indices) into what is computed together; a function of `requests` alone."""

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer one batch, in order.

        Raises:
            ModelError: it cannot answer anything at all.
        """
