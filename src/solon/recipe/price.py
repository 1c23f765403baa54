"""What tokens cost, where a person says so; nothing here knows a price."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens."""

    prompt: Dollars
    completion: Dollars

    def of(self, prompt_tokens: int, tokens: int) -> float:
        """What so many cost, in US dollars."""
        return (self.prompt * prompt_tokens + self.completion * tokens) / 1e6


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of a model, given by its name on its server, which stands behind the #."""
    return prices.get(model.partition("#")[2])
