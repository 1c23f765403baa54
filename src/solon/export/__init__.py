"""A run's data as other trainers read it, and as a data set for the Hugging Face Hub.

`data` says what of each stage is learned, `formats` how each trainer wants it, `card` what the Hub is told of it.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from solon import recipe as recipes
from solon.constitution.validate import nearest
from solon.errors import UsageError
from solon.export.data import Data, gather
from solon.export.formats import FORMATS, Job
from solon.runs import unless_run
from solon.runs.files import PARTIAL, explained, sync_folder, write_whole

__all__ = ["FORMATS", "Exported", "export"]


@dataclass(frozen=True)
class Exported:
    """What was written."""

    out: Path
    data: list[Data]
    """What has no rows has no file."""
    files: list[str]
    """Their names in `out`."""
    next: str
    """What a person does with it."""


def export(run: Path, *, to: str, stage: str | None = None, out: Path | None = None) -> Exported:
    """Write the data of a run's complete stages, or of one `stage`, in the format `to` into the new folder `out`.

    The bytes are a function of the run, of `to`, `stage` and `out`, and of the version of pyarrow.

    Raises:
        UsageError: there is no such run, format or data, or `out` is there already.
    """
    if to not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"--to {to}: there is no such format{nearest(to, FORMATS) or ';'} the formats are {known}")
    unless_run(run)
    out = out or run / "export" / to
    if out.exists():
        raise UsageError(f"{out} is there already and is left as it is; give another folder: --out DIR")
    form = FORMATS[to]
    recipe = recipes.settled(recipes.load(run / "recipe.yaml"))
    data = [form.fitted(each) for each in gather(run, recipe, stage=stage, held_out=form.takes_held_out)]
    filled = [each for each in data if each.rows]
    if not filled:
        reasons = "; ".join(f"{each.name}: {each.told_left_out}" for each in data)
        raise UsageError(f"{run} has nothing to export, all rows are left out: {reasons}; `solon show {run}` has them")
    job = Job(filled, run, recipe, out)
    files = form.files(job)
    _write(out, files)
    return Exported(out, data, list(files), form.next(job))


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder that is there whole or not at all."""
    aside = out.with_name(out.name + PARTIAL)
    with explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.mkdir()
        except FileExistsError:
            raise UsageError(
                f"{aside} is there: another export writes it, or one was killed; delete it, or give another --out DIR"
            ) from None
        try:
            for name, data in files.items():
                (aside / name).parent.mkdir(exist_ok=True)
                write_whole(aside / name, data)
            aside.rename(out)
        except BaseException:
            shutil.rmtree(aside)
            raise
        sync_folder(out.parent)
