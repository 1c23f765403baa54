"""What one foreign file gives, and the helpers by which its reader takes it apart."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from solon.constitution.schema import ComparisonExemplar, Principle, RevisionExemplar
from solon.constitution.yaml_file import shortened

Made = TypeVar("Made", bound=BaseModel)

WORDS_OF_AN_ID = 5


@dataclass
class Part:
    """What a file gives to a constitution."""

    principles: list[Principle] = field(default_factory=list)
    """Their ids are wishes: another file may have the same."""
    revisions: list[RevisionExemplar] = field(default_factory=list)
    comparisons: list[ComparisonExemplar] = field(default_factory=list)
    transcripts: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    """Prompts that go with the principles, for which a constitution has no place."""
    notes: list[str] = field(default_factory=list)


def made(kind: type[Made], where: str, **fields: Any) -> Made:
    """A piece of a constitution, out of what a file has at `where`.

    Raises:
        ValueError: it cannot be one; says why.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        detail = error.errors()[0]
        place = " of ".join(str(step + 1 if isinstance(step, int) else step) for step in reversed(detail["loc"]))
        raise ValueError(f"{where}: {f'{place} ' if place else ''}{_why(detail['type'], detail['msg'])}") from None


def slug(text: str) -> str:
    """An id made of the first words of a text; "principle" where no letter of it can stand in an id."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower().replace("'", "")
    return "-".join(re.findall(r"[a-z0-9]+", plain)[:WORDS_OF_AN_ID])[:60].strip("-") or "principle"


def is_id(text: str) -> bool:
    """Whether a text can be the id of a principle as it stands."""
    return re.fullmatch(r"[a-z0-9][a-z0-9-]*", text) is not None


def pieces(text: str, tags: Iterable[str]) -> list[tuple[str, str]]:
    """What follows each tag, as it stands; a tag stands after a blank line or at the very start, and ends in ":".

    Empty where something stands before the first tag.
    """
    before, *rest = re.split(rf"(?:\A\s*|\n\n)({'|'.join(tags)}):", text)
    return [] if before.strip() else list(zip(rest[::2], rest[1::2], strict=True))


def is_tidy(said: str) -> bool:
    """Whether what follows a tag is one space and then text, without more space at the end."""
    return said == f" {said.strip()}"


def untidy(found: Iterable[Any]) -> list[str]:
    """A note of the texts that have space around them, which no text of a constitution has."""
    number = sum(isinstance(text, str) and text != text.strip() for text in found)
    return [f"spaces or line breaks around {counted(number, 'text')} are cut off"] if number else []


def texts(given: Any, where: str) -> list[str]:
    """A list of texts.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise ValueError(f"{where} is not a list of texts")
    return given


def other_keys(items: Sequence[Mapping[str, Any]], known: Iterable[str]) -> list[str]:
    """A note of the keys that no reader knows what to do with."""
    left = sorted({key for item in items for key in item} - set(known))
    return [f"left out, as Solon has no place for it: {', '.join(map(shortened, left))}"] if left else []


def counted(number: int, thing: str) -> str:
    """The number of things: "1 principle", "16 principles"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _why(kind: str, message: str) -> str:
    if kind == "string_type":
        return "is not text"
    if kind in ("string_too_short", "too_short"):
        return "is empty"
    return message.removeprefix("Value error, ")
