"""LoRA (Hu et al. 2021): small matrices are trained beside each weight matrix, which itself stays as it is.

Gradients and the optimizer's state are then those of the small matrices alone, and so are checkpoints. What a stage
leaves behind is an ordinary model all the same: at the end the small matrices are added to the weights.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from solon.errors import UsageError

TIMES = 10
"""LoRA's learning rate to that of full training: the best, roughly, in supervised training and reinforcement and at any
rank ("LoRA Without Regret", Schulman et al. 2025)."""

Task = Literal["CAUSAL_LM", "SEQ_CLS"]


@dataclass(frozen=True)
class LoraConfig:
    """Settings of LoRA; `lora: {}` takes these. TRL has the same rank and alpha, but fewer layers and a dropout."""

    rank: int = 16
    """Of the small matrices. More can learn more; reinforcement needs little, many texts may need 64 or more."""
    alpha: int = 32
    """What the small matrices add is multiplied by `alpha / rank`."""
    dropout: float = 0.0
    """Share of their inputs left out at each step."""
    target_modules: tuple[str, ...] | None = None
    """Names of the layers that they stand beside, e.g. [q_proj, v_proj]; None takes all linear ones but the output. On
    some of them alone LoRA falls behind full training."""


def learning_rate(given: float | None, *, full: float, lora: LoraConfig | None) -> float:
    """The one that was given; else that of full training, or so many times it."""
    if given is not None:
        return given
    return full if lora is None else TIMES * full


def adapters(lora: LoraConfig | None, *, model: str | Path, task: Task) -> Any:
    """What TRL's trainers take as `peft_config`. The head of a preference model is trained whole beside them.

    Raises:
        UsageError: the model has no such layers.
    """
    if lora is None:
        return None
    import peft

    unless_there(lora, model)
    return peft.LoraConfig(
        task_type=task,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.target_modules) if lora.target_modules else "all-linear",
    )


def merged(model: Any) -> Any:
    """The model that was trained, as an ordinary one."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def unless_there(lora: LoraConfig | None, model: str | Path) -> None:
    """Say which names are of no layer of a model; where one of several is wrong, peft takes the others without a word.

    Raises:
        UsageError: there is such a name.
    """
    if lora is None or not lora.target_modules:
        return
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    with torch.device("meta"):
        modules = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model)).base_model.named_modules()
    there = {name.rpartition(".")[2] for name, module in modules if isinstance(module, torch.nn.Linear | Conv1D)}
    if wrong := sorted(set(lora.target_modules) - there):
        raise UsageError(
            f"lora.target_modules has {', '.join(wrong)}, which is no linear layer of {model}; "
            f"choose from {', '.join(sorted(there))}, or leave it out for all of them"
        )
