"""Constitutions out of files that others wrote, known by what is in them and not by their names.

Nothing is lost in silence: `notes` say what was counted, mended or left out. Nothing is invented either, so a source
has no licence, and what asks is the file's own words where it has some; `lists.TEMPLATE` is what a bare sentence gets.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solon.constitution.importers import lists, paper
from solon.constitution.importers.part import Part, counted, made
from solon.constitution.load import to_yaml
from solon.constitution.schema import Constitution, Exemplars, Principle, Source
from solon.constitution.validate import validated
from solon.constitution.yaml_file import has_half_characters, parse_yaml, read_text, shortened
from solon.errors import UsageError

KNOWN = """\
Known are, as JSON or JSON lines:
  the paper's files, e.g. {"harmful0": {"prompt": ["\\n\\nCritiqueRequest: ..."], "edit_request": "..."}}
  Hugging Face's {"constitutions": [{"critic": "...", "revision": "..."}], "system_chat": [[...]]}
  traits with questions, [{"trait": "I am ...", "questions": ["..."]}]
  a list of sentences, ["...", "..."]
or text with a sentence a line."""


@dataclass(frozen=True)
class Imported:
    """A constitution made of other people's files."""

    text: str
    """In YAML."""
    notes: list[str]
    """In plain words: what was counted, mended, left out."""
    questions: list[str]
    """Prompts that stood beside the principles."""


def import_constitution(paths: Sequence[Path], *, name: str) -> Imported:
    """Make one constitution of the files, in their order.

    Raises:
        UsageError: a file cannot be read, or is of no kind that is known.
    """
    if again := [path for number, path in enumerate(paths) if path in paths[:number]]:
        raise UsageError(f"{again[0]}: is given twice; give it once")
    parts = [(path, _read(path)) for path in paths]
    notes = [f"{path.name}: {note}" for path, part in parts for note in part.notes]
    principles = _named(parts, notes)
    if not principles:
        told = ", ".join(str(path) for path in paths) or "nothing"
        raise UsageError(
            f"{told}: no principle is given, only examples; give a file of principles too, e.g. the paper's "
            "CritiqueRevisionInstructions.json"
        )
    exemplars = Exemplars(
        revisions=tuple(it for _, part in parts for it in part.revisions),
        comparisons=tuple(it for _, part in parts for it in part.comparisons),
        transcripts=tuple(it for _, part in parts for it in part.transcripts),
    )
    try:
        constitution = made(Constitution, "the name", name=name, exemplars=exemplars, principles=tuple(principles))
    except ValueError as error:
        raise UsageError(f"{error}; give another") from None
    notes.append("each principle names its file as its source; no licence is set: add it where you know it")
    return Imported(_written(constitution), notes, [it for _, part in parts for it in part.questions])


def _read(path: Path) -> Part:
    wanted = "the file of a constitution, e.g. CritiqueRevisionInstructions.json"
    text = read_text(path, wanted=wanted, instead=f"give {wanted}")
    if not text.strip():
        raise UsageError(f"{path}: is empty; give {wanted}")
    try:
        part = _part(_json(text, path)) if text.lstrip()[0] in "{[" else _part_of_text(text)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    except RecursionError:
        raise UsageError(f"{path}: is nested too deeply to be a constitution\n{KNOWN}") from None
    return part


def _part(data: Any) -> Part:
    """Read what stood in JSON.

    Raises:
        ValueError: it is of no kind that is known, or an item is not like the others.
    """
    if isinstance(data, dict):
        if {"principles", "extends"} & data.keys():
            raise ValueError(_ours())
        if "constitutions" in data:
            part = lists.requests_by_twos(data["constitutions"], chats=data.get("system_chat", []))
            part.notes += [
                f"left out: {shortened(key)}" for key in sorted(data.keys() - {"constitutions", "system_chat"})
            ]
            return part
        if data and all(_keys(value) == {"prompt", "edit_request"} for value in data.values()):
            return paper.revision_requests(data)
    items = data if isinstance(data, list) else [data]  # a file of JSON lines may have one
    part_of_list = _of_texts(items) if items and all(isinstance(it, str) for it in items) else _of_mappings(items)
    if part_of_list is None:
        raise ValueError(f"holds {_seen(data)}, which is no form of a constitution that Solon knows\n{KNOWN}")
    return part_of_list


def _of_texts(items: list[str]) -> Part:
    if any("\n\nRevisionRequest:" in text for text in items):
        return paper.revision_examples(items)
    if all(text.endswith(paper.OPTIONS) for text in items):
        return paper.comparison_requests(items)
    return lists.sentences(items)


def _of_mappings(items: list[Any]) -> Part | None:
    kinds = [_keys(item) for item in items]
    common = set[str]().union(*kinds[:1]).intersection(*kinds)
    if {"critic", "revision"} <= common:
        return lists.requests_by_twos(items)
    if "trait" in common:
        return lists.traits(items)
    if common and all(kind == {"prompt", "corrects", "incorrects"} for kind in kinds):
        return paper.comparison_examples(items)
    if common and all(kind == {"prompt"} for kind in kinds) and any("{}" in str(item["prompt"]) for item in items):
        return paper.reasoned_examples(items)
    return None


def _part_of_text(text: str) -> Part:
    """Read text that is no JSON.

    Raises:
        ValueError: it looks like something else than sentences.
    """
    keys = re.findall(r"^([a-z_]+):(?=\s|$)", text, re.MULTILINE)
    if "extends" in keys or ("principles" in keys and re.search(r"^\s*(- *)?id:", text, re.MULTILINE)):
        raise ValueError(_ours())
    rest = [line for line in text.splitlines() if line.strip() and not re.match(r"\s|#|- |---|[a-z_]+:(\s|$)", line)]
    if keys and not rest:
        raise ValueError(f"looks like YAML with the keys {shortened(', '.join(keys))}\n{KNOWN}")
    if text.lstrip().startswith("<"):
        raise ValueError(f"looks like HTML or XML ({shortened(text.strip().splitlines()[0])})\n{KNOWN}")
    return lists.lines(text)


def _json(text: str, path: Path) -> Any:
    """What a JSON file holds; of JSON lines, the list of them."""
    try:
        data = _loaded(text)
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Extra data"):
            raise _malformed(error, path, line=error.lineno) from None
        data = []
        for number, line in enumerate(text.split("\n"), 1):
            try:
                data += [_loaded(line)] if line.strip() else []
            except json.JSONDecodeError as wrong:
                raise _malformed(wrong, path, line=number) from None
    if has_half_characters(json.dumps(data, ensure_ascii=False)):
        raise ValueError("has half a character (`\\ud800` or its like), which no text can hold; write the whole one")
    return data


def _loaded(text: str) -> Any:
    def once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"the key '{shortened(key)}' stands twice in one mapping; keep one")
            found[key] = value
        return found

    return json.loads(text, object_pairs_hook=once)


def _malformed(error: json.JSONDecodeError, path: Path, *, line: int) -> UsageError:
    return UsageError(
        f"{path}:{line}: is no JSON at column {error.colno} ({error.msg}); mend it there, or, if the file is a list of "
        'sentences, begin each with "- "'
    )


def _named(parts: Sequence[tuple[Path, Part]], notes: list[str]) -> list[Principle]:
    """The principles of all files with their source, and with a number at the end of an id that is taken."""
    named: dict[str, Principle] = {}
    for path, part in parts:
        numbered = []
        for principle in part.principles:
            id, number = principle.id, 1
            while id in named:
                number += 1
                id = f"{principle.id}-{number}"
            numbered += [id] if number > 1 else []
            named[id] = principle.model_copy(update={"id": id, "source": Source(work=path.name)})
        if numbered:
            ids = f"{', '.join(numbered[:5])}{' and so on' if len(numbered) > 5 else ''}"
            notes.append(f"{path.name}: {counted(len(numbered), 'id')} taken already and numbered: {ids}")
    return list(named.values())


def _written(constitution: Constitution) -> str:
    """The constitution in YAML; read again, it is the same."""
    text = to_yaml(constitution)
    if validated(parse_yaml(text, name="what was made", what="constitution"), Constitution) != constitution:
        raise AssertionError("a constitution does not survive being written; please report it with your files")
    return text


def _keys(item: Any) -> set[str]:
    return set(item) if isinstance(item, dict) else set()


def _seen(data: Any) -> str:
    """What stands at the top of a file, for a message."""
    if isinstance(data, dict):
        return f"a mapping with the keys {shortened(', '.join(data))}" if data else "an empty mapping"
    if not data:
        return "an empty list"
    first = data[0]
    kind = f"has the keys {shortened(', '.join(first))}" if isinstance(first, dict) else f"is {shortened(repr(first))}"
    return f"a list of {len(data)}, the first of which {kind}"


def _ours() -> str:
    return "is a constitution of Solon's already and needs no importing; type: solon constitution lint FILE"
