"""What the training stages share: settings that hold on any machine, resuming, and putting the model in its place.

A training stage that is called again with the same settings goes on from its newest complete checkpoint, and ends with
the same weights as if it had never been stopped; one that is done returns its summary. It never mixes two settings.

What is read back from a checkpoint: `model.safetensors` (with LoRA `adapter_model.safetensors`), `trainer_state.json`,
and three files that torch wrote (`optimizer.pt`, `scheduler.pt`, `rng_state.pth`), which transformers reads with
`weights_only=True`: tensors, numpy arrays and plain containers; anything else is refused, so that a checkpoint cannot
run code. `training_args.bin` is written by transformers and never read. The model that a stage leaves behind is
safetensors only.
"""

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from solon.errors import UsageError
from solon.stages import ranks

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called with the steps that are done, all steps, and measures of the latest step of which they are known."""

SUMMARY = "training.json"
"""Lies in the finished model's folder, so that a model and its summary appear in one instant."""


def begin(out: Path, *, settings: Mapping[str, Any], rows: Sequence[Any]) -> dict[str, Any] | None:
    """Open `out` for a training with these settings and rows; the summary, if that training is done already.

    Raises:
        UsageError: `out` holds a training with other settings or other rows.
    """
    here = {"settings": dict(settings), "rows": _digest(rows)}
    here = json.loads(json.dumps(here))
    note = out / "settings.json"
    with ranks.main_first():
        if note.exists():
            _unless_the_same(json.loads(note.read_text()), here, out)
        else:
            out.mkdir(parents=True, exist_ok=True)
            write(note, json.dumps(here, indent=1))
        if not (out / "model").exists():
            return None
        shutil.rmtree(out / "checkpoints", ignore_errors=True)
    summary: dict[str, Any] = json.loads((out / "model" / SUMMARY).read_text())
    return summary


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end: its `trainer_state.json`, written last, is whole."""
    complete = [path for path in folder.glob("checkpoint-*") if _is_json(path / "trainer_state.json")]
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def finish(model: Any, tokenizer: Any, *, trainer: Any, out: Path, summary: Mapping[str, Any]) -> None:
    """Put the model in its place in one step, and only then remove the checkpoints.

    Where several processes trained it, each has a part of it or all of it, and the main one writes.
    """
    given = {"state_dict": trainer.accelerator.get_state_dict(trainer.model_wrapped)} if _is_sharded(trainer) else {}
    if ranks.is_main():
        aside = out / "model.partial"
        shutil.rmtree(aside, ignore_errors=True)
        model.config.use_cache = True  # a trainer turns it off, and generation reads it
        model.save_pretrained(aside, **given)
        tokenizer.save_pretrained(aside)
        write(aside / SUMMARY, json.dumps(summary, indent=1))
        aside.rename(out / "model")
        shutil.rmtree(out / "checkpoints", ignore_errors=True)
    ranks.wait()


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all; of several processes the main one does."""
    if ranks.is_main():
        aside = path.with_name(path.name + ".partial")
        aside.write_text(text)
        aside.replace(path)


def parted(batch_size: int, micro_batch_size: int | None, *, processes: int) -> tuple[int, int]:
    """How much of a batch each process computes at once, and how often before a step.

    Raises:
        UsageError: that does not make the batch.
    """
    if batch_size % processes:
        raise UsageError(
            f"{processes} processes cannot share a batch of {batch_size} evenly; choose a multiple of them"
        )
    share = batch_size // processes
    micro = micro_batch_size or share
    if share % micro:
        of = f"{share}, the share of each of {processes} processes in the batch" if processes > 1 else "the batch"
        raise UsageError(f"micro_batch_size {micro} does not divide {of} of {batch_size}; choose a divisor of it")
    return micro, share // micro


def arguments(out: Path, *, batch_size: int, micro_batch_size: int | None, save_every: int) -> dict[str, Any]:
    """Arguments that every TRL trainer takes here: what its defaults get wrong on a CPU, and what keeps it quiet.

    On a CPU bfloat16 is 2.6 times slower than float32, and activation checkpointing 1.1 times slower than none.

    Raises:
        UsageError: the batch cannot be split as asked.
    """
    micro, times = parted(batch_size, micro_batch_size, processes=ranks.number())
    gpu = on_gpu()
    return {
        "output_dir": str(out / "checkpoints"),
        "use_cpu": not gpu,
        "bf16": gpu and _has_bfloat16(),
        "gradient_checkpointing": gpu,
        "dataloader_pin_memory": gpu,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": times,
        "save_strategy": "steps",
        "save_steps": save_every,
        "save_total_limit": 1,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
    }


def on_one_gpu(arguments: Any) -> Any:
    """The arguments for one GPU in this process: else a trainer takes all it sees, and a whole micro batch for each."""
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # as transformers' Trainer does itself where a model is parallel
    return arguments


def run(trainer: Any, *, progress: Progress) -> None:
    """Train from the newest complete checkpoint, or from the start.

    Raises:
        UsageError: the checkpoint was made by more processes or fewer.
    """
    from transformers.trainer_callback import PrinterCallback

    from solon.stages.trainers import ReportProgress

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(ReportProgress(progress))
    checkpoint = newest_checkpoint(Path(trainer.args.output_dir))
    if checkpoint is not None:
        _unless_as_many(checkpoint)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))


def history(trainer: Any, names: Mapping[str, str]) -> list[dict[str, float | None]]:
    """One entry a step, from before and after any kill: `names` maps the trainer's names to ours."""
    steps = [entry for entry in trainer.state.log_history if "loss" in entry]
    return [{"step": entry["step"], **{ours: entry.get(theirs) for theirs, ours in names.items()}} for entry in steps]


def machine() -> dict[str, Any]:
    """Return what decides the last bits of the weights beside the settings."""
    import torch

    device = torch.cuda.get_device_name() if on_gpu() else "cpu"
    precision = "bfloat16 autocast" if on_gpu() and _has_bfloat16() else "float32"
    others = {"processes": ranks.number()} if ranks.number() > 1 else {}
    return {"device": device, "precision": precision, "threads": torch.get_num_threads(), **others}


def on_gpu() -> bool:
    """Whether there is a CUDA device; a stage then uses it."""
    import torch

    return bool(torch.cuda.is_available())


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the training libraries from printing progress bars, hints and warnings, which no reader could act on."""
    import datasets
    import transformers.utils.logging as log

    verbosity = log.get_verbosity()
    bars, dataset_bars = log.is_progress_bar_enabled(), not datasets.are_progress_bars_disabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()
        if dataset_bars:
            datasets.enable_progress_bars()


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with `count` threads inside, None for torch's own choice."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _unless_the_same(before: dict[str, Any], now: dict[str, Any], out: Path) -> None:
    if before == now:
        return
    changed = [
        f"{key} was {before['settings'].get(key)!r}, is {value!r}"
        for key, value in now["settings"].items()
        if before["settings"].get(key) != value
    ]
    if before["rows"] != now["rows"]:
        changed.append("the rows differ")
    raise UsageError(
        f"{out} holds a training with other settings: {'; '.join(changed)}. Give another folder, or remove this one"
    )


def _unless_as_many(checkpoint: Path) -> None:
    """A checkpoint has the state of the random numbers of each process, and of a sharded model its part."""
    before = len([*checkpoint.glob("rng_state*.pth")])
    if before != ranks.number():
        raise UsageError(
            f"{checkpoint} was made by {before} processes, and now there are {ranks.number()}: go on with as many, or "
            f"remove {checkpoint.parent}, and the training begins anew"
        )


def _is_sharded(trainer: Any) -> bool:
    return bool(trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled)


def _digest(rows: Sequence[Any]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return True


def _has_bfloat16() -> bool:
    import torch

    return bool(torch.cuda.is_bf16_supported())
