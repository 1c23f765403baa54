"""Where the files of a model lie, and what they are known by."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

from solon.errors import ModelError, UsageError

WEIGHTS = ("*.safetensors",)
CONFIG = ("config.json", "generation_config.json")
TOKENIZER = ("tokenizer*", "vocab*", "merges*", "*.model", "special_tokens_map.json", "added_tokens.json", "*.jinja")
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


def folder_of(path_or_name: str, *, wanted: Sequence[str] = (*WEIGHTS, *CONFIG, "*.json")) -> Path:
    """The folder itself, or that of a copy on the Hub of what is wanted and a tokenizer.

    Raises:
        UsageError: there is no such model.
        ModelError: it could not be fetched.
    """
    folder = Path(path_or_name).expanduser()
    if folder.is_dir():
        return folder
    if path_or_name.startswith(("/", ".", "~")) or path_or_name.count("/") > 1 or folder.exists():
        raise UsageError(f"{path_or_name} is no folder; give that of a model, or a Hub name, e.g. Qwen/Qwen3-8B.")
    try:
        patterns = [*wanted, *TOKENIZER]
        return Path(snapshot_download(path_or_name, allow_patterns=patterns, ignore_patterns=["*/*", "consolidated*"]))
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UsageError(
            f"{path_or_name} is neither a folder here nor a model on the Hugging Face Hub that you may read; correct "
            "the name, or log in with `hf auth login` if the model is private or gated."
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"{path_or_name} is no folder here and could not be fetched from the Hugging Face Hub: {error}\n"
            "Give the path of a folder, or try again where the Hub can be reached."
        ) from error


def reads(folder: Path, adapter: Path | None) -> Path:
    """Where the tokenizer lies: one beside an adapter is what that was trained with."""
    return adapter if adapter is not None and (adapter / "tokenizer_config.json").is_file() else folder


def digests(folder: Path, adapter: Path | None = None) -> dict[str, str]:
    """What the files are known by that decide what a model answers."""
    return {
        "weights": digest(folder, WEIGHTS),
        **({} if adapter is None else {"adapter": digest(adapter, ADAPTER)}),
        "config": digest(folder, CONFIG),
        "tokenizer": digest(reads(folder, adapter), TOKENIZER),
    }


def digest(folder: Path, patterns: Sequence[str]) -> str:
    """SHA-256 over the names and contents of the files that match."""
    whole = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}):
        with path.open("rb") as file:
            whole.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()
