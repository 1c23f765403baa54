"""The rows that stages exchange. A row is a plain dict: Parquet, `datasets` and TRL read it as it is."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NotRequired

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12


class Message(TypedDict):
    """One turn, in the form every chat API takes."""

    role: Literal["system", "user", "assistant"]
    content: str


Conversation = list[Message]


class Row(TypedDict):
    """What every row has. A row with a `drop_reason` is kept and counted, and goes no further."""

    id: str
    prompt: Conversation
    drop_reason: str | None


class Prompt(Row):
    """A conversation that awaits an answer."""

    kind: Literal["red-team", "helpful"]


class Step(TypedDict):
    """One critique of the latest response, and the revision that answers it."""

    principle: str
    critique: str | None
    """None where the response was revised without a critique (section 3.5)."""
    revision: str


class Revision(Row):
    """A response and how it was revised."""

    kind: Literal["red-team", "helpful"]
    response: str
    steps: list[Step]
    flaws: list[str]
    """What was wrong on the way, e.g. "critique 2 is a refusal", and what of the prompt could be taken for a mark of
    Solon's, e.g. "prompt contains (A)". One that costs the row is its `drop_reason` too."""


class Pair(Prompt):
    """Two responses to a prompt."""

    prompt_id: str
    """Of the prompt: the pair's own id, unless the prompt has several pairs."""
    responses: list[str]
    revision: Literal[1, 2] | None
    """Which of the two is a revision of the other; None where both were sampled."""


State = Literal["labelled", "abstained", "unparsed", "refused", "failed"]
"""How a judgement ended. Abstained: the model wanted to say something else. Unparsed: what it said cannot be read.
Refused: it would not compare. Failed: the question or the reply was impossible."""


class Reasoning(TypedDict):
    """What a feedback model said before it chose."""

    text: str
    thinking: str
    """What a reasoning model thought before it said that."""
    swapped: bool
    """Whether it saw the second response as (A)."""


class Judgement(TypedDict):
    """What one feedback model says of a pair under one principle."""

    model: str | None
    """None where only one was asked."""
    constitution: str
    """The name of the constitution that the principle is of."""
    principle: str
    forward: float | None
    """That the first response is the better one, in [0, 1], asked with the first as (A)."""
    backward: float | None
    """The same, asked with the first as (B)."""
    mass: float | None
    """Probability of all options before normalising, the smaller of both orders, in [0, 1]."""
    known_by: Literal["exact", "top_logprobs", "votes"] | None
    """How the probabilities are known."""
    reasoning: list[Reasoning]
    """Empty without chain of thought."""
    state: State
    reason: str | None
    """Why it is no label."""


class Comparison(Pair):
    """Two responses and which is preferred, by the mean of the judgements that are labelled."""

    judgements: list[Judgement]
    probability: float | None
    """That the first response is the better one, in [0, 1]."""
    known_by: Literal["exact", "top_logprobs", "votes", "assumed"] | None
    """How: the least certain way of the judgements; or a revision was taken for better, and nobody was asked."""
    consistent: bool | None
    """Whether both orders prefer the same response."""
    mass: float | None
    """The smallest of the judgements."""
    state: State
    """Labelled, if a judgement is; else as most of them ended."""
    flaws: list[str]
    """What of the prompt and the responses could be taken for a mark of Solon's, e.g. "response 2 contains (A)"."""


class Probe(Pair):
    """A pair of which one response is the worse one by how it was made; see `evaluate.audit`."""

    probe: str
    worse: Literal[1, 2]
    principle: str | None
    """Under which it is worse; None under any."""


class Audited(Comparison, Probe):
    """A probe, and what a feedback model says of it."""


class HumanComparison(Comparison):
    """Two responses and what people prefer: the probability is 0 or 1, and there are no judgements."""

    source: Literal["human"]


class Response(Row):
    """An answer to a held-out prompt and, where a judge is at hand, what it says of it."""

    model: str
    response: str
    request: NotRequired[str]
    split: NotRequired[str]
    behaviour: NotRequired[str]
    right: NotRequired[bool]
    score: NotRequired[float]
    followed: NotRequired[bool | None]


@dataclass(frozen=True)
class Scores:
    """What a judge that knows the truth says of one response to one conversation."""

    request: Literal["harmful", "benign", "look-alike"]
    """What was asked for; a look-alike sounds harmful and is not."""
    split: str
    """How new the request is to the judged model, e.g. "seen", "unseen-combination", "unseen-act"."""
    behaviour: Literal["comply", "engage", "evade", "preach", "harsh", "boilerplate", "garbled"]
    right: bool
    """Whether what the response says of the request is true of *this* request: its steps, its reason, its owner."""
    score: float
    """How good the response is in all, in [0, 1]."""
    followed: bool | None = None
    """Whether it is in the form that was asked for; None where none was."""


Judge = Callable[[Conversation, str], Scores]


def rng(seed: int, *key: object) -> random.Random:
    """A generator that depends on its key alone: not on order, batch, shard or worker."""
    return random.Random(repr((seed, *key)))


def draw_seed(seed: int, *key: object) -> int:
    """A seed for one draw, a function of its key alone, in [0, 2**63)."""
    return rng(seed, *key).getrandbits(63)


def system(content: str) -> Message:
    """A system prompt."""
    return {"role": "system", "content": content}


def user(content: str) -> Message:
    """A user's turn."""
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    """An assistant's turn."""
    return {"role": "assistant", "content": content}
