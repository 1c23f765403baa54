"""`solon demo` and `solon run`: a recipe done in a run folder, and what is said of it at the end."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from solon import recipe as recipes
from solon import report
from solon.cli import terminal
from solon.cli.progress import progress
from solon.cli.trace import most_telling, show_trace
from solon.constitution import load as constitutions
from solon.constitution.finding import Finding
from solon.constitution.schema import Constitution
from solon.recipe import STAGES, Cluster, Recipe
from solon.report.read import Metrics
from solon.report.text import visible
from solon.runs import read_rows, read_summary


@dataclass(frozen=True)
class Order:
    """What was typed."""

    recipe: str
    constitution: str | None = None
    seed: int | None = None
    out: Path | None = None
    settings: tuple[str, ...] = ()
    until: str | None = None
    limit: int | None = None
    max_tokens_total: int | None = None
    max_time: float | None = None
    cluster: Cluster | None = None
    launcher: str | None = None

    @property
    def command(self) -> str:
        """How to type it again."""
        is_demo = self.recipe == "demo" and self.cluster is None and self.launcher is None
        words = ["solon", "demo"] if is_demo else ["solon", "run", self.recipe]
        for option, value in (("constitution", self.constitution), ("seed", self.seed), ("out", self.out),
                              ("until", self.until), ("limit", self.limit),
                              ("max-tokens-total", self.max_tokens_total), ("max-time", self.max_time),
                              *self._where()):  # fmt: skip
            words += [f"--{option}", str(value)] if value is not None else []
        for setting in self.settings:
            words += ["--set", setting]
        return shlex.join(words)

    def _where(self) -> Iterator[tuple[str, Any]]:
        """Where it runs, but for what is so by default."""
        if self.cluster is not None:
            default = Cluster()
            yield "ray", self.cluster.address
            yield "workers", self.cluster.workers
            yield "gpus-per-worker", self.cluster.gpus_per_worker
            yield "worker-rows", None if self.cluster.rows == default.rows else self.cluster.rows
        yield "launcher", self.launcher


def do(order: Order, *, shown: str, as_json: bool) -> None:
    """Do what was ordered, and print what came of it."""
    recipe = wanted(order)
    out = order.out or default_out(order, recipe)
    print(f"Run folder: {out}", file=sys.stderr)
    for finding in not_words(recipe, constitutions.load(recipe.constitution)):
        _warn(f"{finding.where}: {finding.message}; {finding.fix}")
    budget = recipes.Budget(order.max_tokens_total, order.max_time)
    with progress(shown) as tell:
        recipes.run(
            recipe,
            out=out,
            until=order.until,
            limit=order.limit,
            budget=budget,
            progress=tell,
            warn=_warn,
            cluster=order.cluster and replace(order.cluster, warn=_warn),
            launcher=order.launcher,
        )
    complete = [stage for stage in STAGES if (out / stage / "summary.json").exists()]
    for stage in complete:
        if doubt := read_summary(out / stage).get("doubt"):
            fix = "`solon judge audit` says what the feedback model falls for; try another, or label.chain_of_thought"
            _warn(f"{stage}: {doubt}; {fix}")
    is_whole = order.until is None or recipes.stage_named(order.until) == STAGES[-1]
    page = _report(out, complete[-1]) if is_whole else None
    metrics = _read_json(out / STAGES[-1] / "metrics.json") if page else None
    then = _next(order, out, is_whole=is_whole)
    if as_json:
        told = {
            "run": str(out),
            "stages": {stage: _brief(read_summary(out / stage)) for stage in complete},
            "metrics": metrics and metrics["models"],
            "report": page and str(page),
            "next": then,
        }
        print(json.dumps(told, indent=2))
        return
    _tell(out, complete, metrics)
    if page:
        print(f"\nThe report: {page}")
    else:
        print(f"\nThe run: {out}")
    print(f"Next: {then}")


def _warn(warning: str) -> None:
    print(visible(f"Warning: {warning}"), file=sys.stderr)


def wanted(order: Order) -> Recipe:
    """The recipe, with what was typed in place of what it says."""
    recipe = recipes.apply_settings(recipes.load(order.recipe), order.settings)
    if order.constitution is not None:
        recipe = recipe.model_copy(update={"constitution": order.constitution})
    return recipe if order.seed is None else recipe.model_copy(update={"seed": order.seed})


def not_words(recipe: Recipe, constitution: Constitution) -> list[Finding]:
    """What the sandbox's model, which knows few words, would not understand of a constitution."""
    message = "the sandbox's model has no words for this, and what it makes of it means nothing"
    judges = recipes.judges_of(recipe, constitution).each
    found = recipes.not_understood(recipe, constitution, judges=judges)
    fix = "word it as `solon sandbox words` shows, or give another model"
    return [Finding("warning", where, message, fix) for where in found]


def default_out(order: Order, recipe: Recipe) -> Path:
    """Where a run goes that was given no folder: the same command always finds it again."""
    path = Path(order.recipe)
    name = path.resolve().parent.name if path.stem == "recipe" else path.stem
    is_built_in = recipe.constitution in constitutions.builtins()
    constitution = recipe.constitution if is_built_in else Path(recipe.constitution).stem
    parts = [name, constitution, str(recipe.seed), *(re.sub(r"[^\w.=-]+", "-", setting) for setting in order.settings)]
    parts += [] if order.limit is None else [f"first-{order.limit}"]
    return Path("runs") / "-".join(parts)[:120]


def _tell(out: Path, complete: list[str], metrics: dict[str, Any] | None) -> None:
    console = terminal.console()
    console.print(terminal.stages_table({stage: read_summary(out / stage) for stage in complete}))
    if metrics:
        console.print(terminal.metrics_table(TypeAdapter(Metrics).validate_python(metrics)))
    row = most_telling(read_rows(out / STAGES[0])) if complete else None
    if row is not None:
        console.print("One prompt, through all its revisions:", style="bold")
        show_trace(console, row, [constitutions.load(out / "constitution.yaml")])


def _report(out: Path, last: str) -> Path:
    """The report, made again only when the run has gone on since."""
    page, end = out / "report.html", out / last / "summary.json"
    if page.exists() and page.stat().st_mtime >= end.stat().st_mtime:
        return page
    return report.build(out)


def _next(order: Order, out: Path, *, is_whole: bool) -> str:
    if not is_whole:
        return replace(order, until=None).command
    if order.recipe == "demo" and order.constitution is None:
        return "solon demo --constitution harmless-only"
    return shlex.join(["solon", "show", str(out), "critique"])


def _brief(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary without what is long."""
    return {key: value for key, value in summary.items() if key not in ("history", "files")}


def _read_json(path: Path) -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found
