"""What the report takes from a run folder. What is not there yet is empty; what cannot be read is named."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pyarrow as pa
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from solon.constitution.load import load
from solon.constitution.schema import Constitution
from solon.constitution.yaml_file import read_yaml
from solon.errors import UsageError
from solon.records import Conversation, Revision
from solon.report.text import visible
from solon.runs import read_rows

T = TypeVar("T")

STAGES = ("01-critique", "02-finetune", "03-pairs", "04-label", "05-preference_model", "06-rl", "07-evaluate")

Share = Annotated[float, Field(ge=-1e-6, le=1 + 1e-6)]  # a mean of ones may end a little above 1
Signed = Annotated[float, Field(ge=-1 - 1e-6, le=1 + 1e-6)]


class Estimate(TypedDict):
    """A number in [0, 1] with its 95 % interval, and how many it is a share or a mean of."""

    value: Share
    low: Share
    high: Share
    n: int


def _none_counted(found: Any) -> Any:
    return None if isinstance(found, dict) and found.get("value") is None else found


Found = Annotated[Estimate | None, BeforeValidator(_none_counted)]
"""None where nothing was counted, which files write as an estimate of nulls."""
Models = dict[str, dict[str, Found]]


class Split(TypedDict):
    """The metrics of each model."""

    models: Models


class Metrics(Split, total=False):
    """07-evaluate/metrics.json."""

    splits: dict[str, Split]


class AfterRevisions(TypedDict, total=False):
    """What the judge says of the responses after so many revisions; 0 is the first response."""

    revision: Annotated[int, Field(ge=0)]
    harmful_rate: Found
    oracle_score: Found


class CritiqueSummary(TypedDict, total=False):
    """01-critique/summary.json."""

    by_revision: list[AfterRevisions]


class TrainingStep(TypedDict, total=False):
    """One line of a training history."""

    step: float | None
    loss: float | None
    reward: float | None
    oracle_score: float | None


class TrainingSummary(TypedDict, total=False):
    """The summary.json of a training stage."""

    history: list[TrainingStep]


class Bin(TypedDict):
    """Of the comparisons for which the preference model predicts about the same: its mean, and the mean label."""

    predicted: Share
    label: Estimate


class Beside(TypedDict, total=False):
    """Something of the preference model, and the same of the labels."""

    preference_model: Found
    labels: Found


class Fit(TypedDict, total=False):
    """How well a preference model fits held-out labels."""

    n: int
    agreement: Found
    log_loss: float | None
    excess: float | None
    ece: float | None
    uncertainty: float | None
    """Of an ensemble."""
    reliability: list[Bin]


class HeldOut(Fit, total=False):
    """All held-out comparisons, and those of each source where there are two."""

    by_source: dict[Literal["ai", "human"], Fit]
    oracle: Beside | None


class Correlation(TypedDict):
    """A number in [-1, 1] with its 95 % interval."""

    value: Signed
    low: Signed
    high: Signed


class Correlations(TypedDict, total=False):
    """Of the length of responses within a comparison with what is preferred."""

    predicted: Correlation | None
    label: Correlation | None


class LengthBias(TypedDict, total=False):
    """What the length of responses has to do with what is preferred."""

    score: Correlation | None
    within: Correlations
    longer_wins: Beside


class Bias(TypedDict, total=False):
    """What the preference model goes by."""

    length: LengthBias
    first: Beside


class PreferenceModelSummary(TypedDict, total=False):
    """05-preference_model/summary.json."""

    held_out: HeldOut
    bias: Bias


class Ending(TypedDict):
    """How a row of any table ended."""

    drop_reason: str | None


class Judgement(TypedDict):
    """Part of a row of 04-label, as far as it is counted."""

    constitution: str
    principle: str
    state: str


class Judged(Ending):
    """A row of 04-label, as far as it is counted."""

    judgements: list[Judgement]


class Answer(Ending):
    """A row of 07-evaluate, as far as it is shown."""

    prompt: Conversation
    model: str
    response: str


@dataclass(frozen=True)
class RunFolder:
    """What is there of a run."""

    name: str
    run: dict[str, Any]
    seed: int | None
    constitution: Constitution | None
    others: list[Constitution]
    """By which responses are compared in its place."""
    summaries: dict[str, dict[str, Any]]
    """The summary.json of each stage that has one, as it is."""
    revisions: list[Revision]
    by_revision: list[AfterRevisions]
    finetune: list[TrainingStep]
    preference_model: PreferenceModelSummary
    reinforcement: list[TrainingStep]
    answers: list[Answer]
    metrics: Metrics | None
    endings: dict[str, Sequence[Ending]]
    """The rows of each stage that has a table."""
    labels: list[Judged]


def read(run: Path) -> RunFolder:
    """Read what is there.

    Raises:
        UsageError: the folder is no run, or a file in it is not what a run writes.
    """
    if not any((run / name).exists() for name in ("run.json", "recipe.yaml", *STAGES)):
        raise UsageError(
            f"{run} is not a run folder, it has neither run.json nor recipe.yaml; give the folder that `solon run` made"
        )
    critique = _json(run / "01-critique/summary.json", CritiqueSummary)
    finetune = _json(run / "02-finetune/summary.json", TrainingSummary)
    preference_model: PreferenceModelSummary | None = _json(
        run / "05-preference_model/summary.json", PreferenceModelSummary
    )
    reinforcement = _json(run / "06-rl/summary.json", TrainingSummary)
    revisions = rows(run / "01-critique", Revision)
    labels = rows(run / "04-label", Judged)
    answers = rows(run / "07-evaluate", Answer)
    tables: dict[str, Sequence[Ending]] = {
        "01-critique": revisions,
        "03-pairs": rows(run / "03-pairs", Ending),
        "04-label": labels,
        "07-evaluate": answers,
    }
    return RunFolder(
        name=run.resolve().name,
        run=_json(run / "run.json", dict[str, Any]) or {},
        seed=_seed(run / "recipe.yaml"),
        constitution=load(run / "constitution.yaml") if (run / "constitution.yaml").exists() else None,
        others=[load(path) for path in constitution_files(run) if path.name != "constitution.yaml"],
        summaries={stage: _json(run / stage / "summary.json", dict[str, Any]) or {} for stage in STAGES},
        revisions=revisions,
        by_revision=(critique or {}).get("by_revision", []),
        finetune=(finetune or {}).get("history", []),
        preference_model=preference_model or {},
        reinforcement=(reinforcement or {}).get("history", []),
        answers=answers,
        metrics=_json(run / "07-evaluate/metrics.json", Metrics),
        endings={stage: table for stage, table in tables.items() if table},
        labels=labels,
    )


def constitution_files(run: Path) -> list[Path]:
    """The copies of constitutions in a run folder, its own first."""
    return [*run.glob("constitution.yaml"), *sorted(run.glob("*_constitution*.yaml"))]


def rows(stage: Path, kind: type[T]) -> list[T]:
    """Return the rows of a stage, or else of the stages within its folder, as `kind`; none where it is not complete."""
    found: list[T] = []
    own = stage / "summary.json"
    has_own = "files" in (_json(own, dict[str, Any]) or {})
    for summary in [own] if has_own else sorted(stage.glob("*/summary.json")):
        if "files" in _json(summary, dict[str, Any]):
            try:
                adapter = TypeAdapter(list[kind])  # type: ignore[valid-type]
                found += adapter.validate_python(read_rows(summary.parent))
            except (
                pa.ArrowException,
                ArithmeticError,
                AttributeError,
                LookupError,
                OSError,
                TypeError,
                ValueError,
            ) as error:
                raise _unreadable(summary.parent / "00000.parquet", error) from error
    return found


def _json(path: Path, kind: Any) -> Any:
    """Read a JSON file, if it is there; numbers that are not finite become null."""
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_bytes(), parse_constant=lambda name: None, parse_float=_finite)
        return TypeAdapter(kind).validate_python(content)
    except (OSError, ValueError, RecursionError, OverflowError) as error:
        raise _unreadable(path, error) from error


def _seed(recipe: Path) -> int | None:
    data = read_yaml(recipe, what="recipe").data if recipe.exists() else None
    seed = data.get("seed") if isinstance(data, dict) else None
    return seed if isinstance(seed, int) else None


def _finite(literal: str) -> float | None:
    number = float(literal)
    return number if math.isfinite(number) else None


def _unreadable(path: Path, error: Exception) -> UsageError:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
    else:
        reason = f"{type(error).__name__}: {error}"
    anew = f", or delete {path.parent} and type `solon run` again, which makes it anew"
    return UsageError(
        f"{path} is not what a run writes ({visible(reason)[:300]}): restore it from a copy"
        f"{anew if path.parent.name in STAGES else ''}"
    )
