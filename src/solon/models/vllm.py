"""Models that vLLM computes in this process, asked as `language` says.

Its engine makes batches of its own and keeps what prompts begin with alike, so it is asked as a server is: one question
at a time, many side by side. It lives in a process of its own that a thread here speaks with, and outlives the event
loop of a stage; it ends with the model, or with this process.

A seed decides what is drawn. Yet what is computed together differs from run to run, so that the last bits of a logit do
too, and rarely a token with them: a run that is done again can differ in a few places, and what is on file stands.
"""

import asyncio
import atexit
import json
import math
import weakref
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from solon.chains import Choice, Choose, Completion, Failure, Generate, Reply, Request
from solon.constitution.validate import nearest
from solon.errors import ModelError, UsageError
from solon.models.completions import Abilities
from solon.models.engine import Engine, set_environment
from solon.models.folders import ADAPTER, digests, folder_of, reads
from solon.models.language import Language
from solon.models.probe import HELLO, SHORT, Probed
from solon.models.tokens import end_ids
from solon.models.width import Width
from solon.prompts import FormName

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Of adapters, as vLLM makes room for them."""
OWN = ("model", "tokenizer", "trust_remote_code", "load_format", "logprobs_mode", "enable_prefix_caching")
"""Options of the engine that are set here: no code of a model's own, safetensors only, probabilities as they are."""


def load(
    path_or_name: str,
    *,
    dtype: str | None = None,
    tensor_parallel_size: int = 1,
    gpu_memory_utilization: float | None = None,
    max_model_len: int | None = None,
    concurrency: int = 256,
    adapter: str | None = None,
    engine: Mapping[str, Any] | None = None,
) -> "VLLM":
    """Start vLLM's engine with a model from a folder or the Hugging Face Hub.

    `dtype` is the model's own on a GPU and float32 on the CPU; the model lies on `tensor_parallel_size` GPUs and takes
    a share of `gpu_memory_utilization` of each; prompt and answer have at most `max_model_len` tokens; `concurrency`
    bounds the questions under way. `adapter` is LoRA's, a folder or a name on the Hub. `engine` are more options of
    vLLM's engine, by its names.

    Raises:
        UsageError: there is no such model or option.
        ModelError: the model could not be fetched, or the engine does not start.
    """
    set_environment()
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.exceptions import VLLMError
    from vllm.platforms import current_platform

    told = dict(engine or {})
    _unless_options(told, known={each.name for each in fields(AsyncEngineArgs)})
    folder = folder_of(path_or_name)
    learned = None if adapter is None else folder_of(adapter, wanted=ADAPTER)
    options: dict[str, Any] = {
        "dtype": dtype or ("float32" if current_platform.is_cpu() else "auto"),
        "tensor_parallel_size": tensor_parallel_size,
        "max_model_len": max_model_len,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }
    if gpu_memory_utilization is not None:
        options["gpu_memory_utilization"] = gpu_memory_utilization
    if current_platform.is_cpu():  # whose engine dies of a seed where it takes a prompt in parts
        options["enable_chunked_prefill"] = False
    if learned is not None:
        options |= {"enable_lora": True, "max_lora_rank": _rank(learned)}
    try:
        tokenizer = AutoTokenizer.from_pretrained(reads(folder, learned), trust_remote_code=False)
        arguments = AsyncEngineArgs(
            model=str(folder),
            tokenizer=str(folder),
            trust_remote_code=False,
            load_format="safetensors",
            logprobs_mode="raw_logprobs",
            enable_prefix_caching=True,
            **options | told,
        )
        started = Engine(arguments)
    except (VLLMError, OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise UsageError(f"vLLM does not take {path_or_name} so: {error}") from error
    except RuntimeError as error:
        raise ModelError(
            f"vLLM does not start with {path_or_name}: {error}\n"
            "What it says itself stands above; where memory is short, set a smaller max_model_len or, beside other "
            "programs on the GPU, gpu_memory_utilization"
        ) from error
    return VLLM(started, tokenizer, name=path_or_name, folder=folder, adapter=learned, told=told, width=concurrency)


class VLLM:
    """A model and the engine that computes it."""

    def __init__(
        self,
        engine: Engine,
        tokenizer: Any,
        *,
        name: str,
        folder: Path,
        width: int,
        adapter: Path | None = None,
        told: Mapping[str, Any] | None = None,
    ):
        self.width = Width(width, start=width)
        self._engine = engine
        self._adapter = _lora(adapter) if adapter is not None else None
        self.language = Language(
            tokenizer,
            name=name,
            context=engine.config.model_config.max_model_len,
            ends=_ends(folder) | end_ids(tokenizer.eos_token_id),
        )
        self._identity = _identity(engine.config, folder, adapter) | {"name": name, "engine": dict(told or {})}
        self.close = weakref.finalize(self, self._engine.close)
        """Ends the engine, and frees its memory."""
        atexit.register(self.close)  # before multiprocessing's own, which waits for the engine's process

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides what it answers, but for what happens to be computed together."""
        return dict(self._identity)

    @property
    def form(self) -> FormName:
        """The turns of a chat where there is a chat template."""
        return self.language.form

    def rendered(self, request: Request) -> str:
        """The prompt with its control tokens."""
        return self.language.rendered(request)

    async def answer(self, request: Request) -> Reply:
        """Answer one question.

        Raises:
            ModelError: the engine has died, the logits are not numbers, or an option is not one token.
        """
        prompt = self.language.prompt(request)
        if isinstance(prompt, Failure):
            return prompt
        if isinstance(request, Choose):
            ids = self.language.option_ids(request)
            output = await self._asked(prompt, max_tokens=1, logprob_token_ids=ids)
            return _choice(output, ids, prompt_tokens=len(prompt)) if not isinstance(output, Failure) else output
        sampling, stop = request.sampling, self.language.stops(request.sampling)
        output = await self._asked(
            prompt,
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=request.seed if sampling.temperature else None,
            stop=list(stop),
            stop_token_ids=sorted(self.language.ends),
        )
        if isinstance(output, Failure):
            return output
        said: Completion = self.language.completion(output.token_ids, ended=output.finish_reason == "stop", stop=stop)
        return replace(said, prompt_tokens=len(prompt))

    def probed(self) -> Probed:
        """What it can do, as of a server.

        Raises:
            ModelError: it cannot be asked, or an option is not one token.
        """
        asked: list[Request] = [
            *(Generate(HELLO, SHORT, seed=seed) for seed in (1, 1, 2)),
            Choose(HELLO, ("A", "B"), "("),
        ]
        replies = [asyncio.run(self.answer(each)) for each in asked]
        if failed := [each.reason for each in replies if isinstance(each, Failure)]:
            raise ModelError(f"{self.language.name} cannot be asked: {failed[0]}")
        said = [each for each in replies if isinstance(each, Completion)]
        texts = [each.thinking + each.text for each in said]
        return Probed(
            Abilities(self.form, self.language.takes_system, names_tokens=True),
            listed=None,
            context=self.language.context,
            keeps_seed=texts[0] == texts[1],
            varies=len(set(texts)) > 1,
            thinks=any(each.thinking for each in said),
        )

    async def _asked(self, prompt: list[int], **sampling: Any) -> Any:
        """What the engine makes of a prompt, or a Failure."""
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            output = await self._engine.asked(prompt, self._adapter, **sampling)
        except EngineDeadError as error:
            told = f"vLLM's engine has died; what it says itself stands above: {error}"
            raise ModelError(told) from error.with_traceback(None)  # which would keep the engine alive
        except (VLLMError, ValueError) as error:
            return Failure(f"vLLM cannot answer it: {error.__cause__ or error}")
        if output.finish_reason not in ("stop", "length"):
            return Failure(f"vLLM ended the answer by {output.finish_reason!r}")
        return output

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing: the engine goes on for the next stage."""


def _choice(output: Any, ids: list[int], *, prompt_tokens: int) -> Choice:
    told = output.logprobs[0]
    likely = [told[id].logprob for id in ids]
    if any(math.isnan(each) for each in likely):
        raise ModelError(
            "The model's logits are not numbers; its weights are damaged, or its dtype has too little range."
        )
    chances = [math.exp(max(each, -700.0)) for each in likely]  # which leaves something to share
    mass = math.fsum(chances)
    return Choice(tuple(each / mass for each in chances), min(mass, 1.0), prompt_tokens=prompt_tokens)


def _identity(config: Any, folder: Path, adapter: Path | None) -> dict[str, Any]:
    import torch
    import transformers
    import vllm
    from vllm.platforms import current_platform

    return {
        "backend": "vllm",
        **digests(folder, adapter),
        "dtype": str(config.model_config.dtype).removeprefix("torch."),
        "device": "cpu" if current_platform.is_cpu() else current_platform.get_device_name(),
        "tensor_parallel_size": config.parallel_config.tensor_parallel_size,
        "max_model_len": config.model_config.max_model_len,
        "vllm": vllm.__version__,
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
    }


def _ends(folder: Path) -> set[int]:
    try:
        config = GenerationConfig.from_pretrained(folder)
    except OSError:  # there is no such file
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False).get_text_config()
    return end_ids(getattr(config, "eos_token_id", None))


def _lora(folder: Path) -> Any:
    from vllm.lora.request import LoRARequest

    return LoRARequest("adapter", 1, str(folder))


def _rank(folder: Path) -> int:
    try:
        rank = json.loads((folder / "adapter_config.json").read_text())["r"]
        return next(room for room in RANKS if rank <= room)
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise UsageError(
            f"{folder} is no LoRA adapter of a rank up to {RANKS[-1]}; it needs adapter_config.json, as PEFT writes it"
        ) from error


def _unless_options(told: Mapping[str, Any], *, known: set[str]) -> None:
    for name in told:
        if name in OWN:
            raise UsageError(f"engine.{name} is set by Solon; leave it out")
        if name not in known:
            raise UsageError(f"engine.{name} is no option of vLLM's engine{nearest(name, sorted(known)) or ''}")
