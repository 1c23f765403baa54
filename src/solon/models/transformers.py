"""Models in Hugging Face format, on this machine.

A chat model is asked in its own chat template only, and what messages hold is text: control tokens written in them are
encoded as the characters they are made of. A prefill is an unfinished last message, so a template that opens the
assistant's turn in its own way (a "thinking" block, a channel) opens it that way here too. A model without a chat
template is asked in the paper's "Human: … Assistant:" transcript, where nothing hinders it from taking a "Human:"
inside a response for a turn.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import torch
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, StopStringCriteria

from solon import prompts
from solon.chains import Asked, Choice, Choose, Completion, Failure, Generate, Reply, Request, Sampling
from solon.errors import ModelError, UsageError
from solon.models import tree
from solon.models.sampling import check_numbers, sample
from solon.models.tokens import encode, end_ids
from solon.records import Conversation, system, user

WEIGHTS = ("*.safetensors",)
CONFIG = ("config.json", "generation_config.json")
TOKENIZER = ("tokenizer*", "vocab*", "merges*", "*.model", "special_tokens_map.json", "added_tokens.json", "*.jinja")
DTYPES = ("auto", "float32", "bfloat16", "float16")


def load(
    path_or_name: str,
    *,
    batch_size: int = 128,
    threads: int | None = None,
    device: str | None = None,
    dtype: str | None = None,
) -> "Transformers":
    """Load a model from a folder or the Hugging Face Hub: safetensors only, no code of the model's own.

    `device` is a GPU if there is one, `dtype` the model's own there and float32 on the CPU. `threads` are those of the
    whole process.

    Raises:
        UsageError: there is no such model, or it is not one that can be asked here.
        ModelError: it could not be fetched.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = dtype or ("float32" if device == "cpu" else "auto")
    _check_options(batch_size=batch_size, threads=threads, device=device, dtype=dtype)
    if threads is not None:
        torch.set_num_threads(threads)
    folder = _folder(path_or_name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model, loading = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise UsageError(
            f"{path_or_name} cannot be loaded as a causal language model: {error}\n"
            "It needs config.json, a tokenizer and weights as safetensors, of an architecture that Transformers "
            f"{transformers.__version__} knows; code and pickled weights of a model are never run."
        ) from error
    if missing := sorted(loading["missing_keys"]):  # Transformers would go on with random numbers there
        raise UsageError(f"{path_or_name} is no whole language model: its files lack {', '.join(missing[:5])}.")
    if tokenizer.chat_template is not None:
        _check_template(tokenizer, path_or_name)
    return Transformers(model.to(device).eval(), tokenizer, name=path_or_name, folder=folder, batch_size=batch_size)


class Transformers:
    """A causal language model and its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any, *, name: str, folder: Path, batch_size: int):
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self._is_chat = tokenizer.chat_template is not None
        self._context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self._ends = end_ids(model.generation_config.eos_token_id) | end_ids(tokenizer.eos_token_id)
        self._end_of_thinking: int | None = tokenizer.added_tokens_encoder.get("</think>")
        self._options: dict[tuple[tuple[str, ...], str, bool], list[int]] = {}
        self._shares = tree.is_exact_for(model)  # whether what questions begin with may be computed once
        self._row = batch_size if self._shares else 1  # questions in one row, at most
        self._encoded: dict[int, tuple[Request, list[int] | Failure]] = {}  # of the latest `batches`, by identity
        self._takes_system = not self._is_chat or _shows(tokenizer, [system("Solon?"), user("?")])
        self._identity = {
            "backend": "transformers",
            "name": name,
            "weights": _digest(folder, WEIGHTS),
            "config": _digest(folder, CONFIG),
            "tokenizer": _digest(folder, TOKENIZER),
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else str(model.device),
            "threads": torch.get_num_threads(),
            "batch_size": batch_size,
            "torch": str(torch.__version__),
            "transformers": transformers.__version__,
        }

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides what it answers."""
        return dict(self._identity)

    @property
    def form(self) -> prompts.FormName:
        """The turns of a chat where there is a chat template."""
        return "chat" if self._is_chat else "transcript"

    def rendered(self, request: Request) -> str:
        """The text of the tokens, which is the prompt with its control tokens; why not, where it cannot be asked."""
        ids = self._encode_request(request)
        return f"({ids.reason})" if isinstance(ids, Failure) else str(self.tokenizer.decode(ids))

    def batches(self, requests: Sequence[Request]) -> list[list[int]]:
        """Questions of one kind and one Sampling (or the same options) together, the longest in tokens first.

        Before them those with the same options that begin alike, which share rows.
        """
        alike: dict[Sampling | tuple[str, ...], list[int]] = {}
        for i, request in enumerate(requests):
            alike.setdefault(request.sampling if isinstance(request, Generate) else request.options, []).append(i)
        encoded = [self._encode_request(request) for request in requests]
        self._encoded = {id(request): (request, prompt) for request, prompt in zip(requests, encoded, strict=True)}
        asked = {i: prompt for i, prompt in enumerate(encoded) if not isinstance(prompt, Failure)}
        batches = []
        for kind, members in alike.items():
            if not isinstance(kind, Sampling):
                batches += (shared := tree.batches({i: asked[i] for i in members if i in asked}, most=self._row))
                members = sorted(set(members).difference(*shared))
            members.sort(key=lambda i: -len(asked.get(i, ())))
            batches += [members[i : i + self.batch_size] for i in range(0, len(members), self.batch_size)]
        return batches

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer one of `batches`, in order.

        Raises:
            ModelError: the logits are not numbers, the GPU's memory is too small, or an option is not one token.
        """
        known = self._encoded
        encoded = [known[id(each)][1] if id(each) in known else self._encode_request(each) for each in requests]
        asked = {i: prompt for i, prompt in enumerate(encoded) if not isinstance(prompt, Failure)}
        generates = [request for i in asked if isinstance(request := requests[i], Generate)]
        chooses = [request for i in asked if isinstance(request := requests[i], Choose)]
        found: Sequence[Reply] = []
        try:
            if generates:
                found = self._generate(generates, list(asked.values()))
            elif chooses:
                found = self._choose(chooses, list(asked.values()))
        except torch.OutOfMemoryError as error:
            raise ModelError(f"Out of memory with batches of {self.batch_size}; set a smaller batch_size.") from error
        replies = dict(zip(asked, found, strict=True))
        return [reply if isinstance(reply, Failure) else replies[i] for i, reply in enumerate(encoded)]

    def _encode_request(self, request: Request) -> list[int] | Failure:
        try:
            prompt = self._encode(request.conversation, request.prefill)
        except (ValueError, jinja2.TemplateError) as error:
            return Failure(f"the chat template does not take this conversation: {str(error).splitlines()[0]}")
        room = request.sampling.max_tokens if isinstance(request, Generate) else 0
        if self._context is not None and len(prompt) + room > self._context:
            and_room = f" and max_tokens {room} exceed" if room else " exceeds"
            return Failure(f"prompt of {len(prompt)} tokens{and_room} the model's {self._context}")
        return prompt

    def _encode(self, asked: Asked, prefill: str) -> list[int]:
        return encode(self.tokenizer, asked, prefill, takes_system=self._takes_system)

    def _generate(self, requests: Sequence[Generate], encoded: Sequence[list[int]]) -> list[Completion]:
        sampling = requests[0].sampling
        _check_sampling(sampling)
        stop = sampling.stop if self._is_chat else (*sampling.stop, prompts.NEXT_TURN)
        draws = [np.random.Generator(np.random.Philox(each.seed)).random(sampling.max_tokens) for each in requests]
        sampled = sample(
            self.model,
            encoded,
            sampling=sampling,
            uniforms=torch.from_numpy(np.stack(draws)),
            ends=self._ends,
            stopping=self._stopping(stop),
            shares=self._shares,
        )
        return [self._completion(ids, ended=ended, stop=stop) for ids, ended in sampled]

    def _stopping(self, stop: Sequence[str]) -> StopStringCriteria | None:
        """Says which rows have just written a string of `stop`."""
        try:
            return StopStringCriteria(self.tokenizer, list(stop)) if stop else None
        except ValueError:  # no token of the vocabulary can end one of them
            return None

    def _completion(self, ids: list[int], *, ended: bool, stop: Sequence[str]) -> Completion:
        """The text up to the first stop string, without control tokens and without what was thought before it."""
        text, thinking = ids[:-1] if ids[-1] in self._ends else ids, ""
        if self._end_of_thinking in text:
            thought = len(text) - text[::-1].index(self._end_of_thinking)
            thinking = self._decode(text[: thought - 1]).strip().removeprefix("<think>").strip()
            text = text[thought:]
        said = self._decode(text)
        if not self._is_chat:
            said = said.removeprefix(" ")
        cut = min((at for each in stop if (at := said.find(each)) >= 0), default=None)
        return Completion(
            said[:cut], "stop" if ended or cut is not None else "length", thinking=thinking, tokens=len(ids)
        )

    def _decode(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    @torch.inference_mode()
    def _choose(self, requests: Sequence[Choose], encoded: Sequence[list[int]]) -> list[Choice]:
        likely = tree.last_logits(self.model, encoded, most=self._row).double().log_softmax(-1)  # (B, V)
        check_numbers(likely.amax(-1))
        ids = torch.tensor([self._option_ids(each) for each in requests], device=likely.device)
        likely = likely.gather(-1, ids)  # (B, options)
        masses = likely.exp().sum(-1).clamp(max=1).tolist()
        shares = likely.softmax(-1).tolist()
        return [Choice(tuple(share), mass) for share, mass in zip(shares, masses, strict=True)]

    def _option_ids(self, request: Choose) -> list[int]:
        """The token of each option after the prefill, which must be one of its own and leave the prefill's as they are.

        Asked of a short conversation: how a prefill is split into tokens does not depend on what was said turns before.
        """
        options, prefill = request.options, request.prefill
        asked: Asked = "?" if isinstance(request.conversation, str) else [user("?")]
        key = options, prefill, isinstance(asked, str)
        if key not in self._options:
            before = self._encode(asked, prefill)
            after = {option: self._encode(asked, prefill + option) for option in options}
            for option, ids in after.items():
                if ids[:-1] != before:
                    raise ModelError(
                        f"{option!r} is not one token after {prefill!r} for the tokenizer of {self._identity['name']}, "
                        "so its probability cannot be read off; choose options that are, e.g. single letters."
                    )
            self._options[key] = [ids[-1] for ids in after.values()]
        return self._options[key]


def _check_template(tokenizer: Any, name: str) -> None:
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


def _check_sampling(sampling: Sampling) -> None:
    if sampling.max_tokens < 1 or sampling.temperature < 0 or not 0 < sampling.top_p <= 1:
        raise UsageError(f"{sampling}: max_tokens must be at least 1, temperature at least 0, top_p in (0, 1].")


def _check_options(*, batch_size: int, threads: int | None, device: str, dtype: str) -> None:
    if batch_size < 1 or (threads is not None and threads < 1):
        raise UsageError(f"batch_size is {batch_size} and threads {threads}; both must be at least 1.")
    if dtype not in DTYPES:
        raise UsageError(f"dtype is {dtype!r}; choose one of {', '.join(DTYPES)}.")
    if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
        raise UsageError(f"device is {device!r}, which is not here; choose cpu, or cuda where there is an NVIDIA GPU.")


def _folder(path_or_name: str) -> Path:
    """The folder itself, or that of a copy of the model on the Hub."""
    folder = Path(path_or_name).expanduser()
    if folder.is_dir():
        return folder
    if path_or_name.startswith(("/", ".", "~")) or path_or_name.count("/") > 1 or folder.exists():
        raise UsageError(f"{path_or_name} is no folder; give that of a model, or a Hub name, e.g. Qwen/Qwen3-8B.")
    try:
        wanted = [*WEIGHTS, *CONFIG, *TOKENIZER, "*.json"]
        return Path(snapshot_download(path_or_name, allow_patterns=wanted, ignore_patterns=["*/*", "consolidated*"]))
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


def _digest(folder: Path, patterns: Sequence[str]) -> str:
    """SHA-256 over the names and contents of the files that match."""
    whole = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}):
        with path.open("rb") as file:
            whole.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()
