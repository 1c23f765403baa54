r"""What people prefer, from a file or a data set on the Hugging Face Hub; `prompt_rows` lists what can be read.

    {"chosen": "\n\nHuman: Hi.\n\nAssistant: Hello.", "rejected": "\n\nHuman: Hi.\n\nAssistant: What?"}
    {"prompt": "Hi.", "chosen": "Hello.", "rejected": "What?"}

The first is hh-rlhf's form. A list of turns may stand for each of the texts. What cannot be used is kept with a
`drop_reason`, and what had to be done to the rest is counted, as for prompts.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from solon.constitution.yaml_file import has_half_characters
from solon.recipe.prompt_columns import HALF_CHARACTER, NOT_SHARED, legible, turns_of
from solon.recipe.prompt_file import ID_TWICE, given_id, raise_all, unused
from solon.recipe.prompt_rows import read_rows
from solon.recipe.transcripts import ANSWER_CUT, EMPTY_ANSWER, answered, awaiting, is_transcript
from solon.records import Conversation, HumanComparison, assistant, rng, user

DUPLICATE = "the same comparison again, under a name of its own"
NOT_BOTH = 'has not both "chosen" and "rejected"; a comparison has a response of each'
IDENTICAL = "identical responses"


@dataclass
class Comparisons:
    """The comparisons of a source, those with a `drop_reason` too, and what had to be done to them."""

    rows: list[HumanComparison] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    """In plain words, each with how many rows it is true of."""


def read_comparisons(source: str | Path, *, first: int | None, seed: int) -> Comparisons:
    """Read the comparisons of a source, or the `first` so many; by the seed is drawn which response stands first.

    Raises:
        UsageError: every problem up to there, each as `file:line: what was given; what to do`.
        ModelError: a data set could not be fetched.
    """
    source = str(source)
    found, problems = Comparisons(), []
    names: set[str] = set()
    times: Counter[str] = Counter()
    digests: set[str] = set()
    for row in read_rows(source, whole=first is None):
        if row.problem or not {"chosen", "rejected"} <= row.cells.keys():
            problems.append(f"{row.place}: {row.problem or NOT_BOTH}")
            continue
        notes: set[str] = set()
        id, digest = given_id(row.cells, notes), _digest(row.cells)
        name = unused(f"human-{id or digest}", times, names)
        if id and name != f"human-{id}":
            notes.add(ID_TWICE)
        if digest in digests:
            notes.add(DUPLICATE)
        names.add(name)
        digests.add(digest)
        comparison = _comparison(name, row.cells, notes=notes, seed=seed)
        found.rows.append(comparison)
        found.notes.update(notes)
        if len(found.rows) == first:
            break
    if not found.rows and not problems:
        problems.append(f"{source}: has no comparisons")
    raise_all(problems, source)
    return found


def _comparison(name: str, cells: Mapping[str, Any], *, notes: set[str], seed: int) -> HumanComparison:
    row: HumanComparison = {
        "id": name,
        "prompt": [],
        "drop_reason": None,
        "kind": "helpful",  # as the paper's are
        "prompt_id": name,
        "responses": [],
        "revision": None,
        "judgements": [],
        "probability": None,
        "known_by": None,
        "consistent": None,
        "mass": None,
        "state": "labelled",
        "flaws": [],
        "source": "human",
    }
    try:
        row["prompt"], chosen, rejected = _answers(cells, notes)
    except ValueError as error:
        row["prompt"] = [user(legible(cells["chosen"]))]
        row["drop_reason"] = str(error)
        notes.add(f"dropped: {error}")
        return row
    is_first = rng(seed, name, "first").random() < 0.5
    row["responses"] = [chosen, rejected] if is_first else [rejected, chosen]
    row["probability"] = float(is_first)
    return row


def _answers(cells: Mapping[str, Any], notes: set[str]) -> tuple[Conversation, str, str]:
    """The prompt, and the responses to it that were chosen and rejected.

    Raises:
        ValueError: there is no such thing.
    """
    given = cells.get("prompt")
    prompt = awaiting(turns_of(given, column="prompt", notes=notes)) if given is not None else []
    asked, chosen = _answer(cells["chosen"], prompt=prompt, notes=notes)
    also_asked, rejected = _answer(cells["rejected"], prompt=prompt, notes=notes)
    notes.discard(ANSWER_CUT)
    if asked != also_asked or (prompt and asked != prompt):
        raise ValueError(NOT_SHARED)
    if chosen == rejected:
        raise ValueError(IDENTICAL)
    return asked, chosen, rejected


def _answer(value: Any, *, prompt: Conversation, notes: set[str]) -> tuple[Conversation, str]:
    """One side: the response alone where there is a prompt, or all of the conversation."""
    if value in (None, "", []):
        raise ValueError(EMPTY_ANSWER)
    if prompt and isinstance(value, str) and not is_transcript(value):
        if has_half_characters(value):
            raise ValueError(HALF_CHARACTER)
        return answered([*prompt, assistant(value)])
    turns = turns_of(value, column="chosen", notes=notes)
    is_alone = all(turn["role"] == "assistant" for turn in turns)
    return answered([*prompt, *turns] if is_alone else turns)


def _digest(cells: Mapping[str, Any]) -> str:
    told = [cells.get(name) for name in ("prompt", "chosen", "rejected")]
    return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()[:12]
