"""What a model reads: its tokenizer, and how many tokens a prompt has and it takes. No weights are loaded."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from transformers import AutoConfig, AutoTokenizer

from solon import prompts
from solon.chains import Asked
from solon.errors import UsageError
from solon.models.base import ModelSpec
from solon.prompts import FormName
from solon.records import assistant, user


@dataclass(frozen=True)
class Tokens:
    """What of a model decides which prompts it takes."""

    context: int
    """Tokens that prompt and answer may have together."""
    forms: tuple[FormName, ...]
    """How it can be asked."""
    count: Callable[..., int]
    """Called with what is asked and, if there is one, the prefill."""


def tokens_of(spec: ModelSpec) -> Tokens:
    """Load the tokenizer and the config of a model from a folder or the Hugging Face Hub.

    Raises:
        UsageError: there is no such model here or there, or it does not say how much it takes.
    """
    tokenizer, config = _loaded(AutoTokenizer, spec.name), _loaded(AutoConfig, spec.name)
    context: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    if context is None:
        raise UsageError(f"{spec.name} does not say in its config how many tokens it takes; give another model")
    forms: tuple[FormName, ...] = ("transcript",) if tokenizer.chat_template is None else ("chat", "transcript")
    return Tokens(context, forms, partial(_count, tokenizer))


def chat_tokenizer(name: Path | str) -> Any:
    """Load the tokenizer of a model that is trained to chat; one without a chat template gets the paper's transcript.

    Raises:
        UsageError: there is no such tokenizer, or it has no token that could end an answer.
    """
    tokenizer = _loaded(AutoTokenizer, name)
    if tokenizer.chat_template is None:
        if tokenizer.eos_token is None:
            raise UsageError(
                f"{name} has no chat template, and no eos_token by which it could learn to end an answer; "
                "name one of its tokens as eos_token in its tokenizer_config.json"
            )
        begun: list[int] = tokenizer.encode("?")
        tokenizer.chat_template = prompts.transcript_template(bos=begun[0] == tokenizer.bos_token_id)
    return tokenizer


def turn_end(tokenizer: Any) -> int | None:
    """The control token by which the chat template ends an answer, if any; it need not be the tokenizer's end token."""
    text: str = tokenizer.apply_chat_template([user("?"), assistant("!")], tokenize=False)
    ids: list[int] = tokenizer.encode(text.rpartition("!")[2], add_special_tokens=False)
    added = tokenizer.added_tokens_decoder.get(ids[0]) if ids else None
    return ids[0] if added is not None and added.special else None


def end_ids(token: int | list[int] | None) -> set[int]:
    """The end tokens that a config or a tokenizer names: none, one or several."""
    return set() if token is None else {token} if isinstance(token, int) else set(token)


def encode(tokenizer: Any, asked: Asked, prefill: str = "", *, takes_system: bool = True) -> list[int]:
    """Token ids up to and with `prefill`; only the template's own control tokens become control tokens."""
    ids: list[int]
    if not isinstance(asked, str) and tokenizer.chat_template is None:
        asked, prefill = prompts.open_transcript(asked, prefill), ""
    if isinstance(asked, str):
        ids = tokenizer.encode(asked + prefill, split_special_tokens=True)
        return ids
    turns = asked if takes_system else prompts.without_system(asked)
    ids = tokenizer.apply_chat_template(
        [*turns, assistant(prefill)] if prefill else turns,
        add_generation_prompt=not prefill,
        continue_final_message=bool(prefill),
        sanitize_control_tokens=True,
        return_dict=False,
    )
    return ids


def _count(tokenizer: Any, asked: Asked, prefill: str = "") -> int:
    try:
        return len(encode(tokenizer, asked, prefill))
    except (ValueError, jinja2.TemplateError):  # most often since it takes no system prompt
        return len(encode(tokenizer, asked, prefill, takes_system=False))


def _loaded(kind: Any, name: Path | str) -> Any:
    try:
        return kind.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        fix = "give a folder, or a name on the Hugging Face Hub, e.g. Qwen/Qwen3-8B"
        raise UsageError(f"{name} has no tokenizer and config that can be loaded ({error}); {fix}") from error
