"""What a person sees of a run on a terminal: progress on stderr, tables on stdout."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.table import Table
from rich.text import Text

from solon.report.read import Metrics
from solon.report.tables import TITLES, FlawRow, flaw_rows, metric_rows, models_in_order, states
from solon.report.text import visible

Report = Callable[[str, int, int], None]

SECONDS_BETWEEN_LINES = 10.0


def console() -> Console:
    """Standard output; wide enough for a table where it is no terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def has_colours(console: Console) -> bool:
    """Whether what is coloured can be told from what is not; where NO_COLOR is set it cannot."""
    return console.color_system is not None and not console.no_color


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
    """What became of the rows of each complete stage and what was wrong on the way, or how long it trained."""
    table = Table("stage", "rows", "ok", "dropped", "states and flaws", title="Complete", title_justify="left")
    for stage, summary in summaries.items():
        if "rows" in summary:
            reasons = [f"{many} {visible(reason)}" for reason, many in summary["dropped"].items()]
            flaws = [_flaw(row) for row in flaw_rows({stage: summary})]
            ended = [visible(each) for each in states(summary)]
            told = (Text("\n".join(lines)) for lines in (reasons, [*ended, *flaws]))
            table.add_row(stage, str(summary["rows"]), str(summary["ok"]), *told)
        else:
            table.add_row(stage, "", f"{summary.get('steps', '?')} steps")
    return table


def _flaw(row: FlawRow) -> str:
    counts = {"kept": row.kept, "trimmed": row.trimmed, "dropped": row.dropped}
    return f"{visible(row.flaw)}: " + ", ".join(f"{many} {became}" for became, many in counts.items() if many)


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
