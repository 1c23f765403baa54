"""Where rows are kept: a run folder, with a journal of replies and sealed tables, that the same command resumes.

    with open_run(path, files={"recipe.yaml": text}) as run:
        stage = run.stage("01-critique", settings)
        if not stage.complete:
            rows = in_rounds(chains, model, journal=stage.journal)
            stage.seal([rows[id] for id in ids], row_type=Revision)
        revisions = stage.read()

Rows that do not all fit into memory are taken by `stage.sealing` as they end, which `stage.end` seals.

What it promises, whenever the process is killed:
1. No reply that is on file is asked for again, and a batch is computed again as a whole or not at all.
2. A table that exists is whole. With a model that answers the same way twice, it is the table of an unbroken run, byte
   for byte.
3. Nothing is mixed silently: other settings, other input files, a damaged line or byte, a second process are errors
   that say what to do. Nothing that a person could want is overwritten.
"""

from solon.runs.folder import Run, open_run, unless_run
from solon.runs.journal import JournalFile
from solon.runs.stage import Stage, read_rows, read_summary

__all__ = ["JournalFile", "Run", "Stage", "open_run", "read_rows", "read_summary", "unless_run"]
