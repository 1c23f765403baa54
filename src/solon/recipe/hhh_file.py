r"""Comparisons whose answer is known, in the form of the paper's evaluation (section 2): one an object a line.

    {"text_correct": "\n\nHuman: Hi.\n\nAssistant: Hello.", "text_incorrect": "\n\nHuman: Hi.\n\nAssistant: What?"}

The paper's file has the rendered question beside them (`prompt`, `corrects`, `incorrects`); Solon renders its own.
Turns are kept as they stand, so that the paper's transcript of an item is the same byte for byte.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from solon.constitution.importers.part import pieces
from solon.constitution.yaml_file import has_half_characters
from solon.prompts import SPEAKERS
from solon.recipe.prompt_columns import HALF_CHARACTER
from solon.recipe.prompt_file import raise_all
from solon.recipe.prompt_rows import Source, read_rows
from solon.records import Conversation, Message, Pair, rng

RIGHT, WRONG = "text_correct", "text_incorrect"
SOURCE = Source(
    what="a file of comparisons, as the paper's 438HHHEvaluations.jsonl",
    example=f'{{"{RIGHT}": "\\n\\nHuman: ...\\n\\nAssistant: ...", "{WRONG}": "..."}}',
    columns=(RIGHT, WRONG),
)


class Item(Pair):
    """A pair, and which of its responses is the better one."""

    truth: Literal[1, 2]


def read_items(source: str | Path, *, first: int | None, seed: int) -> list[Item]:
    """Read the comparisons of a source, or the `first` so many; by the seed is drawn which response stands first.

    An item is named by its line, "hhh-012"; its `prompt_id` is the name of the first item of the same context.

    Raises:
        UsageError: every problem up to there, each as `file:line: what was given; why; what to do`.
    """
    items: list[Item] = []
    problems: list[str] = []
    contexts: dict[str, str] = {}
    for row in read_rows(str(source), whole=first is None, source_is=SOURCE):
        id = f"hhh-{row.number:03}"
        try:
            if row.problem:
                raise ValueError(row.problem)
            prompt, right, wrong = _read(row.cells)
        except ValueError as error:
            problems.append(f"{row.place}: {error}")
            continue
        is_first = rng(seed, id, "first").random() < 0.5
        items.append(
            {
                "id": id,
                "prompt": prompt,
                "drop_reason": None,
                "kind": "red-team",
                "prompt_id": contexts.setdefault(json.dumps(prompt), id),
                "responses": [right, wrong] if is_first else [wrong, right],
                "revision": None,
                "truth": 1 if is_first else 2,
            }
        )
        if len(items) == first:
            break
    if not items and not problems:
        problems.append(f"{source}: has no comparisons; give {SOURCE.what}")
    raise_all(problems, str(source))
    return items


def _read(cells: Mapping[str, Any]) -> tuple[Conversation, str, str]:
    """The prompt, the better and the worse response.

    Raises:
        ValueError: there is no such thing.
    """
    if missing := [name for name in (RIGHT, WRONG) if name not in cells]:
        raise ValueError(f'has no "{missing[0]}"; write a line as {SOURCE.example}')
    (prompt, right), (also, wrong) = (_answered(cells[name], name) for name in (RIGHT, WRONG))
    if prompt != also:
        raise ValueError(f"{RIGHT} and {WRONG} differ before the last answer; give two answers to one prompt")
    if right == wrong:
        raise ValueError(f"{RIGHT} and {WRONG} are the same; there is nothing to compare, leave the line out")
    return prompt, right, wrong


def _answered(text: Any, name: str) -> tuple[Conversation, str]:
    if not isinstance(text, str):
        raise ValueError(f'{name} is no text; write a conversation, as "\\n\\nHuman: ...\\n\\nAssistant: ..."')
    if has_half_characters(text):
        raise ValueError(f"{name} {HALF_CHARACTER}; write the whole character")
    roles: dict[str, Literal["user", "assistant"]] = {SPEAKERS["user"]: "user", SPEAKERS["assistant"]: "assistant"}
    turns: list[Message] = [
        {"role": roles[tag], "content": said.removeprefix(" ")} for tag, said in pieces(text, roles)
    ]
    is_answered = len(turns) > 1 and turns[-2]["role"] == "user" and turns[-1]["role"] == "assistant"
    if not is_answered:
        raise ValueError(f'{name} does not end with "\\n\\nHuman: ...\\n\\nAssistant: ..."; end it with an answer')
    if not turns[-1]["content"].strip():
        raise ValueError(f"{name} has an empty answer at its end; give one, or leave the line out")
    return turns[:-1], turns[-1]["content"]
