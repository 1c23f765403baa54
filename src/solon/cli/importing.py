"""The command that makes a constitution of files that others wrote."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from solon.constitution.importers import import_constitution
from solon.errors import UsageError
from solon.report.text import visible


def import_files(files: Sequence[Path], *, out: Path, name: str | None, as_json: bool) -> None:
    """Write the constitution and, where prompts stood beside its principles, these; never over a file."""
    imported = import_constitution(files, name=name or (files[0].stem if len(files) == 1 else out.stem))
    wanted = {out: imported.text}
    if imported.questions:
        lines = [json.dumps({"prompt": question}, ensure_ascii=False) + "\n" for question in imported.questions]
        wanted[out.with_name(f"{out.stem}-questions.jsonl")] = "".join(lines)
    if there := [path for path in wanted if path.exists()]:
        raise UsageError(f"{there[0]} is there already and is left as it is; give another file: --out FILE")
    out.parent.mkdir(parents=True, exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    written = [str(path) for path in wanted]
    following = f"solon constitution lint {shlex.quote(str(out))}"
    if as_json:
        print(json.dumps({"written": written, "notes": imported.notes, "next": following}, indent=2))
        return
    for note in imported.notes:
        print(visible(note))
    print(f"Written: {', '.join(written)}")
    print(f"Next: {following}")
