"""Questions that begin alike, in one row: each token that they share is computed once.

What is asked about a pair of responses under several principles differs in its last words only. What all questions of
a row begin with is its trunk, and is computed as any text is. What follows is laid out as a tree behind it, in which a
token sees those alone that lead to it, at the positions that they have in its question. The answers are those of
ordinary batches, but for the last bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from solon.models.sampling import logits_of, padded
from solon.models.trunks import common

SHARED = 0.5
"""A question joins a row with which it shares this part of its tokens."""
STRETCH = 4
"""How many times as long as its longest question a row is at most: every token is held against the whole row, so that
a longer one costs more than it saves."""
ROW = 4096
"""Tokens that a row has beyond its longest question, at most: each is a line of the mask."""
BATCH = 4096
"""Tokens of all rows of a batch, padding included, unless it is one row; more at once are no faster on a CPU."""


def is_exact_for(model: Any) -> bool:
    """Whether its mask and its position are all that decides what a token sees of others.

    By what the model says of itself and not by trial: a window of 4,096 tokens passes any short one. Of all causal
    language models of Transformers 5.24, made tiny and random, none that passes here answers otherwise in a row.
    """
    config = model.config.get_text_config()
    return (
        config._attn_implementation in ("sdpa", "eager")  # others take masks of their own
        and getattr(model, "_supports_attention_backend", False)  # others make something else of a mask
        and not getattr(model, "_is_stateful", True)  # recurrent layers
        and set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
        and getattr(config, "sliding_window", None) is None
        and all(getattr(module, "is_causal", True) for module in model.modules())
        and "position_ids" in signature(model.forward).parameters
    )


@dataclass(frozen=True)
class Row:
    """Questions that are computed in one row."""

    numbers: list[int]
    size: int
    """Tokens, those that are shared once."""


def rows(encoded: Mapping[int, list[int]], *, most: int) -> list[Row]:
    """The questions that begin as another does, by their numbers, at most `most` a row; others are left out."""
    found: list[Row] = []
    before: list[int] = []
    longest = 0
    for number in sorted(encoded, key=lambda number: encoded[number]):
        ids = encoded[number]
        shared, longest = _shared(before, ids), max(longest, len(ids))
        size = found[-1].size + len(ids) - shared if found else 0
        is_near = shared >= SHARED * len(ids) and size <= min(STRETCH * longest, longest + ROW)
        if found and is_near and len(found[-1].numbers) < most:
            found[-1] = Row([*found[-1].numbers, number], size)
        else:
            found.append(Row([number], len(ids)))
            longest = len(ids)
        before = ids
    return [row for row in found if len(row.numbers) > 1]


def batches(encoded: Mapping[int, list[int]], *, most: int) -> list[list[int]]:
    """The same, as batches of rows of at most `most` questions, the largest first."""
    found: list[list[Row]] = []
    for row in sorted(rows(encoded, most=most), key=lambda row: -row.size):
        latest = found[-1] if found else []
        asked = sum(len(each.numbers) for each in [*latest, row])
        if latest and asked <= most and (len(latest) + 1) * latest[0].size <= BATCH:
            latest.append(row)
        else:
            found.append([row])
    return [[number for row in batch for number in row.numbers] for batch in found]


@torch.inference_mode()
def last_logits(model: Any, encoded: Sequence[list[int]], *, most: int) -> Tensor:
    """Logits (B, V) after each question of a batch: of rows, if all begin as another does; else padded on the left."""
    shared = [row.numbers for row in rows(dict(enumerate(encoded)), most=most)]
    order = [number for row in shared for number in row]
    if len(order) < len(encoded):
        return logits_of(model, padded(encoded, device=model.device), keep=1)[:, -1]
    questions = [[encoded[number] for number in row] for row in shared]
    trunks = [_shared(row[0], row[-1]) for row in questions]
    cache = DynamicCache(config=model.config)
    begun = [row[0][:trunk] for row, trunk in zip(questions, trunks, strict=True)]
    logits_of(model, padded(begun, device=model.device), keep=1, cache=cache)
    trees = [_tree([ids[trunk:] for ids in row]) for row, trunk in zip(questions, trunks, strict=True)]
    logits = logits_of(model, _laid_out(trees, trunks, model), keep=max(map(len, questions)), cache=cache)
    ends = torch.cat([logits[row, -len(each) :] for row, each in enumerate(questions)])
    return ends[torch.tensor(order).argsort()]


@dataclass(frozen=True)
class _Tree:
    """What follows the trunk of a row. The last token of each question stands at the end, in their order."""

    tokens: list[int]
    positions: list[int]
    """How many tokens, after the trunk, lead to each."""
    sees: Tensor
    """(T, T): whether the second leads to the first, or is it."""


def _tree(questions: Sequence[list[int]]) -> _Tree:
    """Of questions in order: with any before it, none shares more than with the one right before it."""
    shares = [_shared(before, ids) for before, ids in zip([[], *questions], questions, strict=False)]
    tokens: list[int] = []
    positions: list[int] = []
    paths: list[list[int]] = [[]]  # where the tokens of each question stand, but for its last
    for ids, shared in zip(questions, shares, strict=True):
        paths.append([*paths[-1][:shared], *range(len(tokens), len(tokens) + len(ids) - 1 - shared)])
        tokens += ids[shared:-1]
        positions += range(shared, len(ids) - 1)
    size = len(tokens) + len(questions)
    sees = torch.zeros((size, size), dtype=torch.bool)
    for end, path, shared in zip(range(len(tokens), size), paths[1:], shares, strict=True):
        at = torch.tensor([*path, end])
        sees[at[shared:, None], at] = torch.ones((len(at) - shared, len(at)), dtype=torch.bool).tril(shared)
    return _Tree([*tokens, *(ids[-1] for ids in questions)], [*positions, *(len(ids) - 1 for ids in questions)], sees)


def _laid_out(trees: Sequence[_Tree], trunks: Sequence[int], model: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids (B, T), padded on the left; the mask to add (B, 1, T, trunk + T); positions (B, T)."""
    width, trunk = max(len(tree.tokens) for tree in trees), max(trunks)
    tokens = torch.zeros((len(trees), width), dtype=torch.long)
    positions = torch.zeros_like(tokens)
    mask = torch.full((len(trees), 1, width, trunk + width), torch.finfo(model.dtype).min, dtype=model.dtype)
    for row, (tree, own) in enumerate(zip(trees, trunks, strict=True)):
        start = width - len(tree.tokens)
        tokens[row, start:] = torch.tensor(tree.tokens)
        positions[row, start:] = torch.tensor(tree.positions) + own
        mask[row, 0, start:, trunk - own : trunk] = 0
        mask[row, 0, start:, trunk + start :].masked_fill_(tree.sees, 0)
        mask[row, 0, :, trunk:].fill_diagonal_(0)  # padding too must see something
    return tokens.to(model.device), mask.to(model.device), positions.to(model.device)


def _shared(one: list[int], other: list[int]) -> int:
    """How many tokens two questions begin with alike; the last of each is always its own."""
    return common(one[:-1], other[:-1])
