"""A feedback model asked about comparisons whose answer is known, by the very chain that labels a run (section 2).

The paper's evaluation in its four forms: without examples, with examples, with reasoning, and the mean of several
reasonings (figure 4). The folder is that of a run with one stage, `04-label`, whose rows have the `truth` besides.

Where we differ:
1. Both orders are asked, and one principle is drawn for each item; the paper asks once, under its own one request.
2. What is said after reasoning is not clamped: the clamp is for training.
3. Items that stand among the examples, or whose conversation does, are not asked about. The paper does not say.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from solon.constitution import exemplars
from solon.constitution import load as constitutions
from solon.constitution.exemplars import ComparisonExample, ExemplarsConfig, Verbatim
from solon.constitution.importers.part import pieces
from solon.constitution.schema import Constitution
from solon.errors import UsageError
from solon.evaluate.agreement import Told, known_answers
from solon.recipe.hhh_file import Item, read_items
from solon.recipe.named_model import ModelOptions, named
from solon.recipe.progress import Progress
from solon.recipe.work import Asking, Helper, ask, told_of
from solon.records import Comparison, Conversation, rng
from solon.runs import open_run, read_summary
from solon.stages import ensemble
from solon.stages.label import LabelConfig, label, num_questions

STAGE = "04-label"


class Judged(Comparison):
    """A label, and which of the responses is the better one."""

    truth: Literal[1, 2]


@dataclass(frozen=True)
class HHHConfig:
    """How a feedback model is asked."""

    model: str
    constitution: str = "harmless"
    few_shot: bool = False
    """Show the constitution's examples."""
    chain_of_thought: bool = False
    num_reasonings: int = 1
    """In each order; what is read off after them is averaged. The paper's ensemble is 5."""
    both_orders: bool = True
    seed: int = 0

    @property
    def label(self) -> LabelConfig:
        """The same as settings of the stage."""
        return LabelConfig(
            chain_of_thought=self.chain_of_thought,
            clamp=None,
            both_orders=self.both_orders,
            num_reasonings=self.num_reasonings,
            exemplars=ExemplarsConfig(of="both" if self.few_shot else "none"),
            seed=self.seed,
        )


def judge_hhh(
    source: str | Path, config: HHHConfig, *, out: Path, limit: int | None, batch_size: int, progress: Progress
) -> dict[str, Any]:
    """Ask about the items of a file, or the first `limit`, in a folder, and return the summary of what came of it.

    It has "figures" (each "value", "low", "high", "n"), "beside" (what asks nobody), "states" and "excluded".

    Raises:
        UsageError: the file, the constitution or the settings cannot be used, or the folder is of other ones.
        ModelError: the model could not be fetched.
    """
    constitution = constitutions.load(config.constitution)
    _unless_able(constitution, config)
    items = read_items(source, first=limit, seed=config.seed)
    excluded = contaminated(items, constitution, config.label)
    asked = [item for item in items if all(item["id"] not in ids for ids in excluded.values())]
    if not asked:
        raise UsageError(f"{source}: all {len(items)} items stand among the examples; ask without --few-shot")
    asking = Asking(
        rows=asked,
        chain=partial(label, constitutions=[constitution]),
        config=config.label,
        questions=lambda pair: num_questions([constitution], config.label),
        row_type=Judged,
        settings={"constitution": told_of(constitution, constitution.for_comparison), "excluded": excluded},
        summary=lambda rows: _summary(rows, excluded, seed=config.seed),
    )
    told = json.dumps({"file": Path(source).name, "items": len(items), **asdict(config)}, indent=2) + "\n"
    files = {"constitution.yaml": constitutions.text_of(config.constitution), "judge.json": told}
    helper = Helper(named(config.model), ModelOptions(batch_size=batch_size))
    with open_run(out, files=files) as run:
        ask(run, STAGE, asking, helper=helper, progress=progress)
    return read_summary(out / STAGE)


def contaminated(items: Sequence[Item], constitution: Constitution, config: LabelConfig) -> dict[str, list[str]]:
    """The ids of items that examples give away: those that an example "shows", and those that "share" its context.

    A context is shared where one conversation begins with the other, spaces aside.
    """
    shown = _shown(constitution, config)
    found: dict[str, list[str]] = {"shown": [], "share": []}
    for item in items:
        turns = _turns(item["prompt"])
        alike = [text for context, text in shown if _begin_alike(turns, context)]
        if any(all(_squeezed(response) in text for response in item["responses"]) for text in alike):
            found["shown"].append(item["id"])
        elif alike:
            found["share"].append(item["id"])
    return found


def told(row: Any) -> Told | None:
    """What a labelled row says beside its truth, if it has one; None of a row that is not labelled."""
    judgements = [each for each in row["judgements"] if each["state"] == "labelled"]
    forward, backward = ensemble.of_order(judgements, "forward"), ensemble.of_order(judgements, "backward")
    if row["state"] != "labelled" or forward is None:
        return None
    truth = {1: 1.0, 2: 0.0, None: None}[row.get("truth")]
    return Told(forward, backward, truth, row["prompt_id"], row["mass"])


Turns = list[tuple[str, str]]


def _unless_able(constitution: Constitution, config: HHHConfig) -> None:
    name = config.constitution
    if not constitution.for_comparison:
        raise UsageError(f"{name} has no principle with a comparison_request; add one, or give another --constitution")
    if config.num_reasonings > 1 and not config.chain_of_thought:
        raise UsageError(
            f"--samples {config.num_reasonings} are of reasoning, which is not asked for; add --chain-of-thought"
        )
    if config.few_shot and not _shown(constitution, config.label):
        kind = "comparisons with their reasoning" if config.chain_of_thought else "comparisons"
        raise UsageError(
            f"{name} has no examples of {kind} for --few-shot to show; add some, make a constitution of the paper's "
            "files by `solon constitution import`, or leave it out"
        )


def _summary(rows: Sequence[Any], excluded: dict[str, list[str]], *, seed: int) -> dict[str, Any]:
    labelled = [said for row in rows if (said := told(row)) is not None]
    return {
        "figures": known_answers(labelled, seed=seed),
        "beside": {"longer_is_right": _longer_is_right(rows), "contexts": len({row["prompt_id"] for row in rows})},
        "states": ensemble.states(rows),
        "excluded": excluded,
    }


def _longer_is_right(rows: Sequence[Any]) -> dict[str, Any]:
    """Of all that were asked about; two of one length are not."""
    right = sum(len(row["responses"][row["truth"] - 1]) > len(row["responses"][2 - row["truth"]]) for row in rows)
    return {"value": right / len(rows), "n": len(rows)}


def _shown(constitution: Constitution, config: LabelConfig) -> list[tuple[Turns, str]]:
    """The context of each example that may be shown, in either form, and the text that has its responses."""
    found: list[tuple[Turns, str]] = []
    of, draw = config.exemplars, rng(0)
    for principle in constitution.for_comparison:
        examples: list[ComparisonExample | Verbatim] = []
        if config.chain_of_thought:
            for verbatim in (True, False):
                examples += exemplars.reasonings(constitution, principle, config=of, draw=draw, verbatim=verbatim)
        else:
            examples += exemplars.comparisons(constitution, principle, config=of, draw=draw)
        for example in examples:
            if isinstance(example, Verbatim):
                found.append((_context(example.text), _squeezed(example.text)))
            else:
                found.append((_turns(example.prompt), _squeezed(" ".join(example.responses))))
    return [each for number, each in enumerate(found) if each not in found[:number]]


def _context(text: str) -> Turns:
    """The conversation that a transcript with reasoning quotes before its request."""
    _, _, said = text.partition("{}")[0].partition("\n\nH:")
    roles = {"H": "user", "A": "assistant"}
    return _plain([(roles[tag], turn) for tag, turn in pieces(f"H:{said}", roles)])


def _turns(conversation: Conversation) -> Turns:
    return _plain([(turn["role"], turn["content"]) for turn in conversation])


def _plain(turns: Turns) -> Turns:
    return [(role, _squeezed(said)) for role, said in turns]


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _begin_alike(one: Turns, other: Turns) -> bool:
    shorter = min(len(one), len(other))
    # A transcript whose conversation cannot be read gives [("user", "")], which begins like none.
    return one[:shorter] == other[:shorter]
