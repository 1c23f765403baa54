"""Whether a feedback model can be trusted with labels, asked as this run asks for them, before anything is spent."""

import json
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from typing import Any

from solon.chains import Chain
from solon.constitution.exemplars import draw_principle
from solon.constitution.schema import Constitution, Exemplars
from solon.errors import ModelError
from solon.evaluate import audit
from solon.evaluate.audit import Finding
from solon.recipe.comparing import folders, judges_of
from solon.recipe.known_pairs import known_pairs
from solon.recipe.schema import SANDBOX
from solon.recipe.work import Asking, Table, told_of
from solon.records import Audited, Conversation, Probe, rng
from solon.stages.label import LabelConfig, label, num_questions

FOLDER = "00-audit"


def asking(constitution: Constitution, *, config: LabelConfig, source: str | None, most: int) -> Asking:
    """The audit as a stage that asks: about `most` known pairs of a source, as `known_pairs` takes it.

    Raises:
        UsageError: there are no such pairs.
    """
    known = known_pairs(source, constitution, most=most, seed=config.seed)
    config = replace(config, shuffle=False, num_principles=1)
    return Asking(
        rows=audit.probes(known),
        chain=partial(_label, constitution=constitution),
        config=config,
        questions=lambda row: num_questions([constitution], config),
        row_type=Audited,
        settings={"constitution": told_of(constitution, constitution.for_comparison)},
        summary=lambda rows: {"audit": [asdict(each) for each in audit.findings(rows)]},
    )


def require(table: Table) -> None:
    """Audit every feedback model of a run, under every constitution that it compares by, if the recipe asks for it.

    Raises:
        ModelError: the labels of one should not be believed.
    """
    recipe = table.recipe
    if not recipe.audit.require:
        return
    models = recipe.feedback_model or (recipe.helpful_model,)
    cases = list(product(models, judges_of(recipe, table.constitution).each))
    places = folders([f"{model}-{judge.name}" for model, judge in cases])
    told = []
    for (model, judge), place in zip(cases, places, strict=True):
        source = recipe.audit_pairs or default_source(model.name, judge)
        asked = asking(judge, config=recipe.label, source=source, most=recipe.audit.num_pairs)
        rows = table.ask(FOLDER if len(cases) == 1 else f"{FOLDER}-{place}", asked, model=model)
        told += [f"{model}: {one_line(each)}" for each in audit.failed(audit.findings(rows))]
    if told:
        raise ModelError(
            "The labels of the feedback model should not be believed; nothing has been spent on them:\n  "
            + "\n  ".join(told)
            + "\nChoose another feedback_model, have it reason first (label.chain_of_thought), audit it on more pairs "
            "(audit.num_pairs) where this is unclear, or set audit.require: false."
        )


def default_source(model: str, judge: Constitution) -> str | None:
    """Where known pairs are from if nobody says: the constitution's examples; of the sandbox's model else its world."""
    has_examples = any(
        each != Exemplars() for each in (judge.exemplars, *(it.exemplars for it in judge.for_comparison))
    )
    return SANDBOX if model == SANDBOX and not has_examples else None


def one_line(found: Finding) -> str:
    """A finding in words."""
    if found.value is None:
        return f"{found.name}: no pair was judged ({json.dumps(dict(found.lost))})"
    return (
        f"{found.name}: {found.told} in {found.value:.2f} ({found.low:.2f} to {found.high:.2f}) of {found.n} pairs, "
        f"at most {found.most:g} may be: {found.verdict}"
    )


def _label(row: Probe, *, constitution: Constitution, config: LabelConfig) -> Chain[Any]:
    """Label a probe under one principle, the same for all probes of a known pair."""
    return label(row, constitutions=[_under(constitution, row, config.seed)], config=config)


def _under(constitution: Constitution, row: Probe, seed: int) -> Constitution:
    """The constitution with that principle alone, and without examples that are about the prompt."""
    usable = [each for each in constitution.for_comparison if row["principle"] in (None, each.id)]
    principle = draw_principle(usable, rng(seed, row["prompt_id"], "audit"))
    others = principle.model_copy(update={"exemplars": _without(principle.exemplars, row["prompt"])})
    shared = _without(constitution.exemplars, row["prompt"])
    return constitution.model_copy(update={"principles": (others,), "exemplars": shared})


def _without(exemplars: Exemplars, prompt: Conversation) -> Exemplars:
    asked = prompt[-1]["content"]
    return exemplars.model_copy(
        update={
            "comparisons": tuple(each for each in exemplars.comparisons if each.conversation != prompt),
            "transcripts": tuple(each for each in exemplars.transcripts if asked not in each),
        }
    )
