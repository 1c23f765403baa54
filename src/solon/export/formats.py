"""How each trainer wants its data; the message keys are those of chat APIs, `role` and `content`, everywhere.

trl            JSON lines: prompt and completion, or messages; prompt, chosen and rejected: lists of messages
openrlhf       the same, named to it by --data.input_key and so on
axolotl        messages, each marked whether it is learned; with the lines that belong into a configuration
llama-factory  its "sharegpt" formatting with tags of our own, in dataset_info.json. Its "openai" formatting adds
               "detailed thinking off" to every system prompt (0.9.5)
hub            Parquet, and a card

Only the last turn is learned, as in `finetune`: of a prompt with earlier answers in it too. Where that is a setting of
the trainer's, it is in what is written or in the words at the end. Columns that a trainer does not know it leaves out.
"""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from solon.export.card import card
from solon.export.data import Data, Text
from solon.recipe import Recipe
from solon.runs.tables import encoded

Row = Mapping[str, Any]
Files = dict[str, bytes]

_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
"""The names that LLaMA-Factory is to look for."""


@dataclass(frozen=True)
class Job:
    """What is exported."""

    data: Sequence[Data]
    """At least one, each with rows."""
    run: Path
    recipe: Recipe
    out: Path
    """Where the files will lie."""

    @property
    def first(self) -> Data:
        """What the words at the end are about."""
        return self.data[0]


@dataclass(frozen=True)
class Format:
    """What a trainer reads."""

    files: Callable[[Job], Files]
    """By name."""
    next: Callable[[Job], str]
    """What a person does with them."""
    fitted: Callable[[Data], Data] = lambda data: data
    """Leaves out what the trainer could not read, and counts it."""
    takes_held_out: bool = False
    """Whether answers to held-out prompts go out too."""


def jsonl(rows: Sequence[Row]) -> bytes:
    """JSON lines in UTF-8; characters that hide, reorder text or end a line are escaped, and come back as they were."""
    return "".join(_line(row) + "\n" for row in rows).encode()


def _line(row: Row) -> str:
    line = json.dumps(row, ensure_ascii=False)
    if line.isprintable():
        return line
    return "".join(it if it.isprintable() else json.dumps(it)[1:-1] for it in line)


def _trl(job: Job) -> Files:
    files = _openrlhf(job)
    for each in job.data:
        if each.row_type is Text:
            files[f"{each.name}_messages.jsonl"] = jsonl([_as_messages(row) for row in each.rows])
    return files


def _openrlhf(job: Job) -> Files:
    return {f"{each.name}.jsonl": jsonl(each.rows) for each in job.data}


def _axolotl(job: Job) -> Files:
    files: Files = {}
    for each in job.data:
        config: dict[str, Any]
        name = f"{each.name}.jsonl"
        source = {"path": str(job.out / name), "ds_type": "json", "split": "train"}
        if each.row_type is Text:
            files[name] = jsonl([_marked(_as_messages(row)) for row in each.rows])
            config = {"datasets": [{**source, "type": "chat_template", "message_field_training": "train"}]}
        else:
            files[name] = jsonl([_one_message_each(row) for row in each.rows])
            config = {"rl": "dpo", "datasets": [{**source, "type": "chat_template.default"}]}
        files[f"{each.name}.yaml"] = yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()
    return files


def _llama_factory(job: Job) -> Files:
    files: Files = {}
    info: dict[str, Any] = {}
    for each in job.data:
        name = f"{each.name}.jsonl"
        entry = {"file_name": name, "formatting": "sharegpt", "tags": _TAGS}
        if each.row_type is Text:
            files[name] = jsonl([_as_messages(row) for row in each.rows])
            info[each.name] = {**entry, "columns": {"messages": "messages"}}
        else:
            files[name] = jsonl([_one_message_each(row) for row in each.rows])
            columns = {"messages": "messages", "chosen": "chosen", "rejected": "rejected"}
            info[each.name] = {**entry, "ranking": True, "columns": columns}
    return {**files, "dataset_info.json": json.dumps(info, indent=2).encode() + b"\n"}


def _hub(job: Job) -> Files:
    files = {
        f"data/{each.name}-{number:05}.parquet": part
        for each in job.data
        for number, part in enumerate(encoded(each.rows, each.row_type))
    }
    return {**files, "README.md": card(job.data, job.run, job.recipe).encode()}


def _as_messages(row: Row) -> dict[str, Any]:
    rest = {key: value for key, value in row.items() if key not in ("prompt", "completion")}
    return {**rest, "messages": [*row["prompt"], *row["completion"]]}


def _marked(row: Row) -> dict[str, Any]:
    last = len(row["messages"]) - 1
    return {**row, "messages": [{**turn, "train": i == last} for i, turn in enumerate(row["messages"])]}


def _one_message_each(row: Row) -> dict[str, Any]:
    rest = {key: value for key, value in row.items() if key not in ("prompt", "chosen", "rejected")}
    return {**rest, "messages": row["prompt"], "chosen": row["chosen"][0], "rejected": row["rejected"][0]}


def _alternating(data: Data) -> Data:
    return data.without(_is_uneven, reason="turns do not alternate, which LLaMA-Factory needs")


def _is_uneven(row: Row) -> bool:
    roles = [turn["role"] for turn in row["prompt"]]
    turns = roles[1:] if roles[0] == "system" else roles
    return len(turns) % 2 == 0 or any(role != ("user", "assistant")[i % 2] for i, role in enumerate(turns))


def _for_trl(job: Job) -> str:
    path = json.dumps(str(job.out / f"{job.first.name}.jsonl"), ensure_ascii=False)
    return f'train_dataset=load_dataset("json", data_files={path}, split="train") in a trainer of TRL'


def _for_openrlhf(job: Job) -> str:
    path = shlex.quote(str(job.out / f"{job.first.name}.jsonl"))
    if job.first.row_type is Text:
        command, keys = "train_sft", "--data.input_key prompt --data.output_key completion"
    else:
        command, keys = "train_rm", "--data.prompt_key prompt"
    return f"python -m openrlhf.cli.{command} --data.dataset {path} {keys} --data.apply_chat_template"


def _for_axolotl(job: Job) -> str:
    return f"paste {job.out / job.first.name}.yaml into an axolotl configuration"


def _for_llama_factory(job: Job) -> str:
    folder = shlex.quote(str(job.out))
    masked = " mask_history=true" if job.first.row_type is Text else ""
    return f"llamafactory-cli train CONFIG.yaml dataset_dir={folder} dataset={job.first.name}{masked}"


def _for_hub(job: Job) -> str:
    folder = shlex.quote(str(job.out))
    return f"read {job.out / 'README.md'}, then type: hf upload OWNER/NAME {folder} . --repo-type dataset --private"


FORMATS: Mapping[str, Format] = {
    "trl": Format(_trl, _for_trl),
    "axolotl": Format(_axolotl, _for_axolotl),
    "llama-factory": Format(_llama_factory, _for_llama_factory, fitted=_alternating),
    "openrlhf": Format(_openrlhf, _for_openrlhf),
    "hub": Format(_hub, _for_hub, takes_held_out=True),
}
