"""Drawing completions from a causal language model.

Differs from `generate` of Transformers in two ways, hence a loop of our own:
1. A row is drawn by inverting the cumulative distribution at a uniform number that depends on its seed and the step
   alone, so what a row says does not depend on its neighbours, but for the last bits of the logits.
2. Rows that have ended leave the batch: 1.6 times as many tokens a second (CPU, 128 rows of 25 ± 20 tokens).
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, StopStringCriteria

from solon.chains import Sampling
from solon.errors import ModelError


@torch.inference_mode()
def sample(
    model: Any,
    encoded: Sequence[list[int]],
    *,
    sampling: Sampling,
    uniforms: Tensor,
    ends: AbstractSet[int],
    stopping: StopStringCriteria | None = None,
) -> list[tuple[list[int], bool]]:
    """Continue each prompt to a token of `ends`, a stop string or max_tokens, by `uniforms` (B, max_tokens) in [0, 1).

    Returns the tokens of each row, the end included, and whether it ended.
    """
    device, most = model.device, sampling.max_tokens
    tokens, mask, positions = padded(encoded, device=device, room=most)
    width, uniforms = tokens.shape[1], uniforms.to(device)
    end = torch.tensor(sorted(ends), dtype=torch.long, device=device)
    sampled = torch.zeros((len(encoded), most), dtype=torch.long, device=device)
    lengths = torch.full((len(encoded),), most, device=device)
    ended = torch.zeros(len(encoded), dtype=torch.bool, device=device)
    live = torch.arange(len(encoded), device=device)  # rows that have not ended; tokens, mask, positions are of these
    cache = DynamicCache(config=model.config)
    for step in range(most):
        output = model(
            input_ids=tokens,
            attention_mask=mask[:, : width + step],
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        drawn = draw(output.logits[:, -1], uniforms[live, step], sampling=sampling)
        sampled[live, step] = drawn
        over = torch.isin(drawn, end)
        if stopping is not None:
            over |= stopping(sampled[live, : step + 1], None)
        tokens, positions = drawn[:, None], positions[:, -1:] + 1
        if over.any():
            lengths[live[over]], ended[live[over]] = step + 1, True
            going = (~over).nonzero().squeeze(1)
            if len(going) == 0:
                break
            cache.reorder_cache(going)  # unlike batch_select_indices, every kind of layer has it
            live, tokens, mask, positions = live[going], tokens[going], mask[going], positions[going]
    rows = zip(sampled.tolist(), lengths.tolist(), ended.tolist(), strict=True)
    return [(ids[:length], over) for ids, length, over in rows]


def draw(logits: Tensor, uniforms: Tensor, *, sampling: Sampling) -> Tensor:
    """Draw one token a row (B,) from logits (B, V): the first at which the cumulative probability exceeds the uniform.

    Tokens keep the order of the vocabulary, also under top_p, so that a difference in a logit's last bit moves a draw
    only where the uniform is that near to a bound.

    Raises:
        ModelError: the logits are not numbers.
    """
    logits = logits.float()
    largest = logits.amax(-1, keepdim=True)  # NaN if any logit is
    check_numbers(largest)
    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = ((logits - largest) / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        ordered = probabilities.sort(-1, descending=True).values
        kept = ordered.cumsum(-1) - ordered < sampling.top_p
        least = ordered.masked_fill(~kept, 1).amin(-1, keepdim=True)
        probabilities = probabilities.where(probabilities >= least, 0)
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    bounds = uniforms[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, bounds, right=True).squeeze(1).clamp(max=logits.shape[-1] - 1)


def padded(encoded: Sequence[list[int]], *, device: Any, room: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids (B, T), padded on the left; the mask, with `room` to the right (B, T + room); positions (B, T)."""
    width = max(len(ids) for ids in encoded)
    tokens = torch.tensor([[0] * (width - len(ids)) + ids for ids in encoded], device=device)
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * (len(ids) + room) for ids in encoded], device=device)
    return tokens, mask, (mask[:, :width].cumsum(-1) - 1).clamp(min=0)


def check_numbers(largest: Tensor) -> None:
    """Refuse logits of which the `largest` is no finite number.

    Raises:
        ModelError: it is not.
    """
    if not largest.isfinite().all():
        raise ModelError(
            "The model's logits are not numbers: its weights are broken, or its dtype is too narrow for them "
            "(float16, say); try dtype=float32."
        )
