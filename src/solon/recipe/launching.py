"""Trainings in processes of their own, started by a launcher such as "accelerate launch --num_processes 8".

Each process is `recipe.launched`, and TRL's trainer shares a batch out among them. What is trained, on what and where
stays as it is in this process: settings, checkpoints, progress, errors. A launcher and its processes end with this one,
however it ends: they hold a lock's place in line, and get it when this process is gone.
"""

import fcntl
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from solon.errors import ModelError, UsageError
from solon.recipe.schema import Recipe
from solon.stages import training

LOG = "launch.log"
"""What the launcher and its processes say, in the folder of the stage."""
POLL_SECONDS = 0.1
END_SECONDS = 30.0
LINES_SHOWN = 15


@dataclass(frozen=True)
class Launched:
    """What a launcher starts."""

    processes: int
    sharded: bool
    """Whether each has only a part of the model: FSDP or DeepSpeed."""


def tried(launcher: str) -> Launched:
    """Start the launcher once, and find out what it starts.

    Raises:
        UsageError: it cannot be started.
        ModelError: it ends with an error.
    """
    with TemporaryDirectory() as folder:
        found = _done(launcher, {}, folder=Path(folder) / "launch", progress=lambda done, total, measures: None)
    return Launched(**found)


def unless_shared(recipe: Recipe, launched: Launched, *, stages: Mapping[str, str]) -> None:
    """Say at once where a batch cannot be shared out; `stages` are those that train, and their sections.

    Raises:
        UsageError: which, and what to do.
    """
    for stage, name in stages.items():
        section = getattr(recipe, name)
        batch = recipe.rl.prompts_per_step * recipe.rl.samples_per_prompt if name == "rl" else section.batch_size
        try:
            training.parted(batch, section.micro_batch_size, processes=launched.processes)
        except UsageError as error:
            settings = "rl.prompts_per_step or rl.samples_per_prompt" if name == "rl" else f"{name}.batch_size"
            raise UsageError(f"{stage}: {error} ({settings})") from error
        if launched.sharded and section.lora is not None:
            raise UsageError(
                f"{stage}: what LoRA learned is added to whole weights at the end, and FSDP and DeepSpeed leave each "
                f"process a part of them: leave {name}.lora out, or have the model copied to each GPU (--multi_gpu)"
            )


def launch(
    trained: partial[dict[str, Any]], *, launcher: str, out: Path, progress: training.Progress
) -> dict[str, Any]:
    """Do a training as `trained(out=out, progress=progress)` would, in processes that the launcher starts.

    Raises:
        UsageError, ModelError: as the training does, or the launcher fails; what it said is in `out/launch.log`.
    """
    (rows,) = trained.args
    given = {key: value for key, value in trained.keywords.items() if key not in ("config", "judge")}
    job = {
        "training": trained.func.__name__,
        "rows": list(rows),
        "given": {key: str(Path(value).resolve()) if Path(value).exists() else value for key, value in given.items()},
        "config": asdict(trained.keywords["config"]),
        "judged": trained.keywords.get("judge") is not None,
        "out": str(out.resolve()),
    }
    return _done(launcher, job, folder=out / "launch", progress=progress)


def _done(launcher: str, job: Mapping[str, Any], *, folder: Path, progress: training.Progress) -> dict[str, Any]:
    """What the processes leave in `folder` when they have done the job."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "progress").touch()
    log = folder.parent / LOG
    with _started(launcher, folder, log) as process, (folder / "progress").open() as told:
        ended = False
        while not ended:
            time.sleep(POLL_SECONDS)
            ended = process.poll() is not None  # what was told before that is read after it
            for line in told:
                progress(*json.loads(line))
    for path in folder.glob("error-*.json"):
        kind, message = json.loads(path.read_text())
        raise {"UsageError": UsageError, "ModelError": ModelError}[kind](message)
    if process.returncode or not (folder / "result.json").exists():
        said = "\n".join(log.read_text(errors="replace").splitlines()[-LINES_SHOWN:])
        raise ModelError(
            f"the training failed: `{launcher}` ended with code {process.returncode}, and last it said:\n{said}"
        )
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    shutil.rmtree(folder)
    return result


@contextmanager
def _started(launcher: str, folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The launcher, which is ended with all its processes at the end of the block, or when this process ends."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = _begun([*shlex.split(launcher), "-m", "solon.recipe.launched", str(folder)], log)
        try:
            yield process
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # at which its processes end
            _ended(process)
    finally:
        os.close(lock)


def _begun(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as said:
        try:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
        except OSError as error:
            raise UsageError(
                f"--launcher: {command[0]} cannot be started: {error.strerror}; give a command that is there, e.g. "
                '"accelerate launch --num_processes 8", or its path'
            ) from error


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
