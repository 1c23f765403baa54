"""A finetuning in two processes that kills the one that began it after a step."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

from solon import sandbox
from solon.recipe.launching import launch
from solon.records import user
from solon.stages.finetune import FinetuneConfig, finetune

LAUNCHER = f"{sys.executable} -m accelerate.commands.launch --multi_gpu --num_processes 2 --main_process_port 0"
CONFIG = FinetuneConfig(epochs=2, batch_size=4, save_every=2, threads=1, learning_rate=1e-3)
ROWS = [
    {
        "id": f"r{i}",
        "prompt": [user(f"How do I take bike {i}?")],
        "drop_reason": None,
        "kind": "red-team",
        "response": "Sure.",
        "steps": [{"principle": "p", "critique": None, "revision": f"Ask {who} {i}."} for who in ("its owner", "them")],
        "flaws": [],
    }
    for i in range(8)
]
TRAINING = partial(finetune, ROWS, model=sandbox.model_path(), config=CONFIG)
"""16 texts, 4 a step: 8 steps."""


def die(done, total, measures) -> None:
    if done == 5:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    launch(TRAINING, launcher=LAUNCHER, out=Path(sys.argv[1]), progress=die)
