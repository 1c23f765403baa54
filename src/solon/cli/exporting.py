"""`solon export`: a run's data for other trainers, and for the Hub."""

import json
from pathlib import Path

from solon import export as exports
from solon.report.text import visible


def export_run(run: Path, *, to: str, stage: str | None, out: Path | None, as_json: bool) -> None:
    """Write the data, and print what was written and what was left out."""
    done = exports.export(run, to=to, stage=stage, out=out)
    if as_json:
        told = [
            {
                "name": data.name,
                "stage": data.stage,
                "about": data.about,
                "rows": len(data.rows),
                "of": data.total,
                "left_out": data.left_out,
            }
            for data in done.data
        ]
        print(json.dumps({"out": str(done.out), "data": told, "files": done.files, "next": done.next}, indent=2))
        return
    for data in done.data:
        print(f"{data.name}: {len(data.rows)} rows from the {data.total} of {data.stage}")
        print(f"  {data.about}")
        print(visible(f"  left out: {data.told_left_out}"))
    print(f"Written into {done.out}: {', '.join(done.files)}")
    print(f"Next: {done.next}")
