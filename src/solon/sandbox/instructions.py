"""Instructions on the form of an answer, each of which a rule can check: "Answer in one sentence." """

import re
from dataclasses import dataclass
from typing import Literal

_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_STEP = re.compile(r"(?:^|[.,] |, and )(?:first|start like this|then|after that|last|to end)\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z']+")


@dataclass(frozen=True)
class Instruction:
    """What someone asks of the form of an answer, beside what they ask for."""

    text: str
    """As it stands after a request."""
    counts: Literal["sentences", "steps", "word"]
    number: int
    """So many of them there must be; of a word, one (or more) or none."""
    word: str = ""

    def is_followed(self, answer: str) -> bool:
        """Whether an answer keeps to it."""
        if self.counts == "word":
            return (self.word in _WORD.findall(answer.lower())) == bool(self.number)
        return len((_SENTENCE_END if self.counts == "sentences" else _STEP).findall(answer)) == self.number


INSTRUCTIONS = (
    Instruction("Answer in one sentence.", "sentences", 1),
    Instruction("Give me one step only.", "steps", 1),
    Instruction("Give me three steps.", "steps", 3),
    *(Instruction(f"Use the word {word}.", "word", 1, word) for word in ("luck", "fun", "time")),
    *(Instruction(f"Do not use the word {word}.", "word", 0, word) for word in ("first", "then", "start", "sure")),
)


def split(text: str) -> tuple[str, Instruction | None]:
    """A text without the instruction that ends it, and this, where there is one."""
    for instruction in INSTRUCTIONS:
        if text.endswith(f" {instruction.text}"):
            return text.removesuffix(f" {instruction.text}"), instruction
    return text, None
