"""Prompts from a person's file or a data set on the Hugging Face Hub; `prompt_rows` lists what can be read.

Solon's own form is JSONL, a line each, where a conversation may stand for the text:

    {"prompt": "How do I sharpen a knife?"}
    {"id": "p7", "prompt": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."},
                            {"role": "user", "content": "How do I sharpen a knife?"}]}

It is read strictly: whoever writes it can mend it. Data sets that others made are taken as they are; what does not fit
is kept with a `drop_reason`, and what had to be done to the rest is counted.

A prompt without an `id` is named by a digest of its text, so that it keeps its name when the file is reordered.

Where we differ from the paper: of a conversation the last human turn is a prompt; the paper's unit, each of them, has
to be asked for ("all").
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from solon.constitution.yaml_file import has_half_characters, shortened
from solon.errors import UsageError
from solon.recipe.prompt_columns import HALF_CHARACTER, Reading, column_of, read_cells
from solon.recipe.prompt_rows import Row, is_jsonl, read_rows
from solon.recipe.transcripts import each_human_turn
from solon.records import Conversation, Prompt, user

KEYS = {"id", "prompt"}
MOST_REPORTED = 20
LONGEST_ID = 100
"""Of a data set that others made, in characters."""

DUPLICATE = "the same prompt again, under a name of its own"
ID_NOT_USED = "an id that is no name was left out"
ID_TWICE = "an id that stands twice got a number"
MORE_TURNS = "earlier human turns are prompts too"

Kind = Literal["red-team", "helpful"]
HumanTurns = Literal["last", "all"]


@dataclass(frozen=True)
class Prompts:
    """The prompts of a source, those with a `drop_reason` too, and what had to be done to them."""

    prompts: list[Prompt]
    notes: dict[str, int]
    """In plain words, each with how many rows it is true of: which column was read, and every deviation."""


def read_prompts(
    source: str | Path, *, kind: Kind, first: int | None = None, human_turns: HumanTurns = "last"
) -> Prompts:
    """Read the prompts of a source, or the `first` so many; of each conversation the last human turn, or "all".

    Raises:
        UsageError: every problem up to there, each as `file:line: what was given; what to do`.
        ModelError: a data set could not be fetched.
    """
    source = str(source)
    collected = _Collected(kind, human_turns)
    read: Callable[[Row], _Read] | None = None
    for row in read_rows(source, whole=first is None):
        try:
            if row.problem:
                raise ValueError(row.problem)
            read = read or _reader(row, jsonl=is_jsonl(source), kind=kind)
            collected.add(row, read(row))
        except ValueError as error:
            collected.problems.append(f"{row.place}: {error}")
        if first is not None and len(collected.prompts) >= first:
            break
    if not collected.prompts and not collected.problems:
        collected.problems.append(_nothing_in(source))
    raise_all(collected.problems, source)
    return Prompts(collected.prompts[:first], dict(collected.notes))


def given_id(cells: Mapping[str, Any], notes: set[str]) -> str:
    """The id of a row that others made, or nothing where it has none that is a name, which is noted."""
    given, id = cells.get("id"), ""
    if isinstance(given, str | int) and not isinstance(given, bool):
        id = str(given).strip()
    if given is not None and not (id and id.isprintable() and len(id) <= LONGEST_ID):
        notes.add(ID_NOT_USED)
        return ""
    return id


def unused(name: str, times: Counter[str], taken: Container[str]) -> str:
    """The name, or with "-2" and so on where it is taken; `times` counts how often each was wanted."""
    while True:
        times[name] += 1
        candidate = name if times[name] == 1 else f"{name}-{times[name]}"
        if candidate not in taken:
            return candidate


def raise_all(problems: list[str], source: str) -> None:
    """Raise UsageError with the problems, if there are any."""
    if problems:
        rest = [f"{source}: and {len(problems) - MOST_REPORTED} more"] if len(problems) > MOST_REPORTED else []
        raise UsageError("\n".join([*problems[:MOST_REPORTED], *rest]))


@dataclass(frozen=True)
class _Read:
    """What a row gives, and what it is called."""

    reading: Reading
    id: str
    """Empty where a name has to be made."""
    is_strict: bool
    """Whether another row of the same id is a mistake."""


@dataclass
class _Collected:
    """What is read so far."""

    kind: Kind
    human_turns: HumanTurns
    prompts: list[Prompt] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)
    """The line or row of each name."""
    _times: Counter[str] = field(default_factory=Counter)
    """How often a name was wanted."""
    _digests: set[str] = field(default_factory=set)

    def add(self, row: Row, read: _Read) -> None:
        """Add the prompts of a row.

        Raises:
            ValueError: its id must be its own, and is not.
        """
        if read.is_strict and read.id in self._numbers:
            line = self._numbers[read.id]
            raise ValueError(f"the id '{read.id}' names the prompt of line {line}; ids must differ")
        notes = set(read.reading.notes)
        if read.id in self._numbers:
            notes.add(ID_TWICE)
        if read.reading.drop_reason is not None:
            notes.add(f"dropped: {read.reading.drop_reason}")
        for conversation in read.reading.conversations:
            notes |= self._add(conversation, row=row, read=read)
        self.notes.update(notes)

    def _add(self, conversation: Conversation, *, row: Row, read: _Read) -> set[str]:
        """Add the prompts of a conversation, and say what they are beside new ones."""
        reason = read.reading.drop_reason
        wants_all = self.human_turns == "all" and reason is None
        parts = each_human_turn(conversation) if wants_all else [conversation]
        notes = {MORE_TURNS} if len(parts) > 1 else set()
        for number, part in enumerate(parts, 1):
            digest = _digest(part)
            if reason is None and digest in self._digests:
                notes.add(DUPLICATE)
            self._digests.add(digest)
            turn = "" if number == len(parts) else f"-turn-{number}"
            name = unused(read.id + turn if read.id else f"{self.kind}-{digest}", self._times, self._numbers)
            self._numbers[name] = row.number
            self.prompts.append({"id": name, "prompt": part, "drop_reason": reason, "kind": self.kind})
        return notes


def _reader(row: Row, *, jsonl: bool, kind: Kind) -> Callable[[Row], _Read]:
    """How the rows are read that begin with this one."""
    column = column_of(row.cells)
    if jsonl and column in (None, "prompt") and "chosen" not in row.cells:
        return _own
    if column is None:
        names = shortened(", ".join(json.dumps(name) for name in row.cells))
        raise UsageError(f'{row.place}: has no column of prompts, only {names}; call the one that has them "prompt"')
    return partial(_foreign, column=column, kind=kind)


def _foreign(row: Row, *, column: str, kind: Kind) -> _Read:
    """Read a row of a data set that others made. Its id gets the kind before it: most sets number their rows from 1."""
    if column not in row.cells:
        raise ValueError(f'has no "{column}", which the rows before it have')
    reading = read_cells(row.cells, column=column)
    notes = reading.notes | {f'read from "{column}"' + (' and "rejected"' if column == "chosen" else "")}
    id = given_id(row.cells, notes)
    return _Read(replace(reading, notes=notes), id and f"{kind}-{id}", is_strict=False)


def _own(row: Row) -> _Read:
    """Read a line of Solon's own form."""
    if "prompt" not in row.cells:
        raise ValueError('has no "prompt"; write a line as {"prompt": "..."}')
    if unknown := sorted(row.cells.keys() - KEYS):
        raise ValueError(f'unknown key "{unknown[0]}"; a line has "prompt" and may have "id"')
    id = row.cells.get("id", "")
    if not isinstance(id, str) or ("id" in row.cells and not (id.strip() and id.isprintable())):
        raise ValueError(f"the id {json.dumps(id)} is no name; give text in quotes, or leave it out")
    return _Read(Reading([_conversation(row.cells["prompt"])], None, {'read from "prompt"'}), id, is_strict=True)


def _conversation(given: Any) -> Conversation:
    if isinstance(given, str):
        if not given.strip():
            raise ValueError("the prompt is empty")
        given = [user(given)]
    if not isinstance(given, list) or not given:
        raise ValueError('the prompt is neither text nor a list of {"role": ..., "content": ...}')
    for number, turn in enumerate(given, 1):
        if not isinstance(turn, dict) or turn.keys() != {"role", "content"} or not isinstance(turn["content"], str):
            raise ValueError(f'turn {number} of the prompt must be {{"role": ..., "content": "..."}} and no more')
        if turn["role"] not in ("system", "user", "assistant"):
            raise ValueError(f"turn {number} has the role {json.dumps(turn['role'])}; use system, user or assistant")
        if has_half_characters(turn["content"]):
            raise ValueError(f"the prompt {HALF_CHARACTER}; write the whole character")
    if given[-1]["role"] != "user" or not given[-1]["content"].strip():
        raise ValueError("the last turn of the prompt must be the user's, with some text: it is what gets answered")
    return [{"role": turn["role"], "content": turn["content"]} for turn in given]


def _digest(conversation: Conversation) -> str:
    return hashlib.sha256(json.dumps(conversation).encode()).hexdigest()[:12]


def _nothing_in(source: str) -> str:
    if is_jsonl(source):
        return f'{source}:1: the file has no prompts; write one a line, e.g. {{"prompt": "Hello?"}}'
    return f"{source}: has no prompts"
