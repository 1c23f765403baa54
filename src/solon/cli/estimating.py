"""What a run would take, as `solon check` tells it."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from solon.cli.progress import dollars, duration
from solon.models.counting import BY_CHARACTERS
from solon.recipe.estimate import Amount, Estimate
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
    counted = {each.counted_by for each in found if each.counted_by}
    told = [
        f"≤ is the most: every answer as long as it may be. Tokens of prompts are counted by {' and '.join(counted)}."
    ]
    if asks is None:
        told.append(
            "How long answers are, and how long all takes, is not known: --ask 4 asks about 4 prompts of each kind."
        )
    else:
        told.append(
            f"≈ is if all goes as with the first {asks} prompts of each kind, at their pace: more at once are answered "
            "faster. A model that is yet to be trained was stood in for by the one that it is made of."
        )
    if BY_CHARACTERS in counted:
        told.append("Tokens by characters can be off by a half, and more in other languages than English.")
    told.append("Seconds of a training are known when it trains.")
    return told


def _amount(each: Estimate, key: str) -> str:
    amounts = [(sign, getattr(of, key)) for sign, of in (("≈", each.likely), ("≤", each.most)) if of is not None]
    return ", ".join(f"{sign} {many:,}" for sign, many in amounts)


def _cost(each: Estimate) -> str:
    amounts: list[tuple[str, Amount | None]] = [("≈", each.likely), ("≤", each.most)]
    told = [f"{sign} {dollars(of.cost)}" for sign, of in amounts if of is not None and of.cost is not None]
    return ", ".join(told) or "-"


def _is_asked(each: Estimate) -> bool:
    return each.likely is not None


def _is_priced(each: Estimate) -> bool:
    return each.most is not None and each.most.cost is not None
