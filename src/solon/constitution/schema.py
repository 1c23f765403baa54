"""What a constitution is: principles, each a wording for the stages that use it, with examples of what it means."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from solon.records import Conversation

Text = Annotated[str, Field(min_length=1)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]

_STRICT = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)
"""What stands under a field is also what an editor says of it (`json_schema.py`)."""


class Turn(BaseModel):
    """One turn of an example's conversation."""

    model_config = _STRICT

    role: Literal["system", "user", "assistant"]
    """Who speaks: `user` is the human."""
    content: Text
    """What is said."""


def _turns(given: Any) -> Any:
    if isinstance(given, str):
        return ({"role": "user", "content": given},) if given.strip() else ()
    if not isinstance(given, list | tuple):
        raise PydanticCustomError("string_type", "Input should be text or turns")
    return tuple(given)  # what a validator returns is no longer read as JSON


_Asked = Text | Annotated[tuple[Turn, ...], Field(min_length=1)]

Turns = Annotated[tuple[Turn, ...], Field(min_length=1), BeforeValidator(_turns, json_schema_input_type=_Asked)]
"""What a person asked: text, or the turns of a conversation up to the answer."""


class RevisionExemplar(BaseModel):
    """An example for the supervised stage: a response, what is wrong with it, and a better one."""

    model_config = _STRICT

    prompt: Turns
    """What a person asked: text, or the turns of a conversation up to the answer."""
    response: Text
    """What was answered."""
    critique: Text | None = None
    """What is wrong with it, or that nothing is; needed where the principle has a critique_request."""
    revision: Text | None = None
    """The better response; left out with `unchanged`."""
    unchanged: bool = False
    """Whether there is nothing to revise: the revision is the response. Models that never see it always revise."""
    critique_request: Text | None = None
    """What the critique answers; left out, it is what the principle at hand asks for."""
    revision_request: Text | None = None
    """What the revision answers; left out, it is what the principle at hand asks for."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _check_asked(self.prompt)
        if self.unchanged and self.revision is not None:
            raise ValueError("has a revision and `unchanged: true`, which says that there is none; remove one of them")
        if not self.unchanged and self.revision is None:
            raise ValueError("needs a revision, or `unchanged: true` where the response is good as it is; give one")
        return self

    @property
    def conversation(self) -> Conversation:
        """The prompt as rows have it."""
        return _conversation(self.prompt)

    @property
    def revised(self) -> str:
        """What the revision is."""
        return self.response if self.revision is None else self.revision


class ComparisonExemplar(BaseModel):
    """An example for the reinforcement stage: two responses, which one is better, and why."""

    model_config = _STRICT

    prompt: Turns
    """What a person asked: text, or the turns of a conversation up to the answer."""
    responses: Annotated[tuple[Text, ...], Field(min_length=2, max_length=2)]
    """Two answers, A and B."""
    better: Literal["A", "B"]
    """A is the first of the two."""
    reasoning: Text | None = None
    """Why it is better. Those with a reason are shown before reasoning; else those without one, if there are any."""
    comparison_request: Text | None = None
    """What was asked for; left out, it is what the principle at hand asks for."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _check_asked(self.prompt)
        if self.responses[0] == self.responses[1]:
            raise ValueError("compares a response with itself; give two that differ")
        return self

    @property
    def conversation(self) -> Conversation:
        """The prompt as rows have it."""
        return _conversation(self.prompt)


def _with_one_slot(text: str) -> str:
    if text.count("{}") != 1:
        raise ValueError(f"has {text.count('{}')} times `{{}}`; write it once, where the request stands")
    return text


class Exemplars(BaseModel):
    """Examples of what a principle means; the paper has one set of them for all its principles."""

    model_config = _STRICT

    revisions: tuple[RevisionExemplar, ...] = ()
    """Shown before a critique and before a revision."""
    comparisons: tuple[ComparisonExemplar, ...] = ()
    """Shown before a comparison."""
    transcripts: tuple[
        Annotated[str, StringConstraints(strip_whitespace=False), AfterValidator(_with_one_slot)], ...
    ] = ()
    """Comparisons with their reasoning as they stand, each with one `{}` in place of the request: what models that are
    asked in the paper's transcript are shown before they reason, in place of `comparisons`. The paper's have slips."""


class Source(BaseModel):
    """Where a principle comes from."""

    model_config = _STRICT

    work: Text
    """A title, a person or an address."""
    licence: Text | None = None
    """An SPDX identifier, e.g. "CC0-1.0"."""


class Principle(BaseModel):
    """One rule, worded as the requests that stages send. A stage uses the principles that have a wording for it."""

    model_config = _STRICT

    id: Id
    """Names the principle in every row: lower case, digits, hyphens."""
    title: str = ""
    """A name for people."""
    critique_request: Text | None = None
    """Asks what is wrong with a response. Goes with `revision_request` (section 3.1)."""
    revision_request: Text | None = None
    """Asks for a better response."""
    comparison_request: Text | None = None
    """Asks which of two responses is better (section 4.1)."""
    exemplars: Exemplars = Exemplars()
    """Examples of what it means, shown with its requests only."""
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """How often it is drawn, beside the others; the paper draws uniformly."""
    tags: tuple[str, ...] = ()
    """What it is about, in words of your own, e.g. `[privacy]`."""
    rationale: str = ""
    """Why the principle is there: for people; no model reads it."""
    source: Source | None = None
    """Where its wording comes from."""

    @property
    def lack(self) -> str | None:
        """What it lacks to be of use, if anything. One that changes a principle of another constitution may."""
        if self.critique_request is not None and self.revision_request is None:
            return "has a critique_request but no revision_request; add one, or remove the other"
        if self.revision_request is None and self.comparison_request is None:
            return "is used by no stage; give it a revision_request or a comparison_request"
        if self.exemplars.revisions and self.revision_request is None:
            return "has examples of revisions but no revision_request; add one, or remove them"
        if (self.exemplars.comparisons or self.exemplars.transcripts) and self.comparison_request is None:
            return "has examples of comparisons but no comparison_request; add one, or remove them"
        return None


class Constitution(BaseModel):
    """The principles that a model is to follow."""

    model_config = _STRICT

    name: Text
    """What reports call it."""
    description: str = ""
    """What a model that follows it is like: for people; no model reads it."""
    hard_constraints: tuple[Text, ...] = ()
    """What no response may do, whatever principle is asked about; told with every request."""
    exemplars: Exemplars = Exemplars()
    """Examples that every principle shares, as the paper's few-shots are."""
    principles: Annotated[tuple[Principle, ...], Field(min_length=1)]
    """One of them is drawn for each critique and for each comparison."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [principle.id for principle in self.principles]
        if twice := sorted({id for id in ids if ids.count(id) > 1}):
            raise ValueError(f"principle ids must differ; given more than once: {', '.join(twice)}")
        if lacking := [principle for principle in self.principles if principle.lack]:
            raise ValueError(f"the principle '{lacking[0].id}' {lacking[0].lack}")
        return self

    @property
    def for_revision(self) -> tuple[Principle, ...]:
        """The principles of the supervised stage."""
        return tuple(principle for principle in self.principles if principle.revision_request is not None)

    @property
    def for_comparison(self) -> tuple[Principle, ...]:
        """The principles of the reinforcement stage."""
        return tuple(principle for principle in self.principles if principle.comparison_request is not None)


class Extension(BaseModel):
    """A file that changes another constitution: what it says replaces, principle by principle, what stands there."""

    model_config = _STRICT

    extends: Text
    """A built-in's name, or a path from the folder of this file."""
    name: Text | None = None
    """What reports call it; left out, it is called as the other is."""
    description: str | None = None
    """In place of the other's: for people; no model reads it."""
    hard_constraints: tuple[Text, ...] = ()
    """Beside those of the other."""
    exemplars: Exemplars | None = None
    """The examples that every principle shares, in place of the other's."""
    without: tuple[Id, ...] = ()
    """The principles of the other that are left out."""
    principles: tuple[Principle, ...] = ()
    """With the id of one of the other: the keys that are given take the place of its own. Others are added."""


def _conversation(turns: Iterable[Turn]) -> Conversation:
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def _check_asked(turns: tuple[Turn, ...]) -> None:
    if turns[-1].role != "user":
        raise ValueError("has a prompt that does not end with the human's turn; the response answers that turn")
