"""Random models of many architectures, and prompts for them."""

import random

import torch
import transformers as hf

SMALL = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def small(name, **settings):
    """A random model of an architecture, with weights large enough to tell answers apart."""
    config = getattr(hf, f"{name}Config")(**{**SMALL, **settings})
    torch.manual_seed(0)
    model = hf.AutoModelForCausalLM.from_config(config).eval()
    for weights in model.parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.2)
    return model


def alike(*lengths, begun=20, seed=0):
    """Questions that begin with the same `begun` tokens and go on with so many of their own."""
    draw = random.Random(seed)
    first = [draw.randrange(3, 99) for _ in range(begun)]
    return [first + [draw.randrange(3, 99) for _ in range(length)] for length in lengths]
