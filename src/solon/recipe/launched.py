"""One of the processes that a launcher starts: `LAUNCHER -m solon.recipe.launched FOLDER`, see `launching`."""

import fcntl
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from solon.errors import ModelError, UsageError
from solon.recipe.inputs import judge_of
from solon.recipe.schema import SANDBOX
from solon.stages import ranks, training
from solon.stages.finetune import finetune
from solon.stages.preference_model import train_preference_model
from solon.stages.rl import reinforce

TRAININGS: dict[str, Callable[..., dict[str, Any]]] = {
    each.__name__: each for each in (finetune, train_preference_model, reinforce)
}


def main(folder: Path) -> None:
    """Do the job that lies in a folder together with the other processes, and leave its result there."""
    _end_with_the_one_that_began(folder)
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=not training.on_gpu())
    job = json.loads((folder / "job.json").read_text())
    try:
        result = _train(job, folder) if job else _what_is_there(accelerator)
    except (UsageError, ModelError) as error:
        path = folder / f"error-{accelerator.process_index}.json"
        path.with_suffix(".partial").write_text(json.dumps([type(error).__name__, str(error)]))
        path.with_suffix(".partial").rename(path)
        sys.exit(1)
    training.write(folder / "result.json", json.dumps(result))
    ranks.wait()
    accelerator.end_training()


def _train(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    train = TRAININGS[job["training"]]
    given = job["given"]
    if "judge" in get_type_hints(train):
        given["judge"] = judge_of(SANDBOX) if job["judged"] else None
    config = TypeAdapter(get_type_hints(train)["config"]).validate_python(job["config"])
    with (folder / "progress").open("a", buffering=1) as told:

        def progress(done: int, total: int, measures: Mapping[str, float]) -> None:
            if ranks.is_main():
                told.write(json.dumps([done, total, dict(measures)]) + "\n")

        return train(job["rows"], out=Path(job["out"]), config=config, progress=progress, **given)


def _what_is_there(accelerator: Any) -> dict[str, Any]:
    sharded = str(accelerator.distributed_type).rpartition(".")[2] in ("FSDP", "DEEPSPEED")
    return {"processes": accelerator.num_processes, "sharded": sharded}


def _end_with_the_one_that_began(folder: Path) -> None:
    """It holds a lock as long as it is there, and whoever gets the lock knows that it is not."""
    lock = os.open(folder / "lock", os.O_RDONLY)

    def wait() -> None:
        fcntl.flock(lock, fcntl.LOCK_SH)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
