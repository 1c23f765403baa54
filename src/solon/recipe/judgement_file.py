"""Judgements in two orders, beside a truth where there is one: a table, or the folder of a stage such as RUN/04-label.

    {"forward": 0.8, "backward": 0.7, "truth": 1, "prompt_id": "p1"}
    {"verdict_ab": "A", "verdict_ba": "tie", "truth": "A"}

`forward` and `backward` are probabilities that the first response is the better one, asked with it as (A) and as (B). A
verdict is what was said of the letters as they were shown, so one who likes the first response says A and then B.
Nothing takes the place of what is missing: such rows are counted apart.
"""

import json
import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from solon.constitution.validate import nearest
from solon.constitution.yaml_file import shortened
from solon.errors import UsageError
from solon.evaluate.agreement import Told
from solon.recipe.prompt_file import raise_all
from solon.recipe.prompt_rows import Row, Source, read_rows
from solon.report.text import visible
from solon.runs import read_rows as read_sealed
from solon.stages import ensemble

PROBABILITIES = ("forward", "backward")
VERDICTS = (("verdict_ab", "verdict_ba"), ("verdict_forward", "verdict_backward"))
JUDGEMENTS = "judgements"
TRUTH = "truth"
GROUPS = ("prompt_id", "prompt", "context")
"""By which rows are known to be alike, the first that there is."""
KNOWN = (*PROBABILITIES, *(name for pair in VERDICTS for name in pair), JUDGEMENTS, TRUTH, *GROUPS)
SOURCE = Source(
    what="a table of judgements (.jsonl, .csv or .parquet), or the folder of a stage, e.g. RUN/04-label",
    example='{"forward": 0.8, "backward": 0.7, "truth": 1}',
)
SAID = {"a": 1.0, "first": 1.0, "b": 0.0, "second": 0.0, "tie": 0.5}
"""What a verdict or a truth in words is as a probability that what was shown first is better."""
MISSING = "one order or both are missing"


@dataclass
class Judgements:
    """What was read."""

    rows: list[Told] = field(default_factory=list)
    """Those with a judgement in each order."""
    states: Counter[str] = field(default_factory=Counter)
    """How all rows ended: "labelled", another state of labels, or MISSING."""
    grouped_by: str | None = None
    """The column by which rows are alike; None where each stands alone."""
    not_read: list[str] = field(default_factory=list)
    """Columns that stand for nothing here."""


def read_judgements(source: str | Path) -> Judgements:
    """Read the judgements of a table or of a stage.

    Raises:
        UsageError: every problem, each as `file:line: what was given; why; what to do`.
        ModelError: a data set could not be fetched.
    """
    found, problems = Judgements(), list[str]()
    columns: tuple[str, str] | None = None
    for row in _rows(source):
        if row.problem:
            problems.append(f"{row.place}: {row.problem}")
            continue
        if columns is None:
            columns = _columns(row)
            found.grouped_by = next((name for name in GROUPS if name in row.cells), None)
            found.not_read = sorted(set(row.cells) - set(KNOWN) - {"state"})
        try:
            said = _told(row, columns, found.grouped_by)
        except ValueError as error:
            problems.append(visible(f"{row.place}: {error}"))
            continue
        if isinstance(said, Told):
            found.rows.append(said)
        found.states["labelled" if isinstance(said, Told) else said] += 1
    raise_all(problems, str(source))
    if not found.rows:
        states = ", ".join(f"{many} {state}" for state, many in found.states.items()) or "it is empty"
        raise UsageError(f"{source}: no row has a judgement in each order ({states}); ask in both orders")
    return found


def _rows(source: str | Path) -> Iterator[Row]:
    folder = Path(source)
    if not folder.is_dir():
        yield from read_rows(str(source), whole=True, source_is=SOURCE)
        return
    if not (folder / "stage.json").exists():
        there = folder / "04-label"
        told = f"give {there}" if there.is_dir() else f"give {SOURCE.what}"
        raise UsageError(f"{folder} is no folder of a stage; {told}")
    for number, cells in enumerate(read_sealed(folder), 1):
        yield Row(f"{folder}: row {number}", number, cells)


def _columns(row: Row) -> tuple[str, str]:
    """The names of the columns of both orders; `judgements` twice where they stand within.

    Raises:
        UsageError: there are none, or a name looks like another that is missing.
    """
    names = row.cells.keys()
    pairs = (PROBABILITIES, *VERDICTS, (JUDGEMENTS, JUDGEMENTS))
    found = [pair for pair in pairs if set(pair) <= names]
    if not found:
        ways = ", or ".join(" and ".join(dict.fromkeys(pair)) for pair in pairs)
        close = next((f' ("{name}"{hint})' for name in names if (hint := nearest(name, KNOWN))), "")
        given = shortened(", ".join(json.dumps(name) for name in names)) or "none"
        raise UsageError(visible(f"{row.place}: has no columns of judgements, only {given}{close}; name them {ways}"))
    if TRUTH not in names:
        for name in sorted(names - set(KNOWN)):
            if nearest(name, (TRUTH,)):
                raise UsageError(visible(f'{row.place}: unknown column "{name}"; did you mean "{TRUTH}"? Rename it'))
    return found[0]


def _told(row: Row, columns: tuple[str, str], grouped_by: str | None) -> Told | str:
    """What a row says, or how it ended.

    Raises:
        ValueError: it cannot be read.
    """
    cells = row.cells
    truth, group = _truth(cells.get(TRUTH)), _group(row, grouped_by)
    if columns == (JUDGEMENTS, JUDGEMENTS):
        return _of_label(cells, truth, group)
    names = [name for name in columns if name not in cells]
    if names:
        raise ValueError(f'has no "{names[0]}", which the first row has; give it, or null where nothing was said')
    read = _probability if columns == PROBABILITIES else _verdict
    forward, backward = (read(cells[name], name) for name in columns)
    if forward is None or backward is None:
        return MISSING
    return Told(forward, backward if columns == PROBABILITIES else 1 - backward, truth, group)


def _of_label(cells: Mapping[str, Any], truth: float | None, group: Hashable) -> Told | str:
    """What a label of a run says, by those of its judgements that are labelled."""
    judgements = cells[JUDGEMENTS]
    if not isinstance(judgements, list) or not all(isinstance(each, dict) for each in judgements):
        raise ValueError(f"{JUDGEMENTS} is {_shown(judgements)}; it must be the list that 04-label has, not its text")
    labelled = [each for each in judgements if each.get("state") == "labelled"]
    told = [{name: _probability(each.get(name), name) for name in PROBABILITIES} for each in labelled]
    if not labelled:
        state = cells.get("state")
        return str(state) if state in ("abstained", "unparsed", "refused", "failed") else MISSING
    forward, backward = ensemble.of_order(told, "forward"), ensemble.of_order(told, "backward")
    return MISSING if forward is None or backward is None else Told(forward, backward, truth, group)


def _probability(given: Any, name: str) -> float | None:
    if _is_nothing(given):
        return None
    number = _number(given)
    if number is None or not 0 <= number <= 1:
        raise ValueError(f"{name} is {_shown(given)}; it must be a probability from 0 to 1, or left empty")
    return number


def _verdict(given: Any, name: str) -> float | None:
    """The probability that what was shown first is better."""
    if _is_nothing(given):
        return None
    word = given.strip().strip("[]()").lower() if isinstance(given, str) else ""
    if word not in ("a", "b", "tie"):
        raise ValueError(f"{name} is {_shown(given)}; it must be A, B or tie, as they were shown, or left empty")
    return SAID[word]


def _truth(given: Any) -> float | None:
    if _is_nothing(given):
        return None
    if isinstance(given, str) and (word := given.strip().lower()) in SAID:
        return SAID[word]
    number = _number(given)
    if number == 2:
        return 0.0
    if number is None or not 0 <= number <= 1:
        wanted = "1 or 2, A or B, first or second, tie, or the probability from 0 to 1 that the first is better"
        raise ValueError(f"{TRUTH} is {_shown(given)}; it must be {wanted}")
    return number


def _group(row: Row, column: str | None) -> Hashable:
    if column is None or row.cells.get(column) is None:
        return row.number
    return json.dumps(row.cells.get(column), sort_keys=True, default=str)


def _number(given: Any) -> float | None:
    """A number, written as one or as text; None of anything else, and of one that is not finite."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        number = float(given)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_nothing(given: Any) -> bool:
    return given is None or (isinstance(given, str) and not given.strip())


def _shown(given: Any) -> str:
    return shortened(json.dumps(given, default=str))
