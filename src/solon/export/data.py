"""What of a run others can train on. What is left out is counted, each with its reason.

    sft                     01-critique   what 02-finetune is trained on, chosen by the function that it uses itself
    revision_preferences    01-critique   the last of these revisions before the first response; no model was asked
    ai_preferences          04-label      which of two responses the feedback model prefers, with its soft label
    responses               07-evaluate   what each model answers to held-out prompts: to look at, not to train on

Lengths are not looked at: how many tokens a text has depends on the tokenizer of those who train on it.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from solon.errors import UsageError
from solon.recipe import Recipe, stage_named
from solon.records import Comparison, Conversation, Revision, assistant
from solon.runs import read_rows, read_summary
from solon.stages.finetune import taught, texts


class Text(TypedDict):
    """A prompt, and the response to learn."""

    id: str
    kind: Literal["red-team", "helpful"]
    revision: int
    """How often the response was revised; 0 is as it came."""
    principle: str | None
    """Of the revision."""
    critique: str | None
    """What the revision answers."""
    prompt: Conversation
    completion: Conversation


class Preference(TypedDict):
    """A prompt, and two responses of which the first is better."""

    id: str
    prompt: Conversation
    chosen: Conversation
    rejected: Conversation


class RevisionPreference(Preference):
    """A revision before the response that it revises."""

    principles: list[str]
    """Of every revision on the way."""


class AIPreference(Preference):
    """What the feedback model prefers."""

    principles: list[str]
    """Of every judgement that is labelled."""
    probability: float
    """The soft label: how likely `chosen` is the better one, in (0.5, 1]."""
    known_by: str | None
    """How: "exact", "top_logprobs", "votes", or "assumed", where a revision was taken to be better."""
    consistent: bool | None
    """Whether both orders prefer the same response."""


class Answer(TypedDict):
    """A model's answer to a held-out prompt and, where an oracle judges, what it says of it."""

    id: str
    model: str
    prompt: Conversation
    completion: Conversation
    request: NotRequired[str]
    split: NotRequired[str]
    behaviour: NotRequired[str]
    right: NotRequired[bool]
    score: NotRequired[float]
    followed: NotRequired[bool | None]


@dataclass(frozen=True)
class Data:
    """A data set."""

    name: str
    stage: str
    about: str
    row_type: Any
    rows: Sequence[Mapping[str, Any]]
    total: int
    """Rows of the stage, of which each is in `rows`, once or more, or is left out."""
    left_out: Mapping[str, int]
    """How many of these, by reason."""

    @property
    def told_left_out(self) -> str:
        """What is left out, in words."""
        return ", ".join(f"{many} ({reason})" for reason, many in self.left_out.items()) or "nothing"

    def without(self, misfit: Callable[[Mapping[str, Any]], bool], *, reason: str) -> "Data":
        """The data without the rows that do not fit a format."""
        rows = [row for row in self.rows if not misfit(row)]
        misfits = len({row["id"] for row in self.rows}) - len({row["id"] for row in rows})
        return replace(self, rows=rows, left_out={**self.left_out, reason: misfits}) if misfits else self


def gather(run: Path, recipe: Recipe, *, stage: str | None, held_out: bool) -> list[Data]:
    """Return the data of one stage, or of all that are complete; of the evaluation only where it is wanted.

    Raises:
        UsageError: the stage is not complete or has no data, or none is complete.
    """
    sources = _SOURCES if held_out else {name: of for name, of in _SOURCES.items() if name != "07-evaluate"}
    if stage is None:
        complete = [name for name in sources if (run / name / "summary.json").exists()]
        if not complete:
            raise UsageError(f"{run} has no data yet: {' and '.join(sources)} are not complete; type `solon run` again")
        return [data for name in complete for data in sources[name](run, recipe)]
    name = stage_named(stage)
    if name not in sources:
        known = ", ".join(name[3:] for name in sources)
        raise UsageError(f"--stage {stage}: {_NO_SOURCE[name]}; the stages that have data to train on are {known}")
    return sources[name](run, recipe)


def _critique(run: Path, recipe: Recipe) -> list[Data]:
    rows: list[Any] = read_rows(run / "01-critique")
    return [_sft(rows, recipe), _revision_preferences(rows, recipe)]


def _sft(rows: list[Revision], recipe: Recipe) -> Data:
    told = taught(rows, recipe.finetune)
    left_out = _dropped(rows)
    if too_many := len(rows) - left_out.total() - len({row["id"] for row, _, _ in told}):
        left_out[f"more than finetune.helpful_ratio {recipe.finetune.helpful_ratio:g} takes"] = too_many
    return Data(
        "sft",
        "01-critique",
        "Prompts with the revisions of a model's response, and helpful prompts with the response itself.",
        Text,
        [_text(row, number, text) for row, number, text in told],
        len(rows),
        left_out,
    )


def _text(row: Revision, number: int, text: str) -> Text:
    step = row["steps"][number - 1] if number else None
    return {
        "id": row["id"],
        "kind": row["kind"],
        "revision": number,
        "principle": step["principle"] if step else None,
        "critique": step["critique"] if step else None,
        "prompt": row["prompt"],
        "completion": [assistant(text)],
    }


def _revision_preferences(rows: list[Revision], recipe: Recipe) -> Data:
    left_out = _dropped(rows)
    found: list[RevisionPreference] = []
    for row in rows:
        if row["drop_reason"] is not None:
            continue
        if row["kind"] == "helpful":
            left_out["helpful, not revised"] += 1
            continue
        [revision] = texts(row, revisions="last", upto=recipe.finetune.upto)
        if revision == row["response"]:
            left_out["the revision is the response"] += 1
            continue
        found.append(
            {
                **_preference(row["id"], row["prompt"], chosen=revision, rejected=row["response"]),
                "principles": [step["principle"] for step in row["steps"][: recipe.finetune.upto]],
            }
        )
    about = "The last revision before the first response. No model compared them: a revision is taken to be better."
    return Data("revision_preferences", "01-critique", about, RevisionPreference, found, len(rows), left_out)


def _label(run: Path, recipe: Recipe) -> list[Data]:
    """The labels, with an account of the pairs that were dropped before they came to be labelled."""
    rows: list[Any] = read_rows(run / "04-label")
    pairs = read_rows(run / "03-pairs")
    left_out = _dropped(pairs) + _dropped(rows)
    found: list[AIPreference] = []
    for row in rows:
        if row["drop_reason"] is not None:
            continue
        if row["probability"] in (None, 0.5):
            left_out["no label" if row["probability"] is None else "a tie: the label is 1/2"] += 1
            continue
        found.append(_ai_preference(row))
    about = "Two responses to a prompt, the better one first by the label of a feedback model: `probability`."
    if recipe.label.shuffle:
        about += " The labels were turned round at random (label.shuffle), as a control: they are nobody's preferences."
    return [Data("ai_preferences", "04-label", about, AIPreference, found, len(pairs), left_out)]


def _ai_preference(row: Comparison) -> AIPreference:
    first, second = row["responses"]
    probability = row["probability"] or 0.0
    chosen, rejected = (first, second) if probability > 0.5 else (second, first)
    return {
        **_preference(row["id"], row["prompt"], chosen=chosen, rejected=rejected),
        "principles": [told["principle"] for told in row["judgements"] if told["state"] == "labelled"],
        "probability": max(probability, 1 - probability),
        "known_by": row["known_by"],
        "consistent": row["consistent"],
    }


def _preference(id: str, prompt: Conversation, *, chosen: str, rejected: str) -> Preference:
    return {"id": id, "prompt": prompt, "chosen": [assistant(chosen)], "rejected": [assistant(rejected)]}


def _evaluate(run: Path, recipe: Recipe) -> list[Data]:
    folder = run / "07-evaluate"
    read_summary(folder)  # else it is not complete
    rows = [row for part in sorted(folder.glob("*/summary.json")) for row in read_rows(part.parent)]
    found = [
        {**{key: row[key] for key in row if key in Answer.__annotations__}, "completion": [assistant(row["response"])]}
        for row in rows
        if row["drop_reason"] is None
    ]
    about = "What each model answers to held-out prompts. Not to train on, or these prompts measure nothing any more."
    return [Data("responses", "07-evaluate", about, Answer, found, len(rows), _dropped(rows))]


def _dropped(rows: Sequence[Mapping[str, Any]]) -> Counter[str]:
    return Counter(_without_numbers(row["drop_reason"]) for row in rows if row["drop_reason"] is not None)


def _without_numbers(reason: str) -> str:
    """A reason that many rows share: "prompt of 3000 tokens" is "prompt of N tokens"."""
    return re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "N", reason)


_SOURCES: Mapping[str, Callable[[Path, Recipe], list[Data]]] = {
    "01-critique": _critique,
    "04-label": _label,
    "07-evaluate": _evaluate,
}
_NO_SOURCE = {
    "02-finetune": "02-finetune is trained on the rows of critique",
    "03-pairs": "03-pairs has no labels, which its rows get in label",
    "05-preference_model": "05-preference_model is trained on the rows of label",
    "06-rl": "06-rl asks the prompts again and keeps no rows",
    "07-evaluate": "held-out responses are not to be trained on, and go out with --to hub only",
}
