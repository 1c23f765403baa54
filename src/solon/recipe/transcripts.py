"""Conversations that await an answer, out of the paper's "Human: … Assistant: …" transcripts and out of lists of turns.

A turn of a transcript begins with a blank line and its speaker's name, or at the very start; a name anywhere else is
text. What is read is tidied, and how is said in notes: PAPER.md section 5 counts what hh-rlhf has of each.

Where we differ from the readers of hh-rlhf that take a transcript's first human turn: all turns are kept.
"""

import re
from itertools import groupby, pairwise

from solon.prompts import SPEAKERS
from solon.records import Conversation, Message

ANSWER_CUT = "the assistant's last turn was cut off"
ASSISTANT_FIRST = "the assistant speaks first"
BEFORE_TURNS = "text before the first turn was taken for the system's"
EMPTY_TURN = "an empty turn was left out"
JOINED = "turns of one speaker in a row were joined by a blank line"
STOP_MARKER = '"Human:" at the end, a stop marker, was cut off'
TAG_INSIDE = '"Human:" or "Assistant:" inside a turn was kept as text'
WINDOWS_LINES = "Windows line ends were made plain"

NO_HUMAN_TURN = 'has no turn of the human\'s, e.g. "\\n\\nHuman: Hello?"'
NOT_THE_HUMAN = "the last turn before the answer is not the human's"
EMPTY_HUMAN_TURN = "the last turn of the human's is empty"
NO_ANSWER = "the last turn is not the assistant's"
EMPTY_ANSWER = "a response is empty"

HUMAN = f"{SPEAKERS['user']}:"
ASSISTANT = f"{SPEAKERS['assistant']}:"
_TURN = re.compile(rf"(?:\A\s*|\n\n)({HUMAN}|{ASSISTANT})")


def read_transcript(text: str) -> tuple[Conversation, set[str]]:
    """The turns of a transcript as they stand, without the spaces around each, and notes of what is odd about them."""
    plain = text.replace("\r\n", "\n")
    notes = {WINDOWS_LINES} if plain != text else set()
    kept = _without_stop_markers(plain)
    notes |= {STOP_MARKER} if kept != plain else set()

    before, *parts = _TURN.split(kept)
    turns: Conversation = [
        {"role": "user" if tag == HUMAN else "assistant", "content": said.strip()}
        for tag, said in zip(parts[::2], parts[1::2], strict=True)
    ]
    if any(tag in turn["content"] for turn in turns for tag in (HUMAN, ASSISTANT)):
        notes.add(TAG_INSIDE)
    if turns and before.strip():
        turns = [{"role": "system", "content": before.strip()}, *turns]
        notes.add(BEFORE_TURNS)
    is_open = kept.endswith(f"\n\n{ASSISTANT}")  # as prompts are published: not an empty turn, but a wait for one
    return turns, notes | oddities(turns[:-1] if is_open else turns)


def is_transcript(text: str) -> bool:
    """Whether a text that may be anything is meant as a transcript."""
    return text.replace("\r\n", "\n").startswith(f"\n\n{HUMAN}")


def oddities(turns: Conversation) -> set[str]:
    """Notes of what has to be tidied before turns can be a prompt."""
    notes = set()
    filled = [turn for turn in turns if turn["content"].strip()]
    if any(turn["role"] == following["role"] for some in (turns, filled) for turn, following in pairwise(some)):
        notes.add(JOINED)
    if len(filled) < len(turns):
        notes.add(EMPTY_TURN)
    if next((turn["role"] for turn in filled if turn["role"] != "system"), "user") != "user":
        notes.add(ASSISTANT_FIRST)
    if filled and filled[-1]["role"] == "assistant":
        notes.add(ANSWER_CUT)
    return notes


def awaiting(turns: Conversation) -> Conversation:
    """The turns up to the human's last, which awaits an answer: speakers alternate, and no turn is empty.

    Raises:
        ValueError: there is nothing to answer.
    """
    joined = _joined(turns)
    if joined and joined[-1]["role"] == "assistant":
        del joined[-1]
    if not any(turn["role"] == "user" for turn in joined):
        raise ValueError(NO_HUMAN_TURN)
    if joined[-1]["role"] != "user":
        raise ValueError(NOT_THE_HUMAN)
    if not joined[-1]["content"].strip():
        raise ValueError(EMPTY_HUMAN_TURN)
    return _joined([turn for turn in joined if turn["content"].strip()])


def answered(turns: Conversation) -> tuple[Conversation, str]:
    """The turns that await an answer, as `awaiting` has them, and the answer: the assistant's last turn.

    Raises:
        ValueError: there is no answer, or nothing to answer.
    """
    joined = _joined(turns)
    if not joined or joined[-1]["role"] != "assistant":
        raise ValueError(NO_ANSWER)
    if not (answer := joined[-1]["content"].strip()):
        raise ValueError(EMPTY_ANSWER)
    return awaiting(turns), answer


def each_human_turn(conversation: Conversation) -> list[Conversation]:
    """The conversation up to each of its human turns, the paper's unit of a prompt (section 3.2)."""
    return [
        conversation[: number + 1]
        for number, turn in enumerate(conversation)
        if turn["role"] == "user" and turn["content"].strip()
    ]


def _without_stop_markers(text: str) -> str:
    """Cut lines at the end that hold "Human:" and no more, or nothing."""
    lines = text.split("\n")
    kept = len(lines)
    while kept > 1 and lines[kept - 1].strip() in ("", HUMAN):
        kept -= 1
    marked = any(line.strip() for line in lines[kept:])
    return "\n".join(lines[:kept]) if marked else text


def _joined(turns: Conversation) -> Conversation:
    """One turn for turns of one speaker in a row. It is empty where they all are."""
    return [_one(list(same)) for _, same in groupby(turns, key=lambda turn: turn["role"])]


def _one(turns: list[Message]) -> Message:
    return {
        "role": turns[0]["role"],
        "content": "\n\n".join(turn["content"] for turn in turns if turn["content"].strip()),
    }
