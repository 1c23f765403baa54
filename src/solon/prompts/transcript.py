"""Prompts as the paper's: one "Human: … Assistant:" text for a model without a chat template to go on with.

What is filled in is put in by concatenation in one pass, as in `chat`. Pieces are joined by a blank line, which the
paper's published prompts have but for a few slips. A text that is asked for begins after one space.
"""

from collections.abc import Sequence

from solon.constitution.exemplars import ComparisonExample, RevisionExample, Verbatim
from solon.prompts.text import NEXT_TURN, SPEAKERS, open_transcript, transcript
from solon.records import Conversation

OPTIONS = ("A", "B")
ANSWER_PREFILL = " ("
"""The paper reads " (A)" against " (B)"; after the bracket they differ in one token."""
REASONING_PREFILL = ""
STOP: tuple[str, ...] = (NEXT_TURN, "\n\nAssistant:", "\n\nCritiqueRequest:", "\n\nRevisionRequest:")


def response(prompt: Conversation) -> str:
    """Ask for the next turn."""
    return open_transcript(prompt)


def critique(prompt: Conversation, response: str, request: str, *, exemplars: Sequence[RevisionExample] = ()) -> str:
    """Ask for a critique (section 3.1)."""
    return _shown(exemplars) + _answered(prompt, response) + f"\n\nCritiqueRequest: {request}\n\nCritique:"


def revision(
    prompt: Conversation,
    response: str,
    *,
    critique: tuple[str, str] | None,
    request: str,
    exemplars: Sequence[RevisionExample] = (),
) -> str:
    """Ask for a revision after `critique`, or directly where there is none (section 3.5)."""
    return _shown(exemplars) + _answered(prompt, response) + _told(critique) + _revised(request)


def comparison(
    prompt: Conversation,
    responses: tuple[str, str],
    request: str,
    *,
    exemplars: Sequence[ComparisonExample] = (),
) -> str:
    """Ask which of two responses is the better one; answered after ANSWER_PREFILL by one of OPTIONS (section 4.1)."""
    shown = "".join(f"{_comparison(each.prompt, each.responses, each.request)} ({each.better})" for each in exemplars)
    return shown + _comparison(prompt, responses, request)


def reasoning(
    prompt: Conversation,
    responses: tuple[str, str],
    request: str,
    *,
    exemplars: Sequence[ComparisonExample | Verbatim] = (),
) -> str:
    """Ask the same, to be reasoned about (section 4.1, chain of thought)."""
    return "".join(map(_reasoned, exemplars)) + _reasoning(prompt, responses, request)


def read_out(asked: str, reasoning: str) -> str:
    """Ask for the answer after `reasoning`."""
    return f"{asked} {reasoning.strip()}{NEXT_TURN}\nSo the answer is:"


def _comparison(prompt: Conversation, responses: tuple[str, str], request: str) -> str:
    return (
        "\n\nConsider the following conversation between a human and an assistant:\n\n"
        + transcript(prompt)
        + _options(responses, request)
        + "\n\nThe answer is:"
    )


def _reasoning(prompt: Conversation, responses: tuple[str, str], request: str) -> str:
    """Speakers are abbreviated where a conversation is quoted inside one, as in the paper."""
    quoted = "\n\n".join(f"{SPEAKERS[turn['role']][0]}: {turn['content']}" for turn in prompt)
    return (
        f"{NEXT_TURN} Consider the following conversation between a human (H) and an assistant (A):\n\n"
        + quoted
        + _options(responses, request)
        + "\n\nAssistant: Let's think step by step:"
    )


def _reasoned(exemplar: ComparisonExample | Verbatim) -> str:
    if isinstance(exemplar, Verbatim):
        return exemplar.text.replace("{}", _instruction(exemplar.request), 1)
    asked = _reasoning(exemplar.prompt, exemplar.responses, exemplar.request)
    return f"{read_out(asked, exemplar.reasoning or '')} ({exemplar.better})"


def _options(responses: tuple[str, str], request: str) -> str:
    first, second = responses
    return f"\n\n{_instruction(request)}\n (A) [[[{first}]]]\n (B) [[[{second}]]]"


def _instruction(request: str) -> str:
    return f"\n{request} Options:"


def _answered(prompt: Conversation, response: str) -> str:
    return f"{open_transcript(prompt)} {response}"


def _told(critique: tuple[str, str] | None) -> str:
    return "" if critique is None else f"\n\nCritiqueRequest: {critique[0]}\n\nCritique: {critique[1]}"


def _revised(request: str) -> str:
    return f"\n\nRevisionRequest: {request}\n\nRevision:"


def _shown(exemplars: Sequence[RevisionExample]) -> str:
    return "".join(
        f"{_answered(each.prompt, each.response)}{_told(each.critique)}{_revised(each.request)} {each.revision}"
        for each in exemplars
    )
