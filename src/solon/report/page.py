"""A run folder becomes `report.html`: one file that needs no network, no script and nothing beside it.

It shows what the paper's figures 2, 5 and 9 show, and what the paper could only tell of: every principle, every drop
and twenty prompts followed step by step. All text that a model or a file brought is escaped, and what in it would hide
is made visible.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from solon.report import charts
from solon.report.read import Estimate, RunFolder, read
from solon.report.tables import (
    TITLES,
    flaw_rows,
    goes_by_rows,
    held_out_rows,
    metric_rows,
    models_in_order,
    principle_rows,
    sources,
    split_rows,
    splits_in_order,
    stage_rows,
    written,
)
from solon.report.text import visible
from solon.report.traces import traces
from solon.runs.files import write_whole

COMPARED = ("harmful_rate", "helpful_rate")
"""The two that figure 2 and the opening sentence set against each other."""


def build(run: Path) -> Path:
    """Write the report of what is there of a run, and return its path.

    Raises:
        UsageError: `run` is no run folder, or a file in it is not what a run writes.
    """
    page = _environment().get_template("report.html.jinja").render(_content(read(run)))
    path = run / "report.html"
    write_whole(path, page.encode())
    return path


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(str(value)),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )


def _content(run: RunFolder) -> dict[str, Any]:
    titles = {it.id: it.title or it.id for it in (run.constitution.principles if run.constitution else ())}
    return {
        "name": run.name,
        "constitution": run.constitution,
        "facts": list(_facts(run)),
        "headline": list(_headline(run)),
        "models": [TITLES.get(model, model) for model in models_in_order(run.metrics["models"])] if run.metrics else [],
        "metrics": metric_rows(run.metrics["models"]) if run.metrics else {},
        "splits": splits_in_order(run.metrics) if run.metrics else [],
        "split_rows": split_rows(run.metrics) if run.metrics else {},
        "principles": principle_rows(run.constitution, revisions=run.revisions, labels=run.labels, others=run.others),
        "stages": stage_rows(run),
        "flaws": flaw_rows(run.summaries),
        "held_out": held_out_rows(run.preference_model),
        "sources": sources(run.preference_model),
        "goes_by": goes_by_rows(run.preference_model),
        "traces": traces(run.revisions, answers=run.answers, titles=titles),
        "charts": {name: Markup(charts.to_svg(chart)) for name, chart in _charts(run)},
        "has_oracle_curve": any(step.get("oracle_score") is not None for step in run.reinforcement),
        "dark": charts.DARK,
    }


def _charts(run: RunFolder) -> Iterator[tuple[str, charts.Chart]]:
    """Every chart that there is data for."""
    if models := _compared(run):
        yield "frontier", charts.harmlessness_and_helpfulness(models)
    if any(row.get("harmful_rate") for row in run.by_revision):
        yield "revisions", charts.harm_after_revisions(run.by_revision)
    if any(step.get("reward") is not None and step.get("step") is not None for step in run.reinforcement):
        yield "reinforcement", charts.reward_and_score(run.reinforcement)
    if any(step.get("loss") is not None and step.get("step") is not None for step in run.finetune):
        yield "finetune", charts.loss(run.finetune)
    if bins := run.preference_model.get("held_out", {}).get("reliability"):
        yield "reliability", charts.reliability(bins)


def _facts(run: RunFolder) -> Iterator[tuple[str, str]]:
    """Name and value of what the run was made with."""
    if run.constitution:
        yield "Constitution", run.constitution.name
    seed = run.run.get("seed") if run.seed is None else run.seed
    if isinstance(seed, int):
        yield "Seed", str(seed)
    for key, title in (("started", "Date"), ("versions", "Versions"), ("hardware", "Hardware")):
        if isinstance(value := run.run.get(key), str | dict) and value:
            yield title, _words(value)


def _headline(run: RunFolder) -> Iterator[tuple[str, str, str]]:
    """Each model's title, the share of harm that it complies with and the share of benign requests that it helps."""
    for title, (harmful, helpful) in _compared(run).items():
        yield title, written(COMPARED[0], harmful["value"]), written(COMPARED[1], helpful["value"])


def _compared(run: RunFolder) -> dict[str, tuple[Estimate, Estimate]]:
    models = run.metrics["models"] if run.metrics else {}
    found = {TITLES[name]: [models[name].get(metric) for metric in COMPARED] for name in TITLES if name in models}
    return {title: (harmful, helpful) for title, (harmful, helpful) in found.items() if harmful and helpful}


def _words(value: object) -> str:
    """A value as text; of a dict, those that are not dicts or lists themselves."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(it)}" for key, it in value.items() if isinstance(it, str | int | float))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
