"""What a run would take, as `solon check` tells it."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from solon.cli.progress import dollars, duration
from solon.models.counting import BY_CHARACTERS
from solon.recipe.estimate import FEW, Estimate
from solon.report.text import visible


def estimates_table(found: Sequence[Estimate]) -> Table:
    """The stages, one a row: what each takes at most and, where models were asked, is likely to take."""
    is_asked, is_priced = (any(has(each) for each in found) for has in (_is_asked, _is_priced))
    table = Table(title="What a run would take", title_justify="left")
    titles = ["stage", "rows", "questions", "prompt tokens", "completion tokens"]
    for title in [*titles, *(["time"] if is_asked else []), *(["cost"] if is_priced else [])]:
        table.add_column(title, justify="left" if title == "stage" else "right")
    for each in found:
        if each.steps is not None:
            table.add_row(Text(visible(each.stage)), f"{each.rows:,}", f"{each.steps:,} steps")
            continue
        cells = [f"≤ {each.questions:,}", _amount(each, "prompt_tokens"), _amount(each, "completion_tokens")]
        cells += [f"≈ {duration(each.seconds)}" if each.seconds is not None else "-"] if is_asked else []
        cells += [_cost(each)] if is_priced else []
        table.add_row(Text(visible(each.stage)), f"{each.rows:,}", *cells)
    return table


def estimates_notes(found: Sequence[Estimate], *, asks: int | None) -> list[str]:
    """What must be known to read the table."""
    counted = sorted({each.counted_by for each in found if each.counted_by})
    told = []
    if counted:
        told.append(f"≤ is if every answer is as long as it may be, and prompts are as the first {FEW} of each kind.")
        told.append(f"Tokens of prompts are counted by {' and '.join(counted)}.")
        if BY_CHARACTERS in counted:
            told.append("By characters they can be off by a half, and by more in other languages than English.")
        if asks is None:
            told.append(
                "How long answers are and how long all takes is not known; --ask 4 asks about 4 prompts of each kind."
            )
        else:
            told.append(f"≈ is as with the first {asks} prompts of each kind, at their pace; more at once are faster.")
            told.append("In place of a model that is yet to be trained that was asked of which it is made.")
    if any(each.steps is not None for each in found):
        told.append("How long a training takes is known when it trains.")
    return told


def _amount(each: Estimate, key: str) -> str:
    if each.most is None or not getattr(each.most, key):
        return "0"
    most = f"≤ {getattr(each.most, key):,}"
    return most if each.likely is None else f"≈ {_rounded(getattr(each.likely, key)):,}, {most}"


def _cost(each: Estimate) -> str:
    if each.most is None or each.most.cost is None:
        return "-"
    likely = None if each.likely is None else each.likely.cost
    return ("" if likely is None else f"≈ {dollars(likely)}, ") + f"≤ {dollars(each.most.cost)}"


def _rounded(many: int) -> int:
    """To three digits: more are not known."""
    return round(many, 3 - len(str(many))) if many > 999 else many


def _is_asked(each: Estimate) -> bool:
    return each.likely is not None


def _is_priced(each: Estimate) -> bool:
    return each.most is not None and each.most.cost is not None
