"""Processes that train one model together, each on its part of every batch. In a process alone all this does nothing.

accelerate starts them and TRL's trainers let them compute together; what is here keeps them from writing one another's
files. Whether there are others is asked of torch, which knows it as soon as `recipe.launched` has begun.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def number() -> int:
    """How many train together."""
    group = _group()
    return int(group.get_world_size()) if group else 1


def is_main() -> bool:
    """Whether this process is the one that writes."""
    group = _group()
    return not group or group.get_rank() == 0


def wait() -> None:
    """Wait until all have come so far."""
    if group := _group():
        group.barrier()


@contextmanager
def main_first() -> Iterator[None]:
    """Let the others do what is inside when the main process has done it; also where it failed there."""
    if not is_main():
        wait()
    try:
        yield
    finally:
        if is_main():
            wait()


def _group() -> Any:
    group = sys.modules.get("torch.distributed")  # where torch is not loaded there are no others
    return group if group and group.is_available() and group.is_initialized() else None
