"""How fast one pair is labelled under N principles in both orders: a forward pass a question, ordinary batches, rows.

    python benchmarks/shared_prefix.py

Whole labelling is timed, prompts and tokens included, on one thread: the three ways take turns, and what is told is the
median of CPU seconds. The responses have 200 words of one token each. The principles are as many, and as long in words,
as those of a built-in constitution, and of such words too, unless they are wanted as they are written. RESULTS.md has
the figures.
"""

import argparse
import random
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from solon import sandbox
from solon.chains import Failure, Request
from solon.constitution import load as constitutions
from solon.constitution.exemplars import ExemplarsConfig
from solon.constitution.schema import Constitution, Principle
from solon.models import transformers
from solon.models.drivers import Answered, in_rounds
from solon.models.transformers import Transformers
from solon.records import Comparison, Pair, user
from solon.sandbox.examine import Unkept
from solon.stages.label import LabelConfig, label

NAMES = ("a pass each", "padded batch", "shared rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--principles", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--constitution", default="harmless")
    parser.add_argument("--as-written", action="store_true", help="do not redraw the words of the principles")
    parser.add_argument("--words", type=int, default=200, help="of a response")
    parser.add_argument("--pairs", type=int, default=1, help="labelled together")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    words = of_one_token(AutoTokenizer.from_pretrained(sandbox.model_path()))
    constitution = constitutions.load(options.constitution)
    if not options.as_written:
        constitution = redrawn(constitution, words)
    pairs = [pair(number, words, length=options.words) for number in range(options.pairs)]
    print(f"| Model | N | Tokens a question | {' | '.join(f'{name}, s' for name in NAMES)} | Ratios | Difference |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, path in (("embedded", sandbox.model_path()), ("random Llama", larger(Path(folder)))):
            ways = loaded(path)
            title = f"{name}, {ways[0].model.num_parameters() / 1e6:.1f} million"
            for count in options.principles:
                line = compared(ways, pairs, constitution, count=count, repeats=options.repeats)
                print(f"| {title} | {line} |", flush=True)


def of_one_token(tokenizer: Any) -> list[str]:
    tokens: list[str] = sorted(tokenizer.get_vocab())
    return [token[1:] for token in tokens if token[0] == "Ġ" and token[1:].isalpha() and token[1:].isascii()]


def redrawn(constitution: Constitution, words: list[str]) -> Constitution:
    """The same, with other words in its principles; a mark counts as a word."""
    draw = random.Random(0)

    def other(principle: Principle) -> Principle:
        length = len(re.findall(r"\w+|[^\w\s]", principle.comparison_request or ""))
        return principle.model_copy(update={"comparison_request": " ".join(draw.choices(words, k=length))})

    return constitution.model_copy(update={"principles": tuple(map(other, constitution.for_comparison))})


def larger(folder: Path) -> Path:
    """A random model of 30 million parameters, with the tokenizer of the embedded one."""
    tokenizer = AutoTokenizer.from_pretrained(sandbox.model_path())
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=9,
        num_attention_heads=8,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def loaded(path: Path) -> list[Transformers]:
    """The model as it asks each way."""
    ways = [transformers.load(str(path), device="cpu", threads=1, batch_size=size) for size in (1, 128, 128)]
    ways[1]._row = 1  # nothing shares a row
    return ways


def pair(number: int, words: list[str], *, length: int) -> Pair:
    draw = random.Random(number)
    asked, first, second = (" ".join(draw.choices(words, k=n)) for n in (15, length, length))
    return {
        "id": f"p{number}",
        "prompt": [user(asked)],
        "drop_reason": None,
        "kind": "red-team",
        "prompt_id": f"p{number}",
        "responses": [first, second],
        "revision": None,
    }


def compared(
    ways: list[Transformers], pairs: list[Pair], constitution: Constitution, *, count: int, repeats: int
) -> str:
    """One line of the table, from its second column on."""
    seconds: list[list[float]] = [[] for _ in ways]
    rows: list[list[Comparison]] = [[] for _ in ways]
    asked = Asked()
    for _ in range(repeats):
        for way, model in enumerate(ways):
            start = time.process_time()
            rows[way] = labelled(model, pairs, constitution, count=count, journal=asked)
            seconds[way].append(time.process_time() - start)
    each, padded, shared = (statistics.median(times) for times in seconds)
    lengths = [
        len(ids) for request in asked.requests if not isinstance(ids := ways[0]._encode_request(request), Failure)
    ]
    assert len(lengths) == len(asked.requests) == repeats * len(ways) * len(pairs) * 2 * count
    plain, *others = map(probabilities, rows)
    difference = max(abs(p - q) for other in others for p, q in zip(plain, other, strict=True))
    return (
        f"{count} | {statistics.mean(lengths):.0f} | {each:.3f} | {padded:.3f} | {shared:.3f} | "
        f"{each / shared:.1f}, {padded / shared:.1f} | {difference:.0e}"
    )


def labelled(
    model: Transformers, pairs: list[Pair], constitution: Constitution, *, count: int, journal: "Asked"
) -> list[Comparison]:
    config = LabelConfig(num_principles=count, min_mass=0.0, exemplars=ExemplarsConfig("none"))
    chains = [(pair["id"], label(pair, constitutions=[constitution], config=config)) for pair in pairs]
    return list(in_rounds(chains, model, journal=journal).values())


def probabilities(rows: list[Comparison]) -> list[float]:
    told = [p for row in rows for each in row["judgements"] for p in (each["forward"], each["backward"])]
    return [p for p in told if p is not None]


class Asked(Unkept):
    """Remembers what was asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def keep(self, batch: Sequence[Answered]) -> None:
        self.requests += [each.request for each in batch]


if __name__ == "__main__":
    main()
