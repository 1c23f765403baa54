"""Models small enough to ask in a test: two random layers, byte-level tokens, with and without a chat template."""

import json
from pathlib import Path

import pytest
from small_adapter import write_adapter

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' }}{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTROL = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
WORDS = "Human: Assistant: How do I open a door? First find a hook. The answer is: (A) no (B) yes. Let's think."


@pytest.fixture(scope="session")
def chat_folder(tmp_path_factory) -> Path:
    """A model with a chat template; tests must not write to it."""
    folder = tmp_path_factory.mktemp("chat") / "model"
    _tokenizer(CHAT_TEMPLATE).save_pretrained(folder)
    return _write_model(folder)


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory) -> Path:
    """The same without a chat template."""
    folder = tmp_path_factory.mktemp("base") / "model"
    _tokenizer(None).save_pretrained(folder)
    return _write_model(folder)


@pytest.fixture(scope="session")
def adapter_folder(tmp_path_factory, chat_folder) -> Path:
    """A LoRA adapter of the model with a chat template, with matrices that change what it says."""
    return write_adapter(tmp_path_factory.mktemp("adapter") / "adapter", chat_folder, seed=1)


def _tokenizer(chat_template):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=CONTROL, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([WORDS] * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|end|>", additional_special_tokens=CONTROL[1:]
    )
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = chat_template
    return tokenizer


def _write_model(folder: Path) -> Path:
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == len(tokenizer)
    return folder
