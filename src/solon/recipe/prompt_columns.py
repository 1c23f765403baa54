"""What a row of a data set not made for Solon holds: text, turns, a transcript, or a pair of answered transcripts.

All rows of a file are read from one column, the first of COLUMNS that it has; columns that no name here stands for are
left alone. What is wrong with a row costs the row and no other: it is kept, with its reason.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from solon.constitution.yaml_file import has_half_characters, shortened
from solon.recipe.transcripts import awaiting, is_transcript, oddities, read_transcript
from solon.records import Conversation, user

TRANSCRIPTS = ("chosen", "rl_prompt", "transcript")
COLUMNS = ("messages", "prompt", *TRANSCRIPTS, "question", "instruction", "text")
"""Where prompts may stand. `messages` comes first: a `prompt` beside it repeats the first of them."""
ABOUT = ("input", "context")
"""What an instruction is about, in Alpaca and in Dolly: without it there is nothing to answer."""
OTHERS = ("id", "rejected", *ABOUT)
"""What is read beside COLUMNS."""

ABOUT_ADDED = "what the instruction is about was put after it"
NOT_SHARED = "chosen and rejected differ before the last turn of the assistant"
ONE_USED = "only one of chosen and rejected could be used"
TAKEN_FOR_TRANSCRIPT = 'text that begins with "\\n\\nHuman:" was read as a transcript'

EMPTY = "the prompt is empty"
HALF_CHARACTER = "holds half a character, such as \\ud83d, which is no text"
NO_TEXT = "the prompt is neither text nor a list of turns"
TURN_WITHOUT_TEXT = "a turn has no text"


@dataclass(frozen=True)
class Reading:
    """What a row gives."""

    conversations: list[Conversation]
    """One, or two where a pair has no prompt in common; of a row that cannot be used, what there is of it."""
    drop_reason: str | None
    notes: set[str]


def column_of(names: Collection[str]) -> str | None:
    """The column to read prompts from, if there is one."""
    return next((column for column in COLUMNS if column in names), None)


def read_cells(cells: Mapping[str, Any], *, column: str) -> Reading:
    """Read a row; a pair gives the prompt that both answer, or one of each where they answer different ones."""
    notes: set[str] = set()
    tries = [_try(value, column=column, notes=notes) for value in _values(cells, column=column, notes=notes)]
    if len(tries) == 2 and tries[0].before_answer != tries[1].before_answer:
        notes.add(NOT_SHARED)
    usable = [each for each in tries if each.drop_reason is None]
    if not usable:
        return Reading([tries[0].prompt], tries[0].drop_reason, notes)
    if len(usable) < len(tries):
        notes.add(ONE_USED)
    both_the_same = usable[0].prompt == usable[-1].prompt
    return Reading([each.prompt for each in usable[: 1 if both_the_same else None]], None, notes)


def turns_of(value: Any, *, column: str, notes: set[str]) -> Conversation:
    """The turns of a cell as they stand; `notes` gets what is odd about them.

    Raises:
        ValueError: there are none.
    """
    if value is None or value in ("", []):
        raise ValueError(EMPTY)
    if isinstance(value, list):
        turns = _listed(value)
        notes |= oddities(turns)
        return turns
    if not isinstance(value, str):
        raise ValueError(NO_TEXT)
    if not value.strip():
        raise ValueError(EMPTY)
    if has_half_characters(value):
        raise ValueError(HALF_CHARACTER)
    if column not in TRANSCRIPTS and not is_transcript(value):
        return [user(value)]
    if column not in TRANSCRIPTS:
        notes.add(TAKEN_FOR_TRANSCRIPT)
    turns, found = read_transcript(value)
    notes |= found
    return turns


def legible(value: Any) -> str:
    """What can be shown of a value that is no prompt."""
    text = "" if value is None else value if isinstance(value, str) else str(value)
    return text.encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class _Try:
    """What came of reading one value."""

    prompt: Conversation
    before_answer: Conversation
    drop_reason: str | None


def _try(value: Any, *, column: str, notes: set[str]) -> _Try:
    turns: Conversation = []
    try:
        turns = turns_of(value, column=column, notes=notes)
        prompt, reason = awaiting(turns), None
    except ValueError as error:
        prompt, reason = turns or [user(legible(value))], str(error)
    is_answered = bool(turns) and turns[-1]["role"] == "assistant"
    return _Try(prompt, turns[:-1] if is_answered else turns, reason)


def _values(cells: Mapping[str, Any], *, column: str, notes: set[str]) -> list[Any]:
    """The value to read, or both of a pair."""
    value = cells.get(column)
    if column == "chosen" and cells.get("rejected") is not None:
        return [value, cells["rejected"]]
    if column == "instruction" and isinstance(value, str):
        for about in (cells.get(name) for name in ABOUT):
            if isinstance(about, str) and about.strip():
                notes.add(ABOUT_ADDED)
                value = f"{value}\n\n{about}"
    return [value]


def _listed(turns: list[Any]) -> Conversation:
    """Turns as chat data sets have them, whatever else they hold beside role and content."""
    conversation: Conversation = []
    for turn in turns:
        if not isinstance(turn, dict) or not isinstance(turn.get("content"), str):
            raise ValueError(TURN_WITHOUT_TEXT)
        if has_half_characters(turn["content"]):
            raise ValueError(HALF_CHARACTER)
        role = turn.get("role")
        if role not in ("system", "user", "assistant"):
            raise ValueError(f"a turn has the role {shortened(json.dumps(role, default=str))}")
        conversation.append({"role": role, "content": turn["content"]})
    return conversation
