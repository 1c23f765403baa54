"""Every prompt that Solon sends, and nothing else makes one.

A prompt is a conversation; a chat model's own template turns it into text. What is quoted (a conversation, a response)
is put in by concatenation in one pass, so a brace or a delimiter inside it is only text.

Follows sections 3.1 and 4.1 of the paper. Where we differ:
1. The paper's prompts are one "Human: … Assistant:" text for a pretrained model; these are turns of a chat.
2. The comparison request comes after the two responses, not before: many principles can then share the forward pass
   over the conversation and the responses.
3. The answer is read after "The answer is: (", so that each option is one token in every tokenizer we know.
"""

import hashlib
import json

from solon.records import Conversation, assistant, user

OPTIONS = ("A", "B")
ANSWER_PREFILL = "The answer is: ("
REASONING_PREFILL = "Let's think step by step:"
READ_OUT = "So which response is it?"

NEXT_TURN = "\n\nHuman:"
"""Where a model without a chat template begins to write the human's next turn, and its own is over."""

SPEAKERS = {"system": "System", "user": "Human", "assistant": "Assistant"}


def critique(prompt: Conversation, response: str, critique_request: str) -> Conversation:
    """Ask for a critique of the latest response; earlier critiques are not shown (PAPER section 3.1)."""
    return [*prompt, assistant(response), user(critique_request)]


def revision(prompt: Conversation, response: str, *, critique: tuple[str, str] | None, request: str) -> Conversation:
    """Ask for a revision after `critique` (its request and its text), or directly where there is none (section 3.5)."""
    told = [] if critique is None else [user(critique[0]), assistant(critique[1])]
    return [*prompt, assistant(response), *told, user(request)]


def comparison(prompt: Conversation, responses: tuple[str, str], comparison_request: str) -> Conversation:
    """Ask which of two responses is the better one; answered after ANSWER_PREFILL by one of OPTIONS (section 4.1)."""
    return [
        user(
            "Consider this conversation between a human and an assistant:\n\n"
            + transcript(prompt)
            + "\n\nHere are two responses.\n\n(A) "
            + responses[0]
            + "\n\n(B) "
            + responses[1]
            + "\n\n"
            + comparison_request
        )
    ]


def read_out(asked: Conversation, reasoning: str) -> Conversation:
    """Ask for the answer after `reasoning`, which began with REASONING_PREFILL (section 4.1, chain of thought)."""
    return [*asked, assistant(f"{REASONING_PREFILL} {reasoning.strip()}"), user(READ_OUT)]


def transcript(conversation: Conversation) -> str:
    """A conversation quoted inside a prompt: "Human: …", a blank line, "Assistant: …"."""
    return "\n\n".join(f"{SPEAKERS[message['role']]}: {message['content']}" for message in conversation)


def open_transcript(conversation: Conversation, prefill: str = "") -> str:
    """What a model without a chat template continues: a transcript up to `prefill` in the assistant's turn."""
    return f"\n\n{transcript(conversation)}\n\n{SPEAKERS['assistant']}:" + (f" {prefill}" if prefill else "")


def digest() -> str:
    """A SHA-256 of what the templates make of fixed slots; runs and the sandbox's model remember it.

    It changes when the wording or the layout of any prompt does, and with nothing else.
    """
    told: Conversation = [
        {"role": "system", "content": "{0}"},
        user("%s {}"),
        assistant("{{x}}"),
        user("\n\nHuman: $x"),
    ]
    first, second, request, text = "(B) {first}", "(A) </s>", "{request}", " {text} "
    asked = comparison(told, (first, second), request)
    rendered = [
        critique(told, first, request),
        revision(told, first, critique=(request, text), request=request),
        revision(told, first, critique=None, request=request),
        asked,
        read_out(asked, text),
        [OPTIONS, ANSWER_PREFILL, REASONING_PREFILL, NEXT_TURN, open_transcript(told), open_transcript(told, text)],
    ]
    return hashlib.sha256(json.dumps(rendered).encode()).hexdigest()
