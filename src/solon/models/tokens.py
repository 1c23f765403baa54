"""How many tokens a prompt has for a model, and how many it takes: its tokenizer and config alone, no weights."""

from collections.abc import Callable
from dataclasses import dataclass

from transformers import AutoConfig, AutoTokenizer

from solon import prompts
from solon.chains import Asked
from solon.errors import UsageError
from solon.models.base import ModelSpec
from solon.prompts import FormName


@dataclass(frozen=True)
class Tokens:
    """What of a model decides which prompts it takes."""

    context: int
    """Tokens that prompt and answer may have together."""
    forms: tuple[FormName, ...]
    """How it can be asked."""
    count: Callable[[Asked], int]


def tokens_of(spec: ModelSpec) -> Tokens:
    """Load the tokenizer and the config of a model from a folder or the Hugging Face Hub.

    Raises:
        UsageError: there is no such model here or there, or it does not say how much it takes.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(spec.name, trust_remote_code=False)
        config = AutoConfig.from_pretrained(spec.name, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        fix = "give a folder, or a name on the Hugging Face Hub, e.g. Qwen/Qwen3-8B"
        raise UsageError(f"{spec.name} has no tokenizer and config that can be loaded ({error}); {fix}") from error
    context: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    if context is None:
        raise UsageError(f"{spec.name} does not say in its config how many tokens it takes; give another model")
    is_chat = tokenizer.chat_template is not None

    def count(asked: Asked) -> int:
        if not is_chat and not isinstance(asked, str):
            asked = prompts.open_transcript(asked)
        if isinstance(asked, str):
            return len(tokenizer.encode(asked, split_special_tokens=True))
        ids: list[int] = tokenizer.apply_chat_template(
            asked, add_generation_prompt=True, sanitize_control_tokens=True, return_dict=False
        )
        return len(ids)

    return Tokens(context, ("chat", "transcript") if is_chat else ("transcript",), count)
