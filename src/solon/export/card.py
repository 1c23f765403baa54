"""The card of a data set on the Hugging Face Hub: what is in it, how it was made, and what it is not.

Names, reasons and the constitution are others' text: each stands in a code span or a fence that it cannot end.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from solon.constitution import load as constitutions
from solon.constitution.schema import Constitution
from solon.export.data import Data
from solon.recipe import SL_CAI, Recipe
from solon.recipe.named_model import NamedModel, named
from solon.report.read import constitution_files
from solon.report.text import visible
from solon.runs.files import read_json

_CARD = """# AI feedback under a constitution

Made with Solon by the method of *Constitutional AI* ([Bai et al. 2022](https://arxiv.org/abs/2212.08073)) under the
constitution {name}, which stands below.

Language models wrote the responses, critiques and labels, which are here as they came. Some of the prompts were chosen
to provoke harm: what is criticised, quoted or rejected may be harmful, and what is preferred need not be harmless.

## What is in it

{contents}

```python
from datasets import load_dataset

rows = load_dataset("OWNER/NAME", "{first}", split="{split}")
```

`id` names the prompt, the same in every part, or one of its pairs where it has several. Principles are those that stand
below.

## Who wrote it

{models}

## The constitution

{constitutions}
## The recipe

Solon {version} made it with this recipe, by `solon run recipe.yaml`.

{recipe}

## Licence

None is stated here. Whoever publishes this data states one that those of the prompts, the models and the constitution
allow.
"""


def card(data: Sequence[Data], run: Path, recipe: Recipe) -> str:
    """The card of `data`, in Markdown with its front matter."""
    copies = constitution_files(run)
    record = read_json(run / "run.json", todo="it only tells of times and versions; let it hold {}")
    body = _CARD.format(
        name=span(constitutions.load(copies[0]).name),
        contents="\n".join(line for each in data for line in _contents(each)),
        first=data[0].name,
        split=_split(data[0]),
        models="\n".join(_models(recipe)),
        constitutions="\n".join(map(_constitution, copies)),
        version=span(str(record.get("versions", {}).get("solon", "of an unknown version"))),
        recipe=fence((run / "recipe.yaml").read_text(encoding="utf-8"), "yaml"),
    )
    return f"---\n{_front(data)}---\n\n{body}"


def span(text: str) -> str:
    """Text on one line, in a code span that it cannot end."""
    line = visible(" ".join(text.split())) or " "
    ticks = "`" * (_longest(line) + 1)
    return f"{ticks} {line} {ticks}" if "`" in line else f"{ticks}{line}{ticks}"


def fence(text: str, language: str) -> str:
    """Text as it is, in a code block that it cannot end."""
    ticks = "`" * max(3, _longest(text) + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def _longest(text: str) -> int:
    """The longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)


def _front(data: Sequence[Data]) -> str:
    configs = [
        {
            "config_name": each.name,
            "data_files": [{"split": _split(each), "path": f"data/{each.name}-*.parquet"}],
            **({"default": True} if each is data[0] else {}),
        }
        for each in data
    ]
    front: dict[str, Any] = {
        "task_categories": ["text-generation"],
        "tags": ["constitutional-ai", "rlaif", "trl"],
        "configs": configs,
    }
    return str(yaml.safe_dump(front, sort_keys=False))


def _split(data: Data) -> str:
    return "test" if data.stage == "07-evaluate" else "train"


def _contents(data: Data) -> Iterator[str]:
    yield f"- **`{data.name}`**, {len(data.rows):,} rows from the {data.total:,} of `{data.stage}`. {data.about}"
    for reason, many in data.left_out.items():
        yield f"  - left out: {many:,}, {span(reason)}"


def _models(recipe: Recipe) -> Iterator[str]:
    for does, given in (
        ("Answers, criticises and revises", recipe.helpful_model),
        ("Is finetuned on the revisions: sl-cai", recipe.base_model),
        ("Writes the pairs of responses", recipe.pairs_model or named(SL_CAI)),
        ("Compares", recipe.feedback_model),
    ):
        given = given or recipe.helpful_model
        models = given if isinstance(given, tuple) else (given,)
        yield f"- {does}: {', '.join(map(_model, models))}"


def _model(model: NamedModel) -> str:
    """A model by its names, without the folders of this machine or what a class is made with."""
    told = [
        span(Path(name).name if Path(name).is_dir() else name)
        for name in (model.name, model.adapter)
        if name is not None
    ]
    return " with the adapter ".join(told)


def _constitution(path: Path) -> str:
    return fence(constitutions.text_of(path), "yaml") + "\n" + "".join(_sources(constitutions.load(path)))


def _sources(constitution: Constitution) -> Iterator[str]:
    """Where the principles come from, as far as it is told."""
    told = [principle for principle in constitution.principles if principle.source is not None]
    if told:
        yield "\nWhere the wording of its principles comes from:\n\n"
    for principle in told:
        if principle.source is not None:
            licence = f", licence {span(principle.source.licence)}" if principle.source.licence else ""
            yield f"- `{principle.id}`: {span(principle.source.work)}{licence}\n"
