"""Prompts as the turns of a chat: a model's own chat template turns them into text.

Where we differ from the paper, whose prompts are one text for a pretrained model (`transcript` has those):
1. Requests are the human's turns, and what is asked for the assistant's.
2. The comparison request comes after the two responses, not before: many principles can then share the forward pass
   over the conversation and the responses.
3. The answer is read after "The answer is: (", so that each option is one token in every tokenizer we know.
"""

from collections.abc import Iterable, Sequence

from solon.constitution.exemplars import ComparisonExample, RevisionExample, Verbatim
from solon.prompts.text import transcript
from solon.records import Conversation, Message, assistant, user

OPTIONS = ("A", "B")
ANSWER_PREFILL = "The answer is: ("
REASONING_PREFILL = "Let's think step by step:"
READ_OUT = "So which response is it?"
STOP: tuple[str, ...] = ()
"""A chat model ends its turn itself."""


def response(prompt: Conversation) -> Conversation:
    """Ask for the next turn."""
    return prompt


def critique(
    prompt: Conversation, response: str, request: str, *, exemplars: Sequence[RevisionExample] = ()
) -> Conversation:
    """Ask for a critique of the latest response; earlier critiques are not shown (section 3.1)."""
    return _after(exemplars, [*prompt, assistant(response), user(request)])


def revision(
    prompt: Conversation,
    response: str,
    *,
    critique: tuple[str, str] | None,
    request: str,
    exemplars: Sequence[RevisionExample] = (),
) -> Conversation:
    """Ask for a revision after `critique` (its request and its text), or directly where there is none (section 3.5)."""
    return _after(exemplars, [*prompt, assistant(response), *_told(critique), user(request)])


def comparison(
    prompt: Conversation,
    responses: tuple[str, str],
    request: str,
    *,
    exemplars: Sequence[ComparisonExample] = (),
) -> Conversation:
    """Ask which of two responses is the better one; answered after ANSWER_PREFILL by one of OPTIONS (section 4.1)."""
    turns: Conversation = []
    for exemplar in exemplars:
        asked = user(_comparison(exemplar.prompt, exemplar.responses, exemplar.request))
        turns += [asked, assistant(f"{ANSWER_PREFILL}{exemplar.better})")]
    return [*turns, user(_comparison(prompt, responses, request))]


def reasoning(
    prompt: Conversation,
    responses: tuple[str, str],
    request: str,
    *,
    exemplars: Sequence[ComparisonExample | Verbatim] = (),
) -> Conversation:
    """Ask the same, to be reasoned about after REASONING_PREFILL (section 4.1, chain of thought)."""
    turns: Conversation = []
    for exemplar in exemplars:
        if isinstance(exemplar, Verbatim):  # is of the other form
            continue
        asked = [user(_comparison(exemplar.prompt, exemplar.responses, exemplar.request))]
        turns += read_out(asked, exemplar.reasoning or "")
        turns += [assistant(f"{ANSWER_PREFILL}{exemplar.better})")]
    return [*turns, user(_comparison(prompt, responses, request))]


def read_out(asked: Conversation, reasoning: str) -> Conversation:
    """Ask for the answer after `reasoning`, which began with REASONING_PREFILL."""
    return [*asked, assistant(f"{REASONING_PREFILL} {reasoning.strip()}"), user(READ_OUT)]


def asked_to_begin(turns: Conversation, prefill: str) -> Conversation:
    """Ask in words for a reply that begins with `prefill`, of a server that does not go on with one."""
    return _told_last(turns, f"Begin your reply with: {prefill}")


def asked_for_an_option(turns: Conversation, options: Sequence[str]) -> Conversation:
    """Ask in words for one of `options` alone, so that its first token tells which."""
    return _told_last(turns, f"Reply with one letter and nothing else: {' or '.join(options)}.")


def _told_last(turns: Conversation, told: str) -> Conversation:
    *before, last = turns
    return [*before, user(last["content"] + "\n\n" + told)] if last["role"] == "user" else [*turns, user(told)]


def _comparison(prompt: Conversation, responses: tuple[str, str], request: str) -> str:
    return (
        "Consider this conversation between a human and an assistant:\n\n"
        + transcript(prompt)
        + "\n\nHere are two responses.\n\n(A) "
        + responses[0]
        + "\n\n(B) "
        + responses[1]
        + "\n\n"
        + request
    )


def _told(critique: tuple[str, str] | None) -> list[Message]:
    return [] if critique is None else [user(critique[0]), assistant(critique[1])]


def _after(exemplars: Iterable[RevisionExample], asked: Conversation) -> Conversation:
    """The turns of the examples, then what is asked; a system prompt stays the first turn."""
    system = [turn for turn in asked[:1] if turn["role"] == "system"]
    turns = [
        turn
        for each in exemplars
        for turn in (
            *each.prompt,
            assistant(each.response),
            *_told(each.critique),
            user(each.request),
            assistant(each.revision),
        )
        if turn["role"] != "system"
    ]
    return [*system, *turns, *asked[len(system) :]]
