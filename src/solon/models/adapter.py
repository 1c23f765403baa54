"""LoRA adapters (Hu et al. 2021): small matrices, added to the weights of a model once it is loaded.

Read are `adapter_model.safetensors` and `adapter_config.json`, of which nothing is believed but what says where the
matrices stand and how they are scaled: PEFT would open other files that a config names.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from solon.errors import UsageError
from solon.models import folders

CONFIG, WEIGHTS = folders.ADAPTER
BELIEVED = (
    "r", "lora_alpha", "target_modules", "exclude_modules", "fan_in_fan_out", "use_rslora", "use_dora",
    "modules_to_save", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern",
)  # fmt: skip
OF_TRAINING = (
    "peft_type", "peft_version", "task_type", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode",
    "lora_dropout", "bias", "init_lora_weights", "eva_config", "runtime_config", "megatron_config", "megatron_core",
    "ensure_weight_tying", "qalora_group_size",
)  # fmt: skip
"""What says nothing of how the matrices are added."""
PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
"""How matrices may have been begun; others, e.g. "pissa", change the weights that they are then added to."""


def merged(model: Any, folder: Path, *, name: str, of: str) -> Any:
    """The model `of` that name with the adapter added, an ordinary one.

    Raises:
        UsageError: it is no LoRA adapter of this model; says why.
    """
    import peft

    if getattr(model, "is_quantized", False):
        raise UsageError(f"{of} is quantised, to which {name} cannot be added exactly; give the model it was made from")
    told = _config(folder, name)
    try:
        config = peft.LoraConfig(**{key: told[key] for key in BELIEVED if key in told}, task_type="CAUSAL_LM")
        adapted = peft.get_peft_model(model, config)
        matrices = load_file(folder / WEIGHTS, device=str(model.device))
        missing = set(peft.get_peft_model_state_dict(adapted, save_embedding_layers=False)) - set(matrices)
        unused = peft.set_peft_model_state_dict(adapted, matrices).unexpected_keys
        if wrong := sorted([*missing, *unused]):
            raise ValueError(f"{len(missing)} matrices are missing and {len(unused)} have no place, e.g. {wrong[0]}")
        return adapted.merge_and_unload(safe_merge=True)
    except (ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        made_for = told.get("base_model_name_or_path")
        raise UsageError(
            f"{name} is no adapter of {of}: {str(error).strip()}\n"
            f"Give the model that it was made for{f', by its own words {made_for}' if made_for else ''}."
        ) from error


def _config(folder: Path, name: str) -> dict[str, Any]:
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        raise UsageError(
            f"{name} is no adapter: it has not both {CONFIG} and {WEIGHTS}. Pickled weights are never read; PEFT's "
            "save_pretrained writes safetensors."
        )
    try:
        told = json.loads((folder / CONFIG).read_bytes())
    except ValueError as error:
        raise UsageError(f"{name}: {CONFIG} is damaged ({error}); fetch it again") from error
    kind, task = (told.get(key) if isinstance(told, dict) else None for key in ("peft_type", "task_type"))
    if kind != "LORA" or task not in (None, "CAUSAL_LM"):
        raise UsageError(f"{name} is an adapter of type {kind} for {task}; only LORA for CAUSAL_LM is added here")
    if other := sorted(key for key in told if told[key] and key not in (*BELIEVED, *OF_TRAINING)):
        raise UsageError(
            f"{name} is no plain LoRA: it has {', '.join(other)}; merge it by what trained it, and give that"
        )
    if told.get("bias", "none") != "none":
        raise UsageError(f"{name} has biases that were trained; merge it by what trained it, and give that")
    if (start := told.get("init_lora_weights")) not in PLAIN_STARTS:
        raise UsageError(
            f"{name} was trained beside weights that {start} had changed; save it by PEFT's "
            "path_initial_model_for_weight_conversion, or merge it by what trained it"
        )
    return dict(told)
