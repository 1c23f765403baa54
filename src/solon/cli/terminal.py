"""What a person sees of a run on a terminal when it is done: tables, on stdout."""

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from solon.report.read import Metrics
from solon.report.tables import TITLES, FlawRow, flaw_rows, metric_rows, models_in_order, states
from solon.report.text import visible


def console() -> Console:
    """Standard output; wide enough for a table where it is no terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def has_colours(console: Console) -> bool:
    """Whether what is coloured can be told from what is not; where NO_COLOR is set it cannot."""
    return console.color_system is not None and not console.no_color


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
