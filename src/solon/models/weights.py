"""The weights of a model in Hugging Face format: whole, of safetensors, and quantised where its files are.

A quantised model is what its files say, and needs the package that reads them. It takes less memory and says almost the
same; nothing is quantised here.
"""

import json
from pathlib import Path
from typing import Any

from solon.errors import UsageError


def load(folder: Path, *, name: str, device: str, dtype: str | None) -> Any:
    """Load a causal language model on a device; `dtype` None is float32 on the CPU, and else what its files are.

    Raises:
        UsageError: it is not one, is not whole, needs a package that is not here, or does not come as `dtype`.
    """
    import transformers
    from safetensors import SafetensorError

    method = quantised(folder, name=name)
    unquantised = "float32" if device == "cpu" else "auto"
    try:
        model, loading = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype or (unquantised if method is None else "auto"),
            device_map=None if method is None else {"": device},
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:
        if method is not None:
            raise _not_read(error, name=name, method=method) from error
        if not isinstance(error, OSError | ValueError | KeyError | ImportError | RuntimeError | SafetensorError):
            raise
        raise UsageError(
            f"{name} cannot be loaded as a causal language model: {error}\n"
            "It needs config.json, a tokenizer and weights as safetensors, of an architecture that Transformers "
            f"{transformers.__version__} knows; code and pickled weights of a model are never run."
        ) from error
    if missing := sorted(loading["missing_keys"]):  # Transformers would go on with random numbers there
        raise UsageError(f"{name} is no whole language model: its files lack {', '.join(missing[:5])}.")
    found = str(model.dtype).removeprefix("torch.")
    if method is not None and dtype not in (None, "auto", found):
        raise UsageError(
            f"{name} is quantised ({method}) and computes in {found}, whatever dtype says, which is {dtype}; leave it "
            f"out, or, where it is that of all models, write {{name: {name}, dtype: auto}} for this one"
        )
    return model if method is not None else model.to(device)


def quantised(folder: Path, *, name: str) -> str | None:
    """How the files of a model are quantised, if they are.

    Raises:
        UsageError: in a way that Transformers does not know, which would take them for unquantised ones.
    """
    try:
        told = json.loads((folder / "config.json").read_bytes())["quantization_config"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if told is None:
        return None
    is_old = isinstance(told, dict) and (told.get("load_in_4bit") or told.get("load_in_8bit"))
    method = told.get("quant_method", "bitsandbytes" if is_old else None) if isinstance(told, dict) else None
    from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING as KNOWN

    if method == "bitsandbytes" or method in KNOWN:
        return str(method)
    raise UsageError(
        f"{name} is quantised as {json.dumps(method)} (quantization_config in its config.json), which Transformers "
        "does not know; give the model unquantised, or name a server that takes it"
    )


def _not_read(error: Exception, *, name: str, method: str) -> UsageError:
    if isinstance(error, ImportError):
        return UsageError(
            f"{name} is quantised ({method}), and the package that reads it is not here: {error}\n"
            "Install it beside Solon, or give the model unquantised."
        )
    return UsageError(
        f"{name} is quantised ({method}) and cannot be loaded: {type(error).__name__}: {error}\n"
        "Look at the versions of Transformers and of the package that reads it, or give the model unquantised."
    )
