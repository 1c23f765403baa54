"""Which examples are shown before a question: those of its principle, those that all principles share, or none.

The paper shows the same few examples before every question (section 3.1), whatever the principle. Where we differ: a
principle may have examples of its own, which say what its words mean.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from solon.constitution.schema import ComparisonExemplar, Constitution, Exemplars, Principle, RevisionExemplar
from solon.records import Conversation

T = TypeVar("T")


@dataclass(frozen=True)
class ExemplarsConfig:
    """Which examples, and how many."""

    of: Literal["none", "principle", "shared", "both"] = "both"
    """The principle's own, the constitution's, or these and then those."""
    most: int | None = None
    """So many, drawn anew for each question; None shows all, in the order of the file, as the paper did."""


@dataclass(frozen=True)
class RevisionExample:
    """A revision with all that was said on the way to it."""

    prompt: Conversation
    response: str
    critique: tuple[str, str] | None
    """The request and the critique, where there is one."""
    request: str
    revision: str


@dataclass(frozen=True)
class ComparisonExample:
    """A comparison with its answer."""

    prompt: Conversation
    responses: tuple[str, str]
    request: str
    reasoning: str | None
    better: Literal["A", "B"]


@dataclass(frozen=True)
class Verbatim:
    """A reasoned comparison as it stands, with one `{}` in place of the request."""

    text: str
    request: str


def draw_principle(principles: Sequence[Principle], draw: random.Random) -> Principle:
    """One of the principles, by their weights."""
    return draw.choices(principles, [principle.weight for principle in principles])[0]


def draw_principles(principles: Sequence[Principle], most: int, draw: random.Random) -> list[Principle]:
    """So many of the principles, or all there are, by their weights and none twice."""
    left, drawn = list(principles), list[Principle]()
    while left and len(drawn) < most:
        drawn.append(draw_principle(left, draw))
        left.remove(drawn[-1])
    return drawn


def revisions(
    constitution: Constitution, principle: Principle, *, config: ExemplarsConfig, draw: random.Random
) -> list[RevisionExample]:
    """The examples shown before a critique or revision under a principle, in order."""
    sets = _sets(constitution, principle, config.of)
    return [
        _revision(exemplar, principle)
        for exemplar in _drawn([exemplar for each in sets for exemplar in each.revisions], config.most, draw)
    ]


def comparisons(
    constitution: Constitution,
    principle: Principle,
    *,
    config: ExemplarsConfig,
    draw: random.Random,
) -> list[ComparisonExample]:
    """The examples shown before a comparison under a principle, in order.

    One that all principles share is asked about under a principle of its own, drawn each time (section 4.1).
    """
    others = constitution.for_comparison
    usable = [(each, of) for of in _sets(constitution, principle, config.of) for each in _plain(of.comparisons)]
    return [
        _comparison(each, principle if of is principle.exemplars else draw_principle(others, draw))
        for each, of in _drawn(usable, config.most, draw)
    ]


def reasonings(
    constitution: Constitution,
    principle: Principle,
    *,
    config: ExemplarsConfig,
    draw: random.Random,
    verbatim: bool,
) -> list[ComparisonExample | Verbatim]:
    """The same, of those that say why; `verbatim` where the model is asked in the paper's transcript."""
    usable: list[tuple[ComparisonExemplar | str, Exemplars]] = []
    for of in _sets(constitution, principle, config.of):
        told = of.transcripts if verbatim and of.transcripts else [each for each in of.comparisons if each.reasoning]
        usable += [(each, of) for each in told]
    shown: list[ComparisonExample | Verbatim] = []
    for each, of in _drawn(usable, config.most, draw):
        asked = principle if of is principle.exemplars else draw_principle(constitution.for_comparison, draw)
        request = asked.comparison_request or ""
        shown.append(Verbatim(each, request) if isinstance(each, str) else _comparison(each, asked))
    return shown


def _plain(of: Sequence[ComparisonExemplar]) -> Sequence[ComparisonExemplar]:
    """Those that do not reason, where there are any: the paper has a set for either way of asking."""
    return [each for each in of if each.reasoning is None] or of


def _sets(constitution: Constitution, principle: Principle, of: str) -> list[Exemplars]:
    shared = [constitution.exemplars] if of in ("shared", "both") else []
    return [*shared, principle.exemplars] if of in ("principle", "both") else shared


def _drawn(exemplars: Sequence[T], most: int | None, draw: random.Random) -> Sequence[T]:
    return exemplars if most is None else draw.sample(exemplars, min(most, len(exemplars)))


def _revision(exemplar: RevisionExemplar, principle: Principle) -> RevisionExample:
    asked = exemplar.critique_request or principle.critique_request
    critique = None if asked is None or exemplar.critique is None else (asked, exemplar.critique)
    request = exemplar.revision_request or principle.revision_request or ""
    return RevisionExample(exemplar.conversation, exemplar.response, critique, request, exemplar.revised)


def _comparison(exemplar: ComparisonExemplar, principle: Principle) -> ComparisonExample:
    first, second = exemplar.responses
    request = exemplar.comparison_request or principle.comparison_request or ""
    return ComparisonExample(exemplar.conversation, (first, second), request, exemplar.reasoning, exemplar.better)
