"""What a person sees of a run on a terminal: progress on stderr; tables, and a row through all its steps, on stdout."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.table import Table
from rich.text import Text

from solon.prompts import SPEAKERS
from solon.report.read import Metrics
from solon.report.tables import TITLES, metric_rows, models_in_order
from solon.report.text import differences, visible

Report = Callable[[str, int, int], None]

SECONDS_BETWEEN_LINES = 10.0
MARKS = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
"""Around what changed, where there are no colours; as `git diff --word-diff` has them."""
STYLES = {"same": "", "removed": "red strike", "added": "green"}


def console() -> Console:
    """Standard output; wide enough for a table where it is no terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


@contextmanager
def progress() -> Iterator[Report]:
    """Report progress: a bar for each stage where stderr is a terminal, else a plain line now and then."""
    if sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _lines()


@contextmanager
def _bars() -> Iterator[Report]:
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeLeft())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage if total else f"{stage} (on file)", total=total or 1)
            bars.update(tasks[stage], completed=done if total else 1, total=total or 1)

        yield report


def _lines() -> Report:
    began: dict[str, tuple[float, int]] = {}
    told: dict[str, tuple[float, int]] = {}

    def report(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        start, first = began.setdefault(stage, (now, done))
        last, before = told.get(stage, (0.0, -1))
        if done == before or (stage in told and done < total and now - last < SECONDS_BETWEEN_LINES):
            return
        told[stage] = (now, done)
        is_measured = first < done < total and now - start > 1
        left = f", about {(now - start) / (done - first) * (total - done):.0f} s left" if is_measured else ""
        what = "on file already" if not total else f"{done} of {total}{left}" if done else "begins"
        print(f"{stage}: {what}", file=sys.stderr, flush=True)

    return report


def stages_table(summaries: Mapping[str, Mapping[str, Any]]) -> Table:
    """What became of the rows of each complete stage, or how long it trained."""
    table = Table("stage", "rows", "ok", "dropped", title="Complete", title_justify="left")
    for stage, summary in summaries.items():
        if "rows" in summary:
            reasons = [f"{many} {visible(reason)}" for reason, many in summary["dropped"].items()]
            table.add_row(stage, str(summary["rows"]), str(summary["ok"]), Text("\n".join(reasons)))
        else:
            table.add_row(stage, "", f"{summary.get('steps', '?')} steps", "")
    return table


def metrics_table(metrics: Metrics) -> Table:
    """The models of a run side by side, with 95 % intervals."""
    names = models_in_order(metrics["models"])
    table = Table("", "", "better", title="What the models do, with 95 % intervals", title_justify="left")
    for name in names:
        table.add_column(TITLES.get(name, name), justify="right")
    for group, rows in metric_rows(metrics["models"]).items():
        for number, row in enumerate(rows):
            cells = [f"{cell.value} [dim]{cell.interval}[/]" if cell else "-" for cell in row.cells]
            table.add_row("" if number else group, f"{row.title} {row.among}".strip(), row.better, *cells)
        table.add_section()
    return table


def trace(row: Mapping[str, Any], *, marks: bool) -> Text:
    """One row, whatever its stage, from its prompt to its end; `marks` shows changes without colours."""
    told = Text()
    _say(told, "id", row["id"])
    for turn in row["prompt"]:
        _say(told, SPEAKERS[turn["role"]], turn["content"])
    if "steps" in row:
        _revisions(told, row, marks)
    elif "responses" in row:
        for option, response in zip("AB", row["responses"], strict=False):
            _say(told, f"Response {option}", response)
    elif "response" in row:
        _say(told, f"Response of {row['model']}" if "model" in row else "Response", row["response"])
    for key in ("principle", "probability", "mass", "consistent", "request", "split", "behaviour", "right", "score"):
        if row.get(key) is not None:
            value = row[key]
            _say(told, key, f"{value:.3f}" if isinstance(value, float) else str(value))
    for number, reasoning in enumerate(row.get("reasoning") or [], 1):
        _say(told, f"Reasoning {number}", reasoning)
    if row["drop_reason"] is not None:
        _say(told, "Dropped", row["drop_reason"])
    return told


def most_telling(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The row of a run to show first: one that every revision changed, or else the first that was revised."""
    revised = [row for row in rows if row["drop_reason"] is None and row["steps"]]
    for row in revised:
        if len({row["response"], *(step["revision"] for step in row["steps"])}) > len(row["steps"]):
            return row
    return revised[0] if revised else None


def _revisions(told: Text, row: Mapping[str, Any], marks: bool) -> None:
    response = row["response"]
    _say(told, "Response", response)
    for number, step in enumerate(row["steps"], 1):
        _say(told, f"Principle {number}", step["principle"])
        if step["critique"] is not None:
            _say(told, f"Critique {number}", step["critique"])
        told.append(f"Revision {number}: ", style="bold")
        for kind, piece in differences(response, step["revision"]):
            before, after = MARKS[kind] if marks else ("", "")
            told.append(f"{before}{visible(piece)}{after}", style="" if marks else STYLES[kind])
        told.append("\n")
        response = step["revision"]


def _say(told: Text, who: str, what: str) -> None:
    told.append(f"{who}: ", style="bold")
    told.append(f"{visible(what)}\n")
