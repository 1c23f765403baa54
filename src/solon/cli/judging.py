"""`solon judge`: how good a feedback model is at comparing responses."""

import json
import re
import shlex
import sys
from collections.abc import Mapping
from math import log
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from solon.cli import terminal
from solon.cli.progress import progress
from solon.constitution import load as constitutions
from solon.evaluate.agreement import agreement
from solon.recipe import hhh
from solon.recipe.hhh import HHHConfig
from solon.recipe.judgement_file import read_judgements
from solon.report.text import visible

TITLES = {
    "accuracy": ("Prefers the right response", "higher"),
    "log_loss": ("Log loss, in nats", "lower"),
    "calibration_error": ("Calibration error, over ten bins", "lower"),
    "mass": ("Probability of A and B together", "higher"),
    "share_a": ("Says (A)", "1/2"),
    "accuracy_strict": ("Right in both orders", "higher"),
    "accuracy_lenient": ("Right, the mean of both orders", "higher"),
    "kappa_truth": ("Cohen's kappa with the truth", "higher"),
    "consistency": ("Both orders prefer the same response", "higher"),
    "first_where_inconsistent": ("Where not: the first shown, not the second, is preferred", "1/2"),
    "first_mean": ("Mean probability of the first shown", "1/2"),
    "kappa_orders": ("Cohen's kappa of the two orders", "higher"),
}
"""What a figure is called, and which way is better."""
CHANCE = {"accuracy": 0.5, "log_loss": log(2), "share_a": 0.5}
"""What a coin comes to."""


def judge_hhh(
    file: str,
    config: HHHConfig,
    *,
    out: Path | None,
    limit: int | None,
    batch_size: int,
    shown: str,
    as_json: bool,
) -> None:
    """Ask a model about comparisons whose answer is known, and print what came of it."""
    out = out or _default_out(file, config, limit)
    print(visible(f"Folder: {out}"), file=sys.stderr)
    with progress(shown) as tell:
        summary = hhh.judge_hhh(file, config, out=out, limit=limit, batch_size=batch_size, progress=tell)
    table = out / hhh.STAGE
    has_both = summary["figures"]["consistency"]["n"] > 0
    following = shlex.join(
        ["solon", "judge", "agreement", str(table)] if has_both else ["solon", "show", str(out), "label"]
    )
    if as_json:
        brief = {key: summary[key] for key in ("figures", "beside", "states", "excluded")}
        print(json.dumps({"folder": str(out), **brief, "chance": CHANCE, "next": following}, indent=2))
        return
    console = terminal.console()
    beside = summary["beside"]
    console.print(_figures(summary["figures"], chance=CHANCE, title=f"{config.model}, asked by {config.constitution}"))
    longer = beside["longer_is_right"]
    print(f"The longer response is the right one in {longer['value']:.3f} of {longer['n']} items")
    print(f"Items that were asked about: {summary['rows']}, of {beside['contexts']} contexts")
    for state, many in summary["states"]["rows"].items():
        print(f"  {state}: {many}")
    given, share = (len(summary["excluded"][key]) for key in ("shown", "share"))
    if given or share:
        print(f"Not asked: {given} that stand among the examples, {share} that share a context with one")
    print(visible(f"Written: {table}"))
    print(visible(f"Next: {following}"))


def judge_agreement(file: str, *, seed: int, as_json: bool) -> None:
    """Print the figures of judgements in two orders."""
    found = read_judgements(file)
    figures = agreement(found.rows, seed=seed)
    folder = Path(file)
    is_label = folder.is_dir() and folder.name == hhh.STAGE
    following = shlex.join(["solon", "show", str(folder.parent), "label"]) if is_label else "solon judge hhh --help"
    if as_json:
        told = {
            "figures": figures,
            "states": found.states,
            "grouped_by": found.grouped_by,
            "not_read": found.not_read,
            "next": following,
        }
        print(json.dumps(told, indent=2))
        return
    terminal.console().print(_figures(figures, chance={}, title=file))
    groups = len({row.group for row in found.rows})
    alike = f"in {groups} groups by {found.grouped_by}" if found.grouped_by else "each taken for itself"
    print(f"Rows with a judgement in each order: {len(found.rows)}, {alike}")
    for state, many in found.states.items():
        print(visible(f"  {state}: {many}"))
    if found.not_read and not is_label:
        print(visible(f"Columns that were not read: {', '.join(found.not_read)}"))
    print(visible(f"Read: {file}"))
    print(visible(f"Next: {following}"))


def _figures(figures: Mapping[str, Any], *, chance: Mapping[str, float], title: str) -> Table:
    """Figures with their 95 % intervals."""
    table = Table("", "better", title=Text(f"{visible(title)}: with 95 % intervals"), title_justify="left")
    for name in ("value", "interval", "n"):
        table.add_column(name, justify="right")
    if chance:
        table.add_column("a coin", justify="right")
    for key, (name, better) in TITLES.items():
        if key not in figures:
            continue
        figure = figures[key]
        cells = ["-", "-"]
        if figure["value"] is not None:
            cells = [f"{figure['value']:.3f}", f"{figure['low']:.3f} to {figure['high']:.3f}"]
        coin = [f"{chance[key]:.3f}" if key in chance else ""] if chance else []
        table.add_row(name, better, *cells, str(figure["n"]), *coin)
    return table


def _default_out(file: str, config: HHHConfig, limit: int | None) -> Path:
    """By all that is asked, so that the same command always finds its folder again."""
    is_built_in = config.constitution in constitutions.builtins()
    parts = [
        "judge",
        Path(file).name.partition(".")[0],
        Path(config.model).name,
        config.constitution if is_built_in else Path(config.constitution).stem,
        *(["few-shot"] if config.few_shot else []),
        *([f"reasoned-{config.num_reasonings}"] if config.chain_of_thought else []),
        *([] if config.both_orders else ["one-order"]),
        str(config.seed),
        *([] if limit is None else [f"first-{limit}"]),
    ]
    return Path("runs") / "-".join(re.sub(r"[^\w.=-]+", "-", part)[-40:] for part in parts)
