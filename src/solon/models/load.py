"""From the name of a model, as a person writes it, to the model."""

from solon.errors import UsageError
from solon.models.base import Model, ModelSpec

PLANNED = ("openai", "vllm")
OPTIONS = ("batch_size", "threads", "device", "dtype")


def parse(text: str) -> ModelSpec:
    """Read "Qwen/Qwen3-8B", "transformers:Qwen/Qwen3-8B" or the path of a folder.

    Raises:
        UsageError: it names no model, or a backend that there is not.
    """
    text = text.strip()
    backend, colon, name = text.partition(":")
    if not colon or "/" in backend or "\\" in backend or "." in backend:  # a name or a path, with a colon in it or not
        backend, name = "transformers", text
    if backend in PLANNED:
        raise UsageError(
            f"{text}: the backend {backend!r} is not in this version; name a model on the Hugging Face Hub, "
            "e.g. Qwen/Qwen3-8B, or the folder of one."
        )
    if backend != "transformers":
        raise UsageError(f"{text}: there is no backend {backend!r}; leave it out, or write transformers:{name}.")
    if not name:
        raise UsageError(
            f"{text!r} names no model; give a name on the Hugging Face Hub, e.g. Qwen/Qwen3-8B, or a folder."
        )
    return ModelSpec(backend, name)


def load(spec: ModelSpec) -> Model:
    """Load the model.

    Raises:
        UsageError: there is no such backend, option or model.
        ModelError: the model could not be fetched.
    """
    if spec.backend != "transformers":
        raise UsageError(f"There is no backend {spec.backend!r} in this version; use transformers.")
    if unknown := sorted(set(spec.options) - set(OPTIONS)):
        raise UsageError(f"{spec.name} has no option {', '.join(unknown)}; there are {', '.join(OPTIONS)}.")

    from solon.models import transformers  # torch takes seconds to import

    return transformers.load(spec.name, **spec.options)
