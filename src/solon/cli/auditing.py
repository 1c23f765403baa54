"""`solon judge audit`: what a feedback model falls for, before its labels are believed."""

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from solon import recipe as recipes
from solon.cli import terminal
from solon.cli.progress import progress
from solon.constitution import load as constitutions
from solon.errors import UsageError
from solon.evaluate import audit
from solon.evaluate.audit import Finding
from solon.recipe import auditing
from solon.recipe.named_model import ModelOptions, named
from solon.recipe.work import ask
from solon.report.text import visible
from solon.runs import open_run
from solon.stages.label import LabelConfig


def audit_model(
    model: str,
    *,
    constitution: str,
    pairs: str | None,
    n: int,
    config: LabelConfig,
    out: Path | None,
    shown: str,
    as_json: bool,
) -> None:
    """Audit a model in a folder of its own, where it can be gone on with; exit code 4 where it fails."""
    judge = constitutions.load(constitution)
    if not judge.for_comparison:
        raise UsageError(f"No principle of {constitution} has a comparison_request, which labels need; add one.")
    source = pairs or auditing.default_source(model, judge)
    asked = auditing.asking(judge, config=config, source=source, most=n)
    out = out or _default_out(model, constitution)
    print(f"Folder: {out}", file=sys.stderr)
    with open_run(out, files={"constitution.yaml": constitutions.text_of(constitution)}) as run:
        helper = recipes.Helper(named(model), ModelOptions())
        with progress(shown) as tell:
            rows = ask(run, auditing.FOLDER, asked, helper=helper, progress=tell)
    found = audit.findings(rows)
    failed = audit.failed(found)
    then = f"solon show {out} audit" if failed else "solon run RECIPE --set audit.require=true"
    if as_json:
        told = {"folder": str(out), "passed": not failed, "findings": [asdict(each) for each in found], "next": then}
        print(json.dumps(told, indent=2))
    else:
        terminal.console().print(findings_table(found))
        print(f"\nThe audit: {out / auditing.FOLDER}")
        print(f"Next: {then}")
    if failed:
        names = ", ".join(each.name for each in failed)
        print(visible(f"{model} does not pass: {names}"), file=sys.stderr)
        raise typer.Exit(4)


def findings_table(found: list[Finding]) -> Table:
    """The probes, one a row."""
    table = Table(
        "probe", "the worse wins, or", "pairs", "share, 95 %", "at most", "mean p", "not labelled", "",
        title="Audit of the feedback model", title_justify="left",
    )  # fmt: skip
    for each in found:
        share = "-" if each.value is None else f"{each.value:.2f} ({each.low:.2f}–{each.high:.2f})"
        lost = ", ".join(f"{many} {state}" for state, many in each.lost.items())
        mean = "-" if each.probability is None else f"{each.probability:.2f}"
        table.add_row(
            each.name, Text(each.told), str(each.n), share, f"{each.most:g}", mean, Text(visible(lost)), each.verdict
        )  # fmt: skip
    return table


def _default_out(model: str, constitution: str) -> Path:
    parts = [re.sub(r"[^\w.=-]+", "-", each) for each in (Path(model).name, Path(constitution).stem)]
    return Path("runs") / "-".join(["audit", *parts])[:120]
