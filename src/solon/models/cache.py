"""Keys and values of a batch, without a copy of all that is there at every step."""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


def roomy(model: Any, room: int) -> DynamicCache:
    """An empty cache with room for so many tokens a row in each layer whose tokens see all before them."""
    cache = DynamicCache(config=model.config)
    cache.layers = [Roomy(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


class Roomy(DynamicLayer):  # type: ignore[misc]
    """Keys and values (B, H, T, D), which are views of what has room for more rows and tokens."""

    keys: Tensor
    values: Tensor

    def __init__(self, room: int):
        super().__init__()
        self.room = room
        self.kept: list[Tensor] = []

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Add states (B, H, t, D) and return all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if not self.kept:
            self._make_room(key_states, value_states, start)
        for kept, new in zip(self.kept, (key_states, value_states), strict=True):
            kept[: len(new), :, start:end] = new
        self.keys, self.values = (kept[: len(key_states), :, :end] for kept in self.kept)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows. Where the last ones take the places of others, no other is copied."""
        moved = (beam_idx != torch.arange(len(beam_idx), device=beam_idx.device)).nonzero().squeeze(1)
        if not self.kept or (beam_idx[moved] < len(beam_idx)).any():
            super().reorder_cache(beam_idx)
            self.kept = []
            return
        length = self.get_seq_length()
        for kept in self.kept:
            kept[moved, :, :length] = kept[beam_idx[moved], :, :length]
        self.keys, self.values = (kept[: len(beam_idx), :, :length] for kept in self.kept)

    def _make_room(self, keys: Tensor, values: Tensor, length: int) -> None:
        self.kept = [new.new_empty((*new.shape[:2], self.room, new.shape[3])) for new in (keys, values)]
        if length:
            for kept, old in zip(self.kept, (self.keys, self.values), strict=True):
                kept[:, :, :length] = old
