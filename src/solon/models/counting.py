"""How many tokens a prompt has, before anything is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from solon import prompts
from solon.chains import Request
from solon.errors import UsageError
from solon.models.base import ModelSpec, Server
from solon.models.openai import OpenAI
from solon.prompts import FormName

CHARACTERS = 4
"""That a token has, about, in English."""
BY_TOKENIZER, BY_SERVER = "the model's tokenizer", "the server's /tokenize"
BY_CHARACTERS = f"characters, {CHARACTERS} a token"


@dataclass(frozen=True)
class Counter:
    """Counts the tokens of prompts."""

    form: FormName
    """How the model is asked."""
    count: Callable[[Sequence[Request]], tuple[list[int], str]]
    """The tokens of each prompt, and by what they were counted."""


def counter_of(spec: ModelSpec, *, server: Server | None = None) -> Counter:
    """Count as the model does, if its tokenizer or its server lets itself be asked; else by characters."""
    if isinstance(server, OpenAI):
        return Counter(server.form, lambda requests: _by_server(server, requests))
    if spec.backend not in ("transformers", "vllm"):
        return Counter("chat", lambda requests: (_by_characters(requests), BY_CHARACTERS))
    from solon.models.tokens import tokens_of  # transformers takes seconds to import

    try:
        tokens = tokens_of(spec)
    except UsageError:
        return Counter("chat", lambda requests: (_by_characters(requests), BY_CHARACTERS))
    return Counter(
        tokens.forms[0],
        lambda requests: ([tokens.count(each.conversation, each.prefill) for each in requests], BY_TOKENIZER),
    )


def _by_server(server: OpenAI, requests: Sequence[Request]) -> tuple[list[int], str]:
    counts = server.count(requests)
    return (_by_characters(requests), BY_CHARACTERS) if counts is None else (counts, BY_SERVER)


def _by_characters(requests: Sequence[Request]) -> list[int]:
    return [-(-len(_text(each)) // CHARACTERS) for each in requests]


def _text(request: Request) -> str:
    asked = request.conversation
    return (asked if isinstance(asked, str) else prompts.open_transcript(asked, "")) + request.prefill
