"""Every prompt that Solon sends, and nothing else makes one.

`chat` makes conversations, for models with a chat template; `transcript` makes the paper's texts, for models without.
Both have the same functions. What is quoted (a conversation, a response) is put in by concatenation in one pass, so a
brace or a delimiter inside it is only text.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from solon.chains import Asked
from solon.constitution.exemplars import ComparisonExample, RevisionExample, Verbatim
from solon.prompts import chat, transcript
from solon.prompts.chat import asked_for_an_option, asked_to_begin
from solon.prompts.text import (
    NEXT_TURN,
    SPEAKERS,
    comparison_request,
    critique_request,
    open_transcript,
    revision_request,
    transcript_template,
    without_system,
)
from solon.records import Conversation, assistant, user

__all__ = [
    "FORMS",
    "NEXT_TURN",
    "SPEAKERS",
    "Form",
    "FormChoice",
    "FormName",
    "asked_for_an_option",
    "asked_to_begin",
    "comparison_request",
    "critique_request",
    "digest",
    "form",
    "open_transcript",
    "revision_request",
    "transcript_template",
    "without_system",
]

FormName = Literal["chat", "transcript"]
FormChoice = Literal["auto", "chat", "transcript"]
"""A recipe's; "auto" is settled by the model."""


class Form(Protocol):
    """A way of asking. What it makes is of one kind, `Asked`: its own functions take it back, and models do."""

    OPTIONS: tuple[str, str]
    ANSWER_PREFILL: str
    REASONING_PREFILL: str
    STOP: tuple[str, ...]

    def response(self, prompt: Conversation) -> Asked:
        """Ask for the next turn."""

    def critique(
        self, prompt: Conversation, response: str, request: str, *, exemplars: Sequence[RevisionExample] = ()
    ) -> Asked:
        """Ask for a critique of the latest response."""

    def revision(
        self,
        prompt: Conversation,
        response: str,
        *,
        critique: tuple[str, str] | None,
        request: str,
        exemplars: Sequence[RevisionExample] = (),
    ) -> Asked:
        """Ask for a revision, after a critique or directly."""

    def comparison(
        self,
        prompt: Conversation,
        responses: tuple[str, str],
        request: str,
        *,
        exemplars: Sequence[ComparisonExample] = (),
    ) -> Asked:
        """Ask which of two responses is the better one."""

    def reasoning(
        self,
        prompt: Conversation,
        responses: tuple[str, str],
        request: str,
        *,
        exemplars: Sequence[ComparisonExample | Verbatim] = (),
    ) -> Asked:
        """Ask the same, to be reasoned about."""

    def read_out(self, asked: Any, reasoning: str) -> Asked:
        """Ask for the answer after the reasoning."""


FORMS: Mapping[FormName, Form] = {"chat": chat, "transcript": transcript}


def form(choice: FormChoice) -> Form:
    """The form that was chosen; a chat where no model has settled it."""
    return FORMS["chat" if choice == "auto" else choice]


def digest(name: FormName = "chat") -> str:
    """A SHA-256 of what the templates of a form make of fixed slots; runs and the sandbox's model remember it.

    It changes when the wording or the layout of any prompt does, and with nothing else.
    """
    made = FORMS[name]
    told: Conversation = [
        {"role": "system", "content": "{0}"},
        user("%s {}"),
        assistant("{{x}}"),
        user("\n\nHuman: $x"),
    ]
    first, second, request, text = "(B) {first}", "(A) </s>", "{request}", " {text} "
    asked = made.comparison(told, (first, second), request)
    rendered = [
        made.critique(told, first, request),
        made.revision(told, first, critique=(request, text), request=request),
        made.revision(told, first, critique=None, request=request),
        asked,
        made.read_out(asked, text),
        [
            made.OPTIONS,
            made.ANSWER_PREFILL,
            made.REASONING_PREFILL,
            NEXT_TURN,
            open_transcript(told),
            open_transcript(told, text),
        ],
    ]
    return hashlib.sha256(json.dumps(rendered).encode()).hexdigest()
