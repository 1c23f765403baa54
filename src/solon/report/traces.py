"""Prompts followed through a whole run: response, critiques, revisions, and what the trained models answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from solon.prompts import SPEAKERS
from solon.records import Conversation, Revision, rng
from solon.report.read import Answer
from solon.report.tables import TITLES
from solon.report.text import Piece, differences

SHOWN = 20


@dataclass(frozen=True)
class TraceStep:
    """One revision: under which principle, after which critique, and what became of the text before."""

    principle: str
    critique: str | None
    changed: bool
    pieces: list[Piece]


@dataclass(frozen=True)
class Trace:
    """One prompt's way."""

    id: str
    prompt: list[tuple[str, str]]
    """Speaker and text of each turn."""
    response: str
    steps: list[TraceStep]
    flaws: list[str]
    answers: list[tuple[str, str]]
    """Title and text of each trained model that answered this prompt."""


def traces(revisions: Sequence[Revision], *, answers: Sequence[Answer], titles: Mapping[str, str]) -> list[Trace]:
    """Follow 20 prompts that were revised; `titles` of the principles by their ids.

    Those where something changed come before the others, those that the trained models answered before the rest, and
    then a draw that depends on the row's id alone: the same run shows the same prompts.
    """
    answered: dict[object, dict[str, str]] = {}
    for answer in answers:
        if answer["drop_reason"] is None:
            answered.setdefault(_key(answer["prompt"]), {}).setdefault(answer["model"], answer["response"])
    revised = [row for row in revisions if row["drop_reason"] is None and row["steps"]]
    revised.sort(
        key=lambda row: (not _changed(row), _key(row["prompt"]) not in answered, rng(0, row["id"], "trace").random())
    )
    return [_trace(row, answered.get(_key(row["prompt"]), {}), titles) for row in revised[:SHOWN]]


def _trace(row: Revision, answers: Mapping[str, str], titles: Mapping[str, str]) -> Trace:
    steps, before = [], row["response"]
    for step in row["steps"]:
        pieces = differences(before, step["revision"])
        changed = step["revision"].strip() != before.strip()
        title = titles.get(step["principle"], step["principle"])
        steps.append(TraceStep(title, step["critique"], changed, pieces))
        before = step["revision"]
    return Trace(
        id=row["id"],
        prompt=[(SPEAKERS[message["role"]], message["content"]) for message in row["prompt"]],
        response=row["response"],
        steps=steps,
        flaws=row["flaws"],
        answers=[(TITLES[model], answers[model]) for model in ("sl-cai", "rl-cai") if model in answers],
    )


def _changed(row: Revision) -> bool:
    return any(step["revision"].strip() != row["response"].strip() for step in row["steps"])


def _key(prompt: Conversation) -> object:
    return tuple((message["role"], message["content"]) for message in prompt)
