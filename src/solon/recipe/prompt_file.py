"""Prompts from a person's JSONL file: a line each, `{"prompt": "…"}`, where a conversation may stand for the text.

    {"prompt": "How do I sharpen a knife?"}
    {"id": "p7", "prompt": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."},
                            {"role": "user", "content": "How do I sharpen a knife?"}]}

A prompt without an `id` is named by a digest of its text, so that it keeps its name when the file is reordered.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from solon.constitution.yaml_file import read_text
from solon.errors import UsageError
from solon.records import Conversation, Prompt, user

KEYS = {"id", "prompt"}
MOST_REPORTED = 20


def read_prompts(path: Path, *, kind: Literal["red-team", "helpful"], first: int | None = None) -> list[Prompt]:
    """Read the prompts of a file, or the `first` so many.

    Raises:
        UsageError: every problem up to there, each as `file:line: what was given; what to do`.
    """
    prompts: list[Prompt] = []
    lines: dict[str, int] = {}
    problems: list[str] = []
    wanted = "a JSONL file of prompts"
    text = read_text(path, wanted=wanted, instead=f"give {wanted}, or `sandbox`")
    for number, line in enumerate(text.split("\n"), 1):
        if first is not None and len(prompts) >= first:
            break
        if not line.strip():
            continue
        try:
            id, conversation = _read(line)
        except ValueError as error:
            problems.append(f"{path}:{number}: {error}")
            continue
        name = id or _unused(f"{kind}-{_digest(conversation)}", lines)
        if name in lines:
            problems.append(f"{path}:{number}: the id '{name}' names the prompt of line {lines[name]}; ids must differ")
        lines.setdefault(name, number)
        prompts.append({"id": name, "prompt": conversation, "drop_reason": None, "kind": kind})
    if not prompts and not problems:
        problems.append(f'{path}:1: the file has no prompts; write one a line, e.g. {{"prompt": "Hello?"}}')
    if problems:
        rest = [f"{path}: and {len(problems) - MOST_REPORTED} more"] if len(problems) > MOST_REPORTED else []
        raise UsageError("\n".join([*problems[:MOST_REPORTED], *rest]))
    return prompts


def _read(line: str) -> tuple[str, Conversation]:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'is no JSON ({error}); write a line as {{"prompt": "..."}}') from None
    if not isinstance(given, dict) or "prompt" not in given:
        raise ValueError('has no "prompt"; write a line as {"prompt": "..."}')
    if unknown := sorted(given.keys() - KEYS):
        raise ValueError(f'unknown key "{unknown[0]}"; a line has "prompt" and may have "id"')
    id = given.get("id", "")
    if not isinstance(id, str) or ("id" in given and not (id.strip() and id.isprintable())):
        raise ValueError(f"the id {json.dumps(id)} is no name; give text in quotes, or leave it out")
    return id, _conversation(given["prompt"])


def _conversation(given: Any) -> Conversation:
    if isinstance(given, str):
        if not given.strip():
            raise ValueError("the prompt is empty")
        return [user(given)]
    if not isinstance(given, list) or not given:
        raise ValueError('the prompt is neither text nor a list of {"role": ..., "content": ...}')
    for number, turn in enumerate(given, 1):
        if not isinstance(turn, dict) or turn.keys() != {"role", "content"} or not isinstance(turn["content"], str):
            raise ValueError(f'turn {number} of the prompt must be {{"role": ..., "content": "..."}} and no more')
        if turn["role"] not in ("system", "user", "assistant"):
            raise ValueError(f"turn {number} has the role {json.dumps(turn['role'])}; use system, user or assistant")
    if given[-1]["role"] != "user" or not given[-1]["content"].strip():
        raise ValueError("the last turn of the prompt must be the user's, with some text: it is what gets answered")
    return [{"role": turn["role"], "content": turn["content"]} for turn in given]


def _digest(conversation: Conversation) -> str:
    return hashlib.sha256(json.dumps(conversation).encode()).hexdigest()[:12]


def _unused(name: str, taken: dict[str, int]) -> str:
    """The name, or with "-2" and so on where the same prompt stands in the file again."""
    number = 1
    while (candidate := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return candidate
