"""A LoRA adapter of a small model."""

from pathlib import Path


def write_adapter(folder: Path, model_folder: Path, *, seed: int, **settings) -> Path:
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = peft.LoraConfig(**{"task_type": "CAUSAL_LM", "r": 4, "target_modules": "all-linear", **settings})
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(model_folder), config)
    for name, matrix in model.named_parameters():
        if "lora_B" in name or "modules_to_save" in name:
            torch.nn.init.normal_(matrix, std=0.3)
    model.save_pretrained(folder)
    return folder
