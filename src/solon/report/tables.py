"""The report's tables as words and numbers; the template only sets them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from solon.constitution.schema import Constitution
from solon.evaluate.metrics import SCORE
from solon.records import Revision
from solon.report.read import (
    STAGES,
    Beside,
    Correlation,
    Estimate,
    Fit,
    Judged,
    Metrics,
    Models,
    PreferenceModelSummary,
    RunFolder,
)

TITLES = {"helpful-only": "Helpful-only", "sl-cai": "SL-CAI", "rl-cai": "RL-CAI"}
"""The models in the paper's order."""
SPLITS = ("seen", "unseen-combination", "unseen-act")
SPLIT_METRICS = ("harmful_rate", "helpful_rate", "over_refusal_rate", SCORE)
MOST_REASONS = 12
OWN = ""
"""Stands for the name of the run's own constitution."""
NBSP = "\N{NO-BREAK SPACE}"

Better = Literal["higher", "lower"]

WORDS: dict[str, tuple[str, str, str, Better]] = {
    # METRIC: (of which requests, title, of which of these if not of all, which way is better)
    "harmful_rate": ("Harmful requests", "Complies", "", "lower"),
    "engaged_rate": ("Harmful requests", "Declines with a reason", "", "higher"),
    "evasive_rate": ("Harmful requests", "Evades", "", "lower"),
    "preachy_rate": ("Harmful requests", "Preaches", "", "lower"),
    "harsh_rate": ("Harmful requests", "Is harsh", "", "lower"),
    "boilerplate_rate": ("Harmful requests", "Recites boilerplate", "", "lower"),
    "wrong_reason_rate": ("Harmful requests", "Reason is wrong", "of those declined with a reason", "lower"),
    "helpful_rate": ("Benign requests", "Complies", "", "higher"),
    "wrong_content_rate": ("Benign requests", "Content is wrong", "of those complied with", "lower"),
    "instruction_rate": ("Benign requests", "Keeps to the form", "of those that ask for one", "higher"),
    "over_refusal_rate": ("Requests that only sound harmful", "Declines", "", "lower"),
    "garbled_rate": ("All requests", "Is garbled", "", "lower"),
    SCORE: ("All requests", "Oracle’s score, 0 to 1", "", "higher"),
}

HELD_OUT = {
    "n": "Comparisons",
    "agreement": "Prefers the response that the label does",
    "log_loss": "Log loss, in nats",
    "excess": "Log loss above that of the labels themselves",
    "ece": "Calibration error, expected",
    "uncertainty": "Standard deviation of a score among its models",
}
"""The measures of a preference model, by their key in its summary."""


@dataclass(frozen=True)
class Cell:
    """A value and its interval, as written."""

    value: str
    interval: str


@dataclass(frozen=True)
class MetricRow:
    """One metric of every model; a cell is None where nothing was counted."""

    title: str
    among: str
    """What it is a share of, where that is not all requests of the group."""
    n: str
    """The denominator, or one for each model where they differ."""
    better: Better
    cells: list[Cell | None]


@dataclass(frozen=True)
class SplitRow:
    """One metric of one model in every split."""

    model: str
    cells: list[Cell | None]


@dataclass(frozen=True)
class PrincipleRow:
    """A principle and what it did."""

    id: str
    title: str
    wording: list[str]
    drawn: int
    changed: int
    judged: int


@dataclass(frozen=True)
class StageRow:
    """What became of a stage's rows; None where a stage has none, or does not say."""

    name: str
    status: str
    rows: int | None
    kept: int | None
    dropped: int | None
    reasons: list[tuple[str, int]]
    states: list[str]
    """How its rows, and the judgements in them, ended, e.g. "judgements: 96 labelled, 2 abstained"."""
    seconds: float | None
    tokens: int | None


@dataclass(frozen=True)
class FlawRow:
    """What was found wrong in a stage, and how often the text was kept, trimmed or dropped."""

    stage: str
    flaw: str
    kept: int
    trimmed: int
    dropped: int


def models_in_order(models: Iterable[str]) -> list[str]:
    """Known models first, in the paper's order."""
    return sorted(models, key=lambda name: list(TITLES).index(name) if name in TITLES else len(TITLES))


def metric_rows(models: Models) -> dict[str, list[MetricRow]]:
    """The main table by kind of request, over `models_in_order`."""
    groups: dict[str, list[MetricRow]] = {}
    for metric, (group, title, among, better) in WORDS.items():
        found = [models[model].get(metric) for model in models_in_order(models)]
        counts = [str(estimate["n"] if estimate else 0) for estimate in found]
        n = counts[0] if len(set(counts)) == 1 else ", ".join(counts)
        row = MetricRow(title, among, n, better, [_cell(metric, estimate) for estimate in found])
        groups.setdefault(group, []).append(row)
    return groups


def splits_in_order(metrics: Metrics) -> list[str]:
    """Known splits first, from the most to the least familiar."""
    return sorted(metrics.get("splits", {}), key=lambda name: SPLITS.index(name) if name in SPLITS else len(SPLITS))


def split_rows(metrics: Metrics) -> dict[tuple[str, str, Better], list[SplitRow]]:
    """The table of splits by metric (its requests, its title, which way is better), over `splits_in_order`."""
    splits = [metrics["splits"][name]["models"] for name in splits_in_order(metrics)]
    models = models_in_order(dict.fromkeys(name for models in splits for name in models))
    return {
        (group, title, better): [
            SplitRow(TITLES.get(model, model), [_cell(metric, split.get(model, {}).get(metric)) for split in splits])
            for model in models
        ]
        for metric, (group, title, _, better) in WORDS.items()
        if metric in SPLIT_METRICS
    }


def principle_rows(
    constitution: Constitution | None,
    *,
    revisions: Sequence[Revision],
    labels: Sequence[Judged],
    others: Sequence[Constitution] = (),
) -> list[PrincipleRow]:
    """Every principle of the constitution and of the others, and any that rows name and these do not."""
    named = {each.name: each for each in others}
    drawn: Counter[tuple[str, str]] = Counter()
    changed: Counter[tuple[str, str]] = Counter()
    for row in revisions:
        before = row["response"]
        for step in row["steps"]:
            drawn[OWN, step["principle"]] += 1
            changed[OWN, step["principle"]] += step["revision"].strip() != before.strip()
            before = step["revision"]
    judged = Counter(
        (it["constitution"] if it["constitution"] in named else OWN, it["principle"])
        for row in labels
        for it in row["judgements"]
        if it["state"] == "labelled"
    )
    told = {OWN: constitution, **named} if constitution else named
    known = {(name, it.id): it for name, of in told.items() for it in of.principles}
    rows = []
    for name, id in dict.fromkeys([*known, *drawn, *judged]):
        it = known.get((name, id))
        wording = [it.critique_request, it.revision_request, it.comparison_request] if it else []
        title = (it.title or it.id if it else id) + (f", of {name}" if name != OWN else "")
        counts = (count[name, id] for count in (drawn, changed, judged))
        rows.append(PrincipleRow(id, title, [text for text in wording if text], *counts))
    return rows


def sources(summary: PreferenceModelSummary) -> list[str]:
    """Whose comparisons the columns of `held_out_rows` are."""
    titles = {"ai": "AI labels", "human": "People’s"}
    return ["All", *(titles[source] for source in summary.get("held_out", {}).get("by_source", {}))]


def held_out_rows(summary: PreferenceModelSummary) -> dict[str, list[Cell | None]]:
    """Each measure of the preference model by its title: over all held-out comparisons, and of each source."""
    held_out = summary.get("held_out", {})
    parts: list[Fit] = [held_out, *held_out.get("by_source", {}).values()]
    rows = {title: [_fitted(part.get(key)) for part in parts] for key, title in HELD_OUT.items()}
    return {title: cells for title, cells in rows.items() if cells[0]}


def goes_by_rows(summary: PreferenceModelSummary) -> dict[str, list[Cell | None]]:
    """What the preference model goes by, and beside it what the labels do, by title."""
    bias = summary.get("bias", {})
    length = bias.get("length", {})
    within = length.get("within", {})
    shares: dict[str, Beside] = {
        "Prefers the response that the oracle scores clearly higher": summary.get("held_out", {}).get("oracle") or {},
        "Prefers the longer response": length.get("longer_wins", {}),
        "Mean probability that the first response is better": bias.get("first", {}),
    }
    correlations = {
        "Correlation with length, within a comparison": [within.get("predicted"), within.get("label")],
        "Correlation of a response’s score with its length": [length.get("score"), None],
    }
    rows = {title: [_share(it.get("preference_model")), _share(it.get("labels"))] for title, it in shares.items()}
    rows |= {title: [_correlation(it) for it in both] for title, both in correlations.items()}
    return {title: cells for title, cells in rows.items() if any(cells)}


def stage_rows(run: RunFolder) -> list[StageRow]:
    """Every stage that began, with its counts; the stages within a stage's folder count as part of it."""
    told = run.run.get("stages")
    told = {name: it for name, it in told.items() if isinstance(it, dict)} if isinstance(told, dict) else {}
    rows = []
    for name in STAGES:
        records = [it for inner, it in told.items() if inner == name or inner.startswith(f"{name}/")]
        endings = run.endings.get(name)
        if not records and endings is None and not run.summaries[name]:
            continue
        reasons = Counter(row["drop_reason"] for row in endings or () if row["drop_reason"] is not None)
        seconds, tokens = ([_number(it.get(key)) for it in records] for key in ("wall_seconds", "tokens"))
        counted = [count for count in tokens if count is not None]
        rows.append(
            StageRow(
                name=name,
                status="complete" if run.summaries[name] else str(told.get(name, {}).get("status", "not complete")),
                rows=None if endings is None else len(endings),
                kept=None if endings is None else len(endings) - reasons.total(),
                dropped=None if endings is None else reasons.total(),
                reasons=_most(reasons),
                states=states(run.summaries[name]),
                seconds=max((time for time in seconds if time is not None), default=None),
                tokens=int(sum(counted)) if counted else None,
            )
        )
    return rows


def states(summary: Mapping[str, Any]) -> list[str]:
    """The "states" of a stage's summary in words, the most frequent first."""
    found = summary.get("states")
    told = []
    for what, counts in found.items() if isinstance(found, dict) else ():
        counted = {state: int(_number(many) or 0) for state, many in counts.items()} if isinstance(counts, dict) else {}
        ordered = sorted(counted.items(), key=lambda it: (-it[1], it[0]))
        told.append(f"{what}: " + (", ".join(f"{many} {state}" for state, many in ordered) or "none"))
    return told


def flaw_rows(summaries: Mapping[str, Mapping[str, Any]]) -> list[FlawRow]:
    """The "flaws" of each stage's summary, the most frequent first."""
    rows = []
    for stage, summary in summaries.items():
        found = summary.get("flaws")
        for flaw, counts in found.items() if isinstance(found, dict) else ():
            if isinstance(counts, dict):
                kept, trimmed, dropped = (int(_number(counts.get(key)) or 0) for key in ("kept", "trimmed", "dropped"))
                rows.append(FlawRow(stage, flaw, kept, trimmed, dropped))
    return sorted(rows, key=lambda row: (row.stage, -row.kept - row.trimmed - row.dropped, row.flaw))


def written(metric: str, value: float) -> str:
    """A value as it stands in the text: a share in percent with one decimal, a score with three."""
    return f"{value:.3f}" if metric == SCORE else f"{100 * value:.1f}{NBSP}%"


def _fitted(value: Any) -> Cell | None:
    """A measure of a fit: a count, a share with its interval, or another number."""
    if isinstance(value, dict):
        return _share(cast(Estimate, value))
    if isinstance(value, int):
        return Cell(f"{value:,}", "")
    return None if value is None else Cell(f"{value:.4f}", "")


def _share(estimate: Estimate | None) -> Cell | None:
    return _cell("", estimate)


def _correlation(found: Correlation | None) -> Cell | None:
    if found is None:
        return None
    value, low, high = (f"{found[end]:.2f}".replace("-", "−") for end in ("value", "low", "high"))
    return Cell(value, f"{low} to {high}")


def _cell(metric: str, estimate: Estimate | None) -> Cell | None:
    if estimate is None:
        return None
    low, high = estimate["low"], estimate["high"]
    ends = f"{low:.3f}–{high:.3f}" if metric == SCORE else f"{100 * low:.1f}–{100 * high:.1f}"
    return Cell(written(metric, estimate["value"]), ends)


def _most(reasons: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent reasons, ties in the order of the alphabet, and how many rows have others."""
    ordered = sorted(reasons.items(), key=lambda reason: (-reason[1], reason[0]))
    rest = sum(count for _, count in ordered[MOST_REASONS:])
    return ordered[:MOST_REASONS] + ([("other reasons", rest)] if rest else [])


def _number(value: object) -> float | None:
    """What can be a count or a time; files may hold anything."""
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e15 else None
