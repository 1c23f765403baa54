"""One row of a run on a terminal, as the paper's appendix shows its samples: every step with what was asked for.

What a model or a file said stays text: characters that would command a terminal are shown by their code, and all but
the first line of what is said is indented, so that nothing in it can pass for a line of Solon's.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from solon.cli import terminal
from solon.constitution.schema import Constitution, Principle
from solon.prompts import SPEAKERS, comparison_request, critique_request, revision_request
from solon.report.text import differences, visible

MARKS = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
"""Around what changed, where there are no colours; as `git diff --word-diff` has them."""
STYLES = {"same": "", "removed": "red strike", "added": "green"}
TOLD = {
    "probability": "Probability that A is better",
    "consistent": "Both orders agree",
    "mass": "Probability of A and B together",
    "known_by": "Known by",
    "request": "Request",
    "split": "Split",
    "behaviour": "Behaviour",
    "right": "Right",
    "followed": "In the form that was asked for",
    "score": "Score",
}
"""What is told of a row beside its texts, by its columns."""
ORDERS = {"forward": "A is better, as it stands here", "backward": "A is better, shown as (B)"}
"""How the probabilities of a judgement are told."""
INDENT = "  "
LEAST_WIDTH = 20

Row = Mapping[str, Any]


def show_trace(console: Console, row: Row, constitutions: Sequence[Constitution]) -> None:
    """Print a row; a terminal's lines are broken between words, a file's not at all."""
    for said in trace(row, constitutions, marks=not terminal.has_colours(console)):
        width = max(LEAST_WIDTH, console.width - len(INDENT))
        lines = said.wrap(console, width) if console.is_terminal else said.split(allow_blank=True)
        for number, line in enumerate(lines):
            line.rstrip()  # a space at the end would be struck out where it is part of what was removed
            console.print(Text(INDENT if number and line else "") + line, soft_wrap=True)


def trace(row: Row, constitutions: Sequence[Constitution], *, marks: bool) -> Iterator[Text]:
    """Tell a row, whatever its stage, from its prompt to its end; empty texts stand between its parts.

    `constitutions`, the run's own first, tell what their principles asked for; `marks` shows changes without colours.
    """
    yield _said("id", row["id"])
    for turn in row["prompt"]:
        yield _said(SPEAKERS[turn["role"]], turn["content"])
    if row.get("response"):
        yield _said(f"Response of {row['model']}" if "model" in row else "Response", row["response"])
    for option, response in zip("AB", row.get("responses", ()), strict=False):
        revised = ", a revision of the other" if row.get("revision") == "AB".index(option) + 1 else ""
        yield _said(f"Response {option}{revised}", response)
    for judgement in row.get("judgements", ()):
        yield Text()
        yield from _judgement(judgement, constitutions)
    before = row.get("response", "")
    for number, step in enumerate(row.get("steps", ()), 1):
        yield Text()
        yield from _step(row, constitutions, number=number, before=before, marks=marks)
        before = step["revision"]
    yield from _end(row)


def most_telling(rows: Sequence[Row]) -> Row | None:
    """The row of a run to show first: one that became another response, or else the first that was revised."""
    revised = [row for row in rows if row["drop_reason"] is None and row["steps"]]
    for row in revised:
        first, last = set(row["response"].split()), set(row["steps"][-1]["revision"].split())
        if len(first & last) < len(first | last) / 2:
            return row
    return revised[0] if revised else None


def _step(row: Row, constitutions: Sequence[Constitution], *, number: int, before: str, marks: bool) -> Iterator[Text]:
    """The `number`-th critique and revision (from 1), and what asked for them."""
    step = row["steps"][number - 1]
    principle, rules = _principle(step["principle"], constitutions[:1])
    yield _said(f"Principle {number}", _named(step["principle"], principle))
    if step["critique"] is not None:
        if principle and principle.critique_request:
            yield _said(f"Critique request {number}", critique_request(principle.critique_request, rules))
        yield _said(f"Critique {number}", step["critique"])
    is_same = step["revision"].strip() == before.strip()
    if is_same and not any(flaw.startswith(f"revision {number} ") for flaw in row["flaws"]):  # which one asked for has
        yield _said(f"Revision {number}", "not asked for, as the critique found nothing to mend")
        return
    if principle and principle.revision_request:
        yield _said(f"Revision request {number}", revision_request(principle.revision_request, rules))
    told = _said(f"Revision {number}, unchanged" if is_same else f"Revision {number}", "")
    yield told + _changes(before, step["revision"], marks=marks)


def _changes(before: str, after: str, *, marks: bool) -> Text:
    """A revision, with what it removed and what it added."""
    told = Text()
    for kind, piece in differences(before, after):
        if marks:
            told.append(visible(piece).join(MARKS[kind]))
        else:
            is_joined = kind == "added" and bool(told.spans) and told.spans[-1].end == len(told)
            told.append(" " if is_joined and not piece[0].isspace() else "")
            told.append(visible(piece), style=STYLES[kind])
    return told


def _judgement(judgement: Row, constitutions: Sequence[Constitution]) -> Iterator[Text]:
    """By what two responses were compared, and what was said of them."""
    of = [each for each in constitutions if each.name == judgement["constitution"]]
    principle, rules = _principle(judgement["principle"], of)
    if judgement["model"] is not None:
        yield _said("Feedback model", judgement["model"])
    if of and of[0] is not constitutions[0]:
        yield _said("Constitution", judgement["constitution"])
    yield _said("Principle", _named(judgement["principle"], principle))
    if principle and principle.comparison_request:
        yield _said("Comparison request", comparison_request(principle.comparison_request, rules))
    for number, reasoning in enumerate(judgement["reasoning"], 1):
        swapped = ", which saw B as (A) and A as (B)" if reasoning["swapped"] else ""
        if reasoning["thinking"]:
            yield _said(f"Thinking {number}{swapped}", reasoning["thinking"])
        yield _said(f"Reasoning {number}{swapped}", reasoning["text"])
    for order, title in ORDERS.items():
        if judgement[order] is not None:
            yield _said(title, _written(judgement[order]))
    if judgement["reason"] is not None:
        yield _said(judgement["state"].capitalize(), judgement["reason"])


def _end(row: Row) -> Iterator[Text]:
    """What became of a row, and what was wrong on the way."""
    found = {title: row[key] for key, title in TOLD.items() if row.get(key) is not None}
    flaws = row.get("flaws", ())
    if found or flaws or row["drop_reason"] is not None:
        yield Text()
    for title, value in found.items():
        yield _said(title, _written(value))
    for flaw in flaws:
        yield _said("Flaw", flaw)
    if row["drop_reason"] is not None:
        yield _said("Dropped", row["drop_reason"])


def _principle(id: str, of: Sequence[Constitution]) -> tuple[Principle | None, tuple[str, ...]]:
    """A principle of the constitution, if there is one and it is one of its, and the rules told with its requests."""
    if not of:
        return None, ()
    return next((each for each in of[0].principles if each.id == id), None), of[0].hard_constraints


def _named(id: str, principle: Principle | None) -> str:
    return f"{principle.title} ({id})" if principle and principle.title else id


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _said(who: str, what: str) -> Text:
    return Text.assemble((f"{who}: ", "bold"), visible(what))
