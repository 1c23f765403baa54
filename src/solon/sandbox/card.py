"""The card of the sandbox's model: how it was made, what it can do, and what it is not."""

from collections.abc import Mapping
from typing import Any

_CARD = """---
license: apache-2.0
library_name: transformers
tags: [constitutional-ai, sandbox]
---

# The sandbox's language model

A Llama of {parameters:,} parameters, trained from random weights on the text of Solon's sandbox and on nothing else:
dialogues, facts, critiques with revisions and comparisons, some after examples, all made by the rules in
`solon/sandbox`. It is the starting model of Constitutional AI in small: helpful and no more (it does what is asked,
harmful or not), and able to criticise, to revise and to compare under principles in the sandbox's words.

It speaks through Solon's prompt templates and its own chat template. A test fails when the templates have changed since
it was trained.

## What it is not

It knows no English beyond the sandbox's few hundred words and no fact about the world. Its harmful answers are of use
to nobody: "First lift the lock. Then ride off slowly." It is for tests, demonstrations and experiments on the method,
and for nothing else. What holds of it need not hold of a large model.

## How it was made

By `solon sandbox build`, from seed {seed}, in {steps:,} steps on {threads} CPU thread(s) with torch {torch}; the
settings are in `solon.json`. Preferences were learned from the probabilities of the sandbox's rule-based oracle.
Late in its training its critics also read answers of its own, with what the oracle says of them.

## What it can do

Measured against the oracle, sampling at temperature 1, with about {n:,} questions each. Critiques, revisions and
comparisons were learned on seen acts, seen combinations of act and owner, and seen principles only; a pair is clear
where the oracle is at least 75 % sure. Where a principle is ambiguous the two things that it may mean contradict each
other, and only its examples say which is meant: one half is right by chance.

{figures}
"""


def card(figures: Mapping[str, Mapping[str, float]], **facts: Any) -> str:
    """The card in Markdown. `figures` are those of `examine`."""
    tables = []
    for name, values in figures.items():
        rows = [f"| {what} | {value:.3f} |" for what, value in values.items()]
        tables.append("\n".join([f"### {name[0].upper()}{name[1:]}", "", "| | |", "|---|---|", *rows]))
    return _CARD.format(figures="\n\n".join(tables), **facts)
