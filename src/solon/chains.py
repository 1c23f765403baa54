"""A chain is one row's way through a stage: a generator that asks a model and is answered, and knows no model.

Stages are written as chains, so that the same few lines of method run in rounds on a local model, each alone against a
server, or on a cluster; and so that a test can answer them by hand. A chain is a function of its row and of the replies
it is sent, nothing else: a journal of replies is therefore enough to bring any chain back to where it was.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from solon.records import Conversation

T = TypeVar("T")
Asked = Conversation | str
"""Turns of a chat, whose next one is asked for; or text, to go on with as it stands."""


@dataclass(frozen=True)
class Sampling:
    """How to draw a completion. The names are OpenAI's and vLLM's."""

    max_tokens: int = 512
    temperature: float = 1.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generate:
    """Ask for one assistant turn, which begins with `prefill`."""

    conversation: Asked
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    prefill: str = ""


@dataclass(frozen=True)
class Choose:
    """Ask how likely each option is to follow `prefill`, where an option is a single token, e.g. "A" after "("."""

    conversation: Asked
    options: tuple[str, ...]
    prefill: str = ""


@dataclass(frozen=True)
class Completion:
    """What a model answered."""

    text: str
    """Without the prefill."""
    finish_reason: Literal["stop", "length"] = "stop"
    thinking: str = ""
    tokens: int = 0
    """Tokens sampled, the end of turn included."""
    prompt_tokens: int = 0
    """Tokens read, where a server counts them."""

    @property
    def flaw(self) -> str | None:
        """Why the text cannot be used, if it cannot."""
        if self.finish_reason == "length":
            return "cut at max_tokens"
        return None if self.text.strip() else "empty"


@dataclass(frozen=True)
class Choice:
    """How likely each option was, and how that is known."""

    probabilities: tuple[float, ...]
    """One an option, in [0, 1], summing to 1: normalised over the options."""
    mass: float
    """Probability of all options before normalising, in [0, 1]. Little mass: the model wanted to say something else."""
    source: Literal["exact", "top_logprobs", "votes"] = "exact"
    prompt_tokens: int = 0
    """Tokens read, where a server counts them."""


@dataclass(frozen=True)
class Failure:
    """The reply to a question that failed for good, e.g. one too long for the model."""

    reason: str


class Failed(Exception):
    """Raised in the chain that is sent a Failure; a stage catches it once and ends its row with the reason."""


Request = Generate | Choose
Reply = Completion | Choice | Failure
Chain = Generator[Request | tuple[Request, ...], Any, T]
"""Yields a question and is sent its reply; or several that do not wait for one another, and is sent a reply to each."""


def generate(conversation: Asked, sampling: Sampling, seed: int, prefill: str = "") -> Chain[Completion]:
    """Ask for one assistant turn: `completion = yield from generate(...)`.

    Raises:
        Failed: the question failed for good.
    """
    reply: Completion | Failure = yield Generate(conversation, sampling, seed, prefill)
    return _unless_failed(reply)


def choose(conversation: Asked, options: Sequence[str], prefill: str = "") -> Chain[Choice]:
    """Ask how likely each option is: `choice = yield from choose(...)`.

    Raises:
        Failed: the question failed for good.
    """
    reply: Choice | Failure = yield Choose(conversation, tuple(options), prefill)
    return _unless_failed(reply)


def choose_each(
    asked: Sequence[Asked], options: Sequence[str], prefill: str = ""
) -> Chain[tuple[Choice | Failure, ...]]:
    """Ask the same of several conversations at once; a model may compute once what they begin with alike."""
    if not asked:
        return ()
    replies: tuple[Choice | Failure, ...] = yield tuple(Choose(each, tuple(options), prefill) for each in asked)
    return replies


def _unless_failed(reply: T | Failure) -> T:
    if isinstance(reply, Failure):
        raise Failed(reply.reason)
    return reply
