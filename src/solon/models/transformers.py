"""Models in Hugging Face format, on this machine, asked as `language` says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoTokenizer, StopStringCriteria

from solon import prompts
from solon.chains import Choice, Choose, Completion, Failure, Generate, Reply, Request, Sampling
from solon.errors import ModelError, UsageError
from solon.models import adapter as adapters
from solon.models import tree, weights
from solon.models.folders import ADAPTER, digests, folder_of, reads
from solon.models.language import Language
from solon.models.sampling import check_numbers, sample
from solon.models.tokens import end_ids

DTYPES = ("auto", "float32", "bfloat16", "float16")


def load(
    path_or_name: str,
    *,
    batch_size: int = 128,
    threads: int | None = None,
    device: str | None = None,
    dtype: str | None = None,
    adapter: str | None = None,
) -> "Transformers":
    """Load a model from a folder or the Hugging Face Hub: safetensors only, no code of the model's own.

    `adapter` is a LoRA adapter, also a folder or a name on the Hub, which is added to its weights. A tokenizer that
    lies beside it, perhaps with a chat template, is what it was trained with and is taken.

    `device` is a GPU if there is one, `dtype` the model's own there and float32 on the CPU. `threads` are those of the
    whole process.

    Raises:
        UsageError: there is no such model, or it is not one that can be asked here.
        ModelError: it could not be fetched.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    _check_options(batch_size=batch_size, threads=threads, device=device, dtype=dtype or "auto")
    if threads is not None:
        torch.set_num_threads(threads)
    folder = folder_of(path_or_name)
    beside = folder_of(adapter, wanted=ADAPTER) if adapter is not None else None
    model = weights.load(folder, name=path_or_name, device=device, dtype=dtype)
    try:
        tokenizer = AutoTokenizer.from_pretrained(reads(folder, beside), trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise UsageError(
            f"{path_or_name} has no tokenizer that can be loaded: {error}; put it beside the weights"
        ) from error
    if beside is not None:
        if len(tokenizer) > model.get_input_embeddings().num_embeddings:
            raise UsageError(
                f"{adapter} has more tokens than {path_or_name}; merge it by what trained it, and give that"
            )
        model = adapters.merged(model, beside, name=str(adapter), of=path_or_name)
    return Transformers(
        model.eval(), tokenizer, name=path_or_name, folder=folder, batch_size=batch_size, adapter=beside
    )


class Transformers:
    """A causal language model and its tokenizer."""

    def __init__(
        self, model: Any, tokenizer: Any, *, name: str, folder: Path, batch_size: int, adapter: Path | None = None
    ):
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.language = Language(
            tokenizer,
            name=name,
            context=getattr(model.config.get_text_config(), "max_position_embeddings", None),
            ends=end_ids(model.generation_config.eos_token_id) | end_ids(tokenizer.eos_token_id),
        )
        self._shares = tree.is_exact_for(model)  # whether what questions begin with may be computed once
        self._row = batch_size if self._shares else 1  # questions in one row, at most
        self._encoded: dict[int, tuple[Request, list[int] | Failure]] = {}  # of the latest `batches`, by identity
        self._identity = {
            "backend": "transformers",
            "name": name,
            **digests(folder, adapter),
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
        return self.language.form

    def rendered(self, request: Request) -> str:
        """The text of the tokens, which is the prompt with its control tokens; why not, where it cannot be asked."""
        return self.language.rendered(request)

    def batches(self, requests: Sequence[Request]) -> list[list[int]]:
        """Questions of one kind and one Sampling (or the same options) together, the longest in tokens first.

        Before them those with the same options that begin alike, which share rows.
        """
        alike: dict[Sampling | tuple[str, ...], list[int]] = {}
        for i, request in enumerate(requests):
            alike.setdefault(request.sampling if isinstance(request, Generate) else request.options, []).append(i)
        encoded = [self.language.prompt(request) for request in requests]
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
        encoded = [known[id(each)][1] if id(each) in known else self.language.prompt(each) for each in requests]
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

    def _generate(self, requests: Sequence[Generate], encoded: Sequence[list[int]]) -> list[Completion]:
        sampling = requests[0].sampling
        stop = self.language.stops(sampling)
        draws = [np.random.Generator(np.random.Philox(each.seed)).random(sampling.max_tokens) for each in requests]
        sampled = sample(
            self.model,
            encoded,
            sampling=sampling,
            uniforms=torch.from_numpy(np.stack(draws)),
            ends=self.language.ends,
            stopping=self._stopping(stop),
            shares=self._shares,
        )
        return [self.language.completion(ids, ended=ended, stop=stop) for ids, ended in sampled]

    def _stopping(self, stop: Sequence[str]) -> StopStringCriteria | None:
        """Says which rows have just written a string of `stop`."""
        try:
            return StopStringCriteria(self.language.tokenizer, list(stop)) if stop else None
        except ValueError:  # no token of the vocabulary can end one of them
            return None

    @torch.inference_mode()
    def _choose(self, requests: Sequence[Choose], encoded: Sequence[list[int]]) -> list[Choice]:
        likely = tree.last_logits(self.model, encoded, most=self._row).double().log_softmax(-1)  # (B, V)
        check_numbers(likely.amax(-1))
        ids = torch.tensor([self.language.option_ids(each) for each in requests], device=likely.device)
        likely = likely.gather(-1, ids)  # (B, options)
        masses = likely.exp().sum(-1).clamp(max=1).tolist()
        shares = likely.softmax(-1).tolist()
        return [Choice(tuple(share), mass) for share, mass in zip(shares, masses, strict=True)]


def _check_options(*, batch_size: int, threads: int | None, device: str, dtype: str) -> None:
    if batch_size < 1 or (threads is not None and threads < 1):
        raise UsageError(f"batch_size is {batch_size} and threads {threads}; both must be at least 1.")
    if dtype not in DTYPES:
        raise UsageError(f"dtype is {dtype!r}; choose one of {', '.join(DTYPES)}.")
    if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
        raise UsageError(f"device is {device!r}, which is not here; choose cpu, or cuda where there is an NVIDIA GPU.")
