"""What a constitution is: principles, each a wording for the stages that use it."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(min_length=1)]


class Principle(BaseModel):
    """One rule, worded as the requests that stages send. A stage uses the principles that have a wording for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """Names the principle in every row: lower case, digits, hyphens."""
    title: str = ""
    critique_request: Text | None = None
    """Asks what is wrong with a response. Goes with `revision_request` (section 3.1)."""
    revision_request: Text | None = None
    """Asks for a better response."""
    comparison_request: Text | None = None
    """Asks which of two responses is better (section 4.1)."""
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """How often it is drawn, beside the others; the paper draws uniformly."""
    tags: tuple[str, ...] = ()
    rationale: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.critique_request is not None and self.revision_request is None:
            raise ValueError("has a critique_request but no revision_request; add one, or remove the other")
        if self.revision_request is None and self.comparison_request is None:
            raise ValueError("is used by no stage; give it a revision_request or a comparison_request")
        return self


class Constitution(BaseModel):
    """The principles that a model is to follow."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    name: Text
    description: str = ""
    principles: Annotated[tuple[Principle, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [principle.id for principle in self.principles]
        if twice := sorted({id for id in ids if ids.count(id) > 1}):
            raise ValueError(f"principle ids must differ; given more than once: {', '.join(twice)}")
        return self

    @property
    def for_revision(self) -> tuple[Principle, ...]:
        """The principles of the supervised stage."""
        return tuple(principle for principle in self.principles if principle.revision_request is not None)

    @property
    def for_comparison(self) -> tuple[Principle, ...]:
        """The principles of the reinforcement stage."""
        return tuple(principle for principle in self.principles if principle.comparison_request is not None)
