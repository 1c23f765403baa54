"""How a model is asked in tokens, and what the tokens of its answers say; the same whatever computes them.

A chat model is asked in its own chat template only, and what messages hold is text: control tokens written in them are
encoded as the characters they are made of. A prefill is an unfinished last message, so a template that opens the
assistant's turn in its own way (a "thinking" block, a channel) opens it that way here too. A model without a chat
template is asked in the paper's "Human: … Assistant:" transcript, where nothing hinders it from taking a "Human:"
inside a response for a turn.
"""

import inspect
from collections.abc import Collection, Sequence
from typing import Any

import jinja2

from solon import prompts
from solon.chains import Asked, Choose, Completion, Failure, Generate, Request, Sampling
from solon.errors import ModelError, UsageError
from solon.models.tokens import encode
from solon.records import Conversation, system, user


class Language:
    """The tokenizer of a model, its chat template, and the tokens that end its answers."""

    def __init__(self, tokenizer: Any, *, name: str, context: int | None, ends: Collection[int]):
        self.tokenizer = tokenizer
        self.name = name
        self.context = context
        """Tokens that prompt and answer may have together."""
        self.ends = frozenset(ends)
        self.is_chat: bool = tokenizer.chat_template is not None
        if self.is_chat:
            _check_template(tokenizer, name)
        self.takes_system = not self.is_chat or _shows(tokenizer, [system("Solon?"), user("?")])
        self._end_of_thinking: int | None = tokenizer.added_tokens_encoder.get("</think>")
        self._options: dict[tuple[tuple[str, ...], str, bool], list[int]] = {}

    @property
    def form(self) -> prompts.FormName:
        """The turns of a chat where there is a chat template."""
        return "chat" if self.is_chat else "transcript"

    def rendered(self, request: Request) -> str:
        """The text of the tokens, which is the prompt with its control tokens; why not, where it cannot be asked."""
        ids = self.prompt(request)
        return f"({ids.reason})" if isinstance(ids, Failure) else str(self.tokenizer.decode(ids))

    def prompt(self, request: Request) -> list[int] | Failure:
        """The tokens up to and with the prefill; why there are none, or too many."""
        try:
            prompt = self.encode(request.conversation, request.prefill)
        except (ValueError, jinja2.TemplateError) as error:
            return Failure(f"the chat template does not take this conversation: {str(error).partition(chr(10))[0]}")
        except TypeError as error:  # e.g. of half a character, "\ud800", which UTF-8 cannot hold
            return Failure(f"the tokenizer does not take this conversation: {str(error).partition(chr(10))[0]}")
        if not prompt:
            return Failure("an empty prompt, after which a model has nothing to say")
        room = request.sampling.max_tokens if isinstance(request, Generate) else 0
        if self.context is not None and len(prompt) + room > self.context:
            and_room = f" and max_tokens {room} exceed" if room else " exceeds"
            return Failure(f"prompt of {len(prompt)} tokens{and_room} the model's {self.context}")
        return prompt

    def encode(self, asked: Asked, prefill: str = "") -> list[int]:
        """The tokens up to and with the prefill."""
        return encode(self.tokenizer, asked, prefill, takes_system=self.takes_system)

    def option_ids(self, request: Choose) -> list[int]:
        """The token of each option after the prefill, which must be one of its own and leave the prefill's as they are.

        Asked of a short conversation: how a prefill is split into tokens does not depend on what was said turns before.

        Raises:
            ModelError: one is not.
        """
        options, prefill = request.options, request.prefill
        asked: Asked = "?" if isinstance(request.conversation, str) else [user("?")]
        key = options, prefill, isinstance(asked, str)
        if key not in self._options:
            before = self.encode(asked, prefill)
            after = {option: self.encode(asked, prefill + option) for option in options}
            for option, ids in after.items():
                if ids[:-1] != before:
                    raise ModelError(
                        f"{option!r} is not one token after {prefill!r} for the tokenizer of {self.name}, "
                        "so its probability cannot be read off; choose options that are, e.g. single letters."
                    )
            self._options[key] = [ids[-1] for ids in after.values()]
        return self._options[key]

    def stops(self, sampling: Sampling) -> tuple[str, ...]:
        """The strings that end an answer; in a transcript the human's next turn too.

        Raises:
            UsageError: the sampling is impossible.
        """
        if sampling.max_tokens < 1 or sampling.temperature < 0 or not 0 < sampling.top_p <= 1:
            raise UsageError(f"{sampling}: max_tokens must be at least 1, temperature at least 0, top_p in (0, 1].")
        return sampling.stop if self.is_chat else (*sampling.stop, prompts.NEXT_TURN)

    def completion(self, ids: Sequence[int], *, ended: bool, stop: Sequence[str]) -> Completion:
        """The text up to the first stop string, without control tokens and without what was thought before it."""
        text, thinking = list(ids[:-1] if ids and ids[-1] in self.ends else ids), ""
        if self._end_of_thinking in text:
            thought = len(text) - text[::-1].index(self._end_of_thinking)
            thinking = self._decode(text[: thought - 1]).strip().removeprefix("<think>").strip()
            text = text[thought:]
        said = self._decode(text)
        if not self.is_chat:
            said = said.removeprefix(" ")
        cut = min((at for each in stop if (at := said.find(each)) >= 0), default=None)
        return Completion(
            said[:cut], "stop" if ended or cut is not None else "length", thinking=thinking, tokens=len(ids)
        )

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


def _check_template(tokenizer: Any, name: str) -> None:
    if "sanitize_control_tokens" not in inspect.signature(tokenizer.apply_chat_template).parameters:
        raise UsageError(
            "This Transformers is too old: with it, text in a message could pass for a control token; "
            "pip install --no-deps 'transformers>=5.20'"
        )
    try:
        shown = tokenizer.apply_chat_template([user("Solon?")], tokenize=False, add_generation_prompt=True)
    except (ValueError, jinja2.TemplateError) as error:
        raise UsageError(f"The chat template of {name} cannot be filled: {error}") from error
    if "Solon?" not in shown:
        raise UsageError(f"The chat template of {name} drops a message that is plain text; use a text model.")


def _shows(tokenizer: Any, turns: Conversation) -> bool:
    """Whether the chat template takes these turns and leaves none out."""
    try:
        shown = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except (ValueError, jinja2.TemplateError):
        return False
    return all(turn["content"] in shown for turn in turns)
