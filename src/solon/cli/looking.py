"""The commands that look: at a recipe before it runs, at a run's rows, at constitutions."""

import json
import sys
from collections import Counter
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.text import Text

from solon import recipe as recipes
from solon.cli import terminal
from solon.cli.auditing import findings_table
from solon.cli.estimating import estimates_notes, estimates_table
from solon.cli.linting import one_line
from solon.cli.running import Order, default_out, not_words, wanted
from solon.cli.trace import show_trace
from solon.constitution import load as constitutions
from solon.constitution.finding import Finding
from solon.constitution.json_schema import FILE, MODELINE, json_schema
from solon.constitution.lint import Stage, lint
from solon.constitution.validate import nearest
from solon.errors import UsageError
from solon.evaluate import audit
from solon.recipe import STAGES, serving, stage_named
from solon.recipe.auditing import FOLDER
from solon.recipe.estimate import estimates
from solon.report.read import constitution_files
from solon.report.text import visible
from solon.runs import read_rows, read_summary, unless_run

Rows = list[dict[str, Any]]


def write_beginnings(folder: Path) -> None:
    """Write recipe.yaml and constitution.yaml, and the schema by which an editor helps with the latter."""
    recipe, constitution, schema = folder / "recipe.yaml", folder / "constitution.yaml", folder / FILE
    for path in (recipe, constitution, schema):
        if path.exists():
            raise UsageError(f"{path} is there already and is left as it is; give another folder: solon init DIR")
    folder.mkdir(parents=True, exist_ok=True)
    text = (files("solon") / "demo.yaml").read_text()
    recipe.write_text(text.replace("constitution: sandbox   ", "constitution: constitution.yaml", 1))
    constitution.write_text(MODELINE + constitutions.text_of("sandbox"))
    schema.write_text(json.dumps(json_schema(), indent=2) + "\n")
    print(f"Written: {recipe}, {constitution}, {schema}")
    print(f"Next: change {constitution.name}, then type: solon run {recipe}")


def check_recipe(order: Order, *, asks: int | None, as_json: bool) -> None:
    """Say what a run would do, and what it would take."""
    recipe = wanted(order)
    constitution = constitutions.load(recipe.constitution)
    recipes.unless_able(constitution, recipe, until=order.until)
    judges = recipes.judges_of(recipe, constitution).each
    inputs = recipes.read_inputs(recipe, limit=order.limit)
    out = order.out or default_out(order, recipe)
    last = stage_named(order.until) if order.until else STAGES[-1]
    servers = serving.asked(recipe, last=last, out=out)
    abilities = {name: serving.probed(server) for name, server in servers.items()}
    abilities |= (engines := serving.engines(recipe, last=last, out=out))
    kinds = Counter(prompt["kind"] for prompt in inputs.prompts if prompt["drop_reason"] is None)
    seen = {json.dumps(prompt["prompt"]) for prompt in inputs.prompts}
    told = {
        "constitution": constitution.name,
        "principles for revision": len(constitution.for_revision),
        "principles for comparison": sum(len(judge.for_comparison) for judge in judges),
        "red-team prompts": kinds["red-team"],
        "helpful prompts": kinds["helpful"],
        "human comparisons": sum(row["drop_reason"] is None for row in inputs.human_comparisons),
        "held-out prompts": len(inputs.eval_prompts),
        "held-out prompts that are trained on": sum(json.dumps(it["prompt"]) in seen for it in inputs.eval_prompts),
        "run folder": str(out),
    }
    measured = [prompt["prompt"] for prompt in inputs.eval_prompts]
    uses = {"supervised": [constitution], "reinforcement": judges}
    findings = []
    for each in {it.name: it for it in (constitution, *judges)}.values():
        stages = [stage for stage in _stages(order.until) if each in uses[stage]]
        findings += lint(each, stages=stages, eval_prompts=measured)
    findings += not_words(recipe, constitution)
    findings += [Finding("warning", *warning) for warning in serving.warnings(recipe, servers)]
    for model, able in engines.items():
        findings += [Finding("warning", model.name, message, fix) for message, fix in able.warnings()]
    if asks is not None:
        print(f"Asking about the first {asks} prompts of each kind", file=sys.stderr)
    found = estimates(recipe, inputs, last=last, out=out, servers=servers, asks=asks)
    if as_json:
        print(
            json.dumps(
                {
                    **told,
                    "sources": inputs.notes,
                    "servers": {str(model): able.told() for model, able in abilities.items()},
                    "findings": [asdict(finding) for finding in findings],
                    "estimates": [asdict(estimate) for estimate in found],
                    "next": order.command,
                },
                indent=2,
            )
        )
        return
    for name, value in told.items():
        print(f"{name}: {value}")
    for source, notes in inputs.notes.items():
        for note, many in notes.items():
            print(visible(f"{source}: {note}: {many}"))
    for model, able in abilities.items():
        for ability, how in able.told().items():
            print(f"{model}: {ability}: {how}")
    for finding in findings:
        print(visible(one_line(finding)))
    if found:
        terminal.console().print(estimates_table(found))
        print("\n".join(estimates_notes(found, asks=asks)))
    print(f"Next: {order.command}")


def show_stages(run: Path, *, as_json: bool) -> None:
    """List the complete stages of a run."""
    unless_run(run)
    audits = [path.parent.name for path in sorted(run.glob(f"{FOLDER}*/summary.json"))]
    complete = [stage for stage in STAGES if (run / stage / "summary.json").exists()]
    summaries = {stage: read_summary(run / stage) for stage in (*audits, *complete)}
    if as_json:
        print(json.dumps(summaries, indent=2))
        return
    terminal.console().print(terminal.stages_table(summaries))
    for each in audits:
        found = [audit.Finding(**told) for told in summaries[each]["audit"]]
        terminal.console().print(findings_table(found))
    print(f"Next: solon show {run} critique")


def show_rows(run: Path, stage: str, *, as_json: bool) -> None:
    """List the ids of a stage's rows, each with its prompt's last turn."""
    rows = _rows(run, stage)
    if as_json:
        print(json.dumps([{"id": row["id"], "drop_reason": row["drop_reason"]} for row in rows], indent=2))
        return
    console = terminal.console()
    for row in {row["id"]: row for row in rows}.values():
        dropped = f"  (dropped: {row['drop_reason']})" if row["drop_reason"] else ""
        said = " ".join(row["prompt"][-1]["content"].split())
        line = Text(visible(f"{row['id']}{dropped}  {said}"))
        line.truncate(console.width, overflow="ellipsis")
        console.print(line, soft_wrap=True)
    print(f"Next: solon show {run} {stage} {rows[0]['id'] if rows else 'ID'}")


def show_row(run: Path, stage: str, *, id: str, as_json: bool) -> None:
    """Show a row; of an evaluation, what each model answered."""
    rows = _rows(run, stage)
    found = [row for row in rows if row["id"] == id]
    if not found:
        close = nearest(id, [row["id"] for row in rows]) or ";"
        raise UsageError(f"{run} has no row '{id}' in {stage}{close} `solon show {run} {stage}` lists the ids")
    if as_json:
        print(json.dumps(found if len(found) > 1 else found[0], indent=2))
        return
    console = terminal.console()
    told = [constitutions.load(copy) for copy in constitution_files(run)]
    for row in found:
        show_trace(console, row, told)
        print()
    print(f"Next: solon report {run}")


def print_constitution(name: str | None) -> None:
    """Print a constitution's text, or the names of the built-in ones."""
    if name is None:
        print("\n".join(constitutions.builtins()))
        print("Next: solon constitution show sandbox")
        return
    print(visible(constitutions.text_of(name)))
    print(f"Next: solon constitution lint {name}", file=sys.stderr)  # so that stdout is the constitution and no more


def _stages(until: str | None) -> tuple[Stage, ...]:
    """The stages that use principles, up to one."""
    is_short = until is not None and recipes.stage_named(until) < "04-label"
    return ("supervised",) if is_short else ("supervised", "reinforcement")


def _rows(run: Path, stage: str) -> Rows:
    """The rows of a stage; of one that has none of its own, those of its parts, e.g. of the models of an evaluation."""
    unless_run(run)
    folder = run / (FOLDER if stage in (FOLDER, FOLDER[3:]) else stage_named(stage))
    has_own = (folder / "summary.json").exists() and "files" in read_summary(folder)
    parts = [] if has_own else sorted(path.parent for path in folder.glob("*/summary.json"))
    return [row for part in parts or [folder] for row in read_rows(part)]
