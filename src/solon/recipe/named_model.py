"""How a recipe names a model, and says how it is loaded: for all of them in `models`, for one beside its name."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WrapValidator, model_serializer, model_validator

from solon.errors import UsageError
from solon.models import load as models
from solon.models.base import ModelSpec
from solon.prompts import FormChoice
from solon.recipe.price import Price

Count = Annotated[int, Field(ge=1)]


class ModelOptions(BaseModel):
    """How models that are asked are loaded; the training stages have settings of their own.

    The first five are those of models that are loaded, the next of those that vLLM computes, the others of servers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    batch_size: Count = 128
    """Questions computed together; less needs less memory. The answers depend on it in their last bits."""
    threads: Count | None = None
    """None takes torch's own choice, all cores."""
    device: str | None = None
    """ "cpu", "cuda", "cuda:1"; None takes a GPU if there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] | None = None
    """None takes float32 on the CPU, and the model's own on a GPU."""

    group: Count = 256
    """Rows whose questions are computed together where they are alike, `batch_size` at a time. The answers depend on it
    in their last bits. On a cluster a worker takes so many rows at a time, and a lost node costs it as many."""

    tensor_parallel_size: Count | None = None
    """GPUs over which a model is spread; None takes one."""
    gpu_memory_utilization: Annotated[float, Field(ge=0.01, le=1)] | None = None
    """The share of a GPU's memory that the engine takes; None takes vLLM's choice, nearly all."""
    max_model_len: Count | None = None
    """Tokens that prompt and answer have together; None takes the model's own. Less needs less memory."""
    engine: Mapping[str, Any] = Field(default_factory=dict)
    """More options of the engine, by vLLM's names, e.g. {quantization: fp8}."""

    concurrency: Count | None = None
    """The most questions under way at once: None takes 64 of a server, and 256 of vLLM in this process. A server that
    has no room for them says so, and is asked fewer."""
    form: FormChoice = "auto"
    """In "chat" turns or the paper's "transcript"; "auto" takes the turns where the server has a chat template."""
    timeout: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    """Seconds for one question, in all: 512 tokens at one a second, and some time in a queue."""
    api_key_env: str | Mapping[str, str] = "OPENAI_API_KEY"
    """The environment variable that holds the key, if there is one; or of several servers that of each, by its host
    (and port): {api.example.com: EXAMPLE_KEY}. The others are then sent none."""
    extra_body: Mapping[str, Any] = Field(default_factory=dict)
    """More fields of each question, e.g. {chat_template_kwargs: {enable_thinking: false}}."""

    price: Mapping[str, Price] = Field(default_factory=dict)
    """US dollars for a million tokens, by a model's name on its server: {my-model: {prompt: 0.15, completion: 0.60}}.
    By it the cost is told; nothing else depends on it."""


class NamedModel(ModelOptions):
    """A model by its name; options that stand beside the name go before those of `models`."""

    name: str
    """ "sandbox", a name on the Hugging Face Hub, the path of a folder, either after "vllm:", a server as
    "openai:URL#NAME", a class of one's own as "package.module:Class", or "fake:NAME"."""
    adapter: str | None = None
    """A LoRA adapter that is added to its weights: a name on the Hugging Face Hub, or the path of a folder."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    """What a class of one's own is made with."""

    @property
    def given(self) -> dict[str, Any]:
        """The options that stand beside the name."""
        return {key: getattr(self, key) for key in type(self).model_fields if key in self.model_fields_set - {"name"}}

    def spec(self, shared: ModelOptions | None = None) -> ModelSpec:
        """What is loaded, under options for all models."""
        spec = models.parse(self.name)
        told = {**(shared.model_dump() if shared else {}), **self.given}
        of_backend = {key: told.get(key) for key in models.OPTIONS[spec.backend]}
        return ModelSpec(spec.backend, spec.name, {key: it for key, it in of_backend.items() if it is not None})

    def __str__(self) -> str:
        """What tells it from other models."""
        return " ".join([self.name, *filter(None, [self.adapter, json.dumps(self.options) if self.options else None])])

    def __eq__(self, other: object) -> bool:
        """Whether the same stands in the recipe: an option that is given is not one that has its default."""
        return isinstance(other, NamedModel) and (self.name, self.given) == (other.name, other.given)

    def __hash__(self) -> int:
        return hash(self.name)

    @model_validator(mode="after")
    def _can_be(self) -> "NamedModel":
        try:
            spec = models.parse(self.name)
            models.unless_taken(ModelSpec(spec.backend, spec.name, self.given))
        except UsageError as error:
            raise ValueError(f"cannot be loaded: {error}") from None
        return self

    @model_serializer
    def _written(self) -> str | dict[str, Any]:
        return {"name": self.name, **self.given} if self.given else self.name


def named(name: object) -> NamedModel:
    """The model of a name alone.

    Raises:
        UsageError: it names none.
    """
    models.parse(str(name))
    return NamedModel(name=str(name))


def _read(given: Any, handler: Any) -> NamedModel:
    if isinstance(given, NamedModel):
        return given
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, dict):
        raise ValueError(
            f"is {json.dumps(given)}; give the name of a model, or a mapping: {{name: Qwen/Qwen3-8B, dtype: bfloat16}}"
        )
    return NamedModel.model_validate_json(json.dumps(given), strict=True)  # what was listed is no longer read as JSON


Named = Annotated[NamedModel, WrapValidator(_read)]
"""A name, or a mapping of a name and options."""
