"""The paper in order: each step takes what the steps before made, and the run folder keeps what it makes.

Where we differ from the paper:
1. Helpfulness comparisons are labelled by AI too, under the same constitution, and people's are added where they are
   given; the paper's are human (section 4.2).
2. One set of prompts serves all steps; the paper generates a million more for reinforcement.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from solon.constitution import load as constitutions
from solon.constitution.schema import Constitution, Principle
from solon.constitution.validate import nearest
from solon.errors import UsageError
from solon.evaluate.metrics import judge_rows, metrics
from solon.evaluate.sample import sample_response
from solon.recipe.inputs import Inputs, judge_of, model_name, read_inputs, unless_trainable
from solon.recipe.schema import Recipe, settled, to_yaml
from solon.recipe.work import Asking, Helper, Progress, ask, digest, train, weights
from solon.records import Comparison, Judge, Pair, Response, Revision
from solon.runs import Run, open_run
from solon.runs.files import pretty, write_whole
from solon.stages import flaws, lora
from solon.stages.critique import critique_and_revise, repeated
from solon.stages.finetune import finetune
from solon.stages.flaws import FlawPolicies
from solon.stages.label import label, sample_pair
from solon.stages.preference_model import train_preference_model
from solon.stages.rl import reinforce

STAGES = ("01-critique", "02-finetune", "03-pairs", "04-label", "05-preference_model", "06-rl", "07-evaluate")
_TRAINED = {"02-finetune": "finetune", "05-preference_model": "preference_model", "06-rl": "rl"}
"""The sections of the stages that train."""


def run(
    recipe: Recipe,
    *,
    out: Path,
    until: str | None = None,
    limit: int | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> None:
    """Do the whole paper, or `until` a stage, in the run folder `out`; called again, go on where it was.

    `limit` takes the first so many prompts of each kind.

    Raises:
        UsageError: something given cannot work, or `out` was begun with something else.
        ModelError: a model cannot answer.
    """
    last = stage_named(until) if until else STAGES[-1]
    constitution = constitutions.load(recipe.constitution)
    unless_able(constitution, recipe, until=until)
    inputs = read_inputs(recipe, limit=limit)
    text = constitutions.text_of(recipe.constitution)
    files = {"recipe.yaml": to_yaml(recipe, folder=out), "constitution.yaml": text}
    with open_run(out, files=files) as folder:
        for done in _paper(_Table(settled(recipe), constitution, inputs, folder, progress)):
            if done == last:
                break


def stage_named(name: str) -> str:
    """The folder of a stage that is named "label" or "04-label".

    Raises:
        UsageError: there is no such stage.
    """
    for stage in STAGES:
        if name in (stage, stage[3:]):
            return stage
    known = [stage[3:] for stage in STAGES]
    raise UsageError(f"{name}: there is no such stage{nearest(name, known) or ';'} the stages are {', '.join(known)}")


def unless_able(constitution: Constitution, recipe: Recipe, *, until: str | None = None) -> None:
    """Say at once, not after hours, that a stage to come cannot do what it is to do.

    Raises:
        UsageError: it has no principles, or a model in a folder here that it cannot train, or not so.
    """
    last = stage_named(until) if until else STAGES[-1]
    where = f"the constitution {recipe.constitution}"
    if not constitution.for_revision:
        raise UsageError(f"{where} has no principle with a revision_request, which 01-critique needs; add one")
    if last >= "04-label" and not constitution.for_comparison:
        fix = "add one, or stop before with --until pairs"
        raise UsageError(f"{where} has no principle with a comparison_request, which 04-label needs; {fix}")
    if last >= "02-finetune":
        base_model = recipe.base_model or recipe.helpful_model
        unless_trainable(base_model)
        if (folder := Path(model_name(base_model))).is_dir():
            for section in (section for stage, section in _TRAINED.items() if last >= stage):
                lora.unless_there(getattr(recipe, section).lora, folder)


@dataclass(frozen=True)
class _Table:
    """What lies on the table for every step."""

    recipe: Recipe
    constitution: Constitution
    inputs: Inputs
    run: Run
    progress: Progress

    def ask(self, name: str, asking: Asking, *, model: str) -> list[Any]:
        return ask(self.run, name, asking, helper=Helper(model, self.recipe.models), progress=self.progress)

    def train(self, name: str, training: Callable[..., dict[str, Any]], *, settings: dict[str, Any]) -> Path:
        return train(self.run, name, settings, training, progress=self.progress)


def _paper(table: _Table) -> Iterator[str]:
    """Do one step after another; yield the name of each when it is complete."""
    recipe = table.recipe
    helpful_model = model_name(recipe.helpful_model)
    base_model = model_name(recipe.base_model or recipe.helpful_model)
    feedback_model = model_name(recipe.feedback_model or recipe.helpful_model)
    judge = judge_of(recipe.prompts, recipe.helpful_prompts)

    sl_cai = yield from _supervised(table, helpful_model, base_model, judge)
    rl_cai = yield from _reinforced(table, sl_cai, base_model, feedback_model, judge)
    if table.inputs.eval_prompts:
        _evaluate(table, {"helpful-only": helpful_model, "sl-cai": str(sl_cai), "rl-cai": str(rl_cai)})
        yield "07-evaluate"


def _supervised(table: _Table, helpful_model: str, base_model: str, judge: Judge | None) -> Generator[str, None, Path]:
    """Section 3: the helpful model criticises and revises its answers, the base model learns the revisions: SL-CAI."""
    recipe, constitution = table.recipe, table.constitution
    steps = recipe.critique.num_revisions * (1 + recipe.critique.critique)
    critique = Asking(
        rows=repeated(table.inputs.prompts, recipe.critique.num_helpful_responses),
        first=True,
        chain=partial(critique_and_revise, constitution=constitution),
        config=recipe.critique,
        questions=lambda prompt: 1 + (steps if prompt["kind"] == "red-team" else 0),
        row_type=Revision,
        settings=_told(constitution, constitution.for_revision),
        summary=partial(_critique_summary, policies=recipe.critique.flaws, judge=judge, notes=table.inputs.notes),
    )
    revisions = table.ask("01-critique", critique, model=helpful_model)
    yield "01-critique"

    sl_cai = table.train(
        "02-finetune",
        partial(finetune, revisions, model=base_model, config=recipe.finetune),
        settings={"config": asdict(recipe.finetune), "model": weights(base_model), "input": digest(revisions)},
    )
    yield "02-finetune"
    return sl_cai


def _reinforced(
    table: _Table, sl_cai: Path, base_model: str, feedback_model: str, judge: Judge | None
) -> Generator[str, None, Path]:
    """Section 4: AI feedback on pairs of SL-CAI's answers makes a preference model, which reinforces it: RL-CAI."""
    recipe, constitution = table.recipe, table.constitution
    pairing = Asking(
        rows=table.inputs.prompts,
        chain=sample_pair,
        config=recipe.pairs,
        questions=lambda prompt: 2,
        row_type=Pair,
    )
    pairs = table.ask("03-pairs", pairing, model=str(sl_cai))
    yield "03-pairs"

    labelling = Asking(
        rows=pairs,
        chain=partial(label, constitution=constitution),
        config=recipe.label,
        questions=lambda pair: (1 + recipe.label.both_orders) * (1 + recipe.label.chain_of_thought),
        row_type=Comparison,
        settings=_told(constitution, constitution.for_comparison),
        summary=lambda rows: {"flaws": flaws.counted(rows, recipe.critique.flaws)},
    )
    comparisons = [*table.ask("04-label", labelling, model=feedback_model), *table.inputs.human_comparisons]
    yield "04-label"

    preference_model = table.train(
        "05-preference_model",
        partial(train_preference_model, comparisons, model=base_model, config=recipe.preference_model, judge=judge),
        settings={
            "config": asdict(recipe.preference_model),
            "model": weights(base_model),
            "input": digest(comparisons),
        },
    )
    yield "05-preference_model"

    prompts = table.inputs.prompts
    rl_cai = table.train(
        "06-rl",
        partial(reinforce, prompts, policy=sl_cai, preference_model=preference_model, config=recipe.rl, judge=judge),
        settings={
            "config": asdict(recipe.rl),
            "policy": weights(sl_cai),
            "preference_model": weights(preference_model),
            "input": digest(prompts),
        },
    )
    yield "06-rl"
    return rl_cai


def _evaluate(table: _Table, models: dict[str, str]) -> None:
    """Have every model answer the held-out prompts, and a judge, if there is one, say what the answers are."""
    recipe, prompts = table.recipe, table.inputs.eval_prompts
    judge = judge_of(recipe.eval_prompts)
    settings = {"config": asdict(recipe.evaluate), "input": digest(prompts), "judge": judge is not None}
    stage = table.run.stage("07-evaluate", settings)
    answers: list[Response] = []
    for model, name in models.items():
        asking = Asking(
            rows=prompts,
            chain=partial(sample_response, model=model),
            config=recipe.evaluate,
            questions=lambda prompt: 1,
            row_type=Response,
            settings={"judge": judge is not None},
            finish=partial(judge_rows, judge=judge) if judge else list,
        )
        answers += table.ask(f"07-evaluate/{model}", asking, model=name)
    if not stage.complete:
        if judge:
            write_whole(stage.folder / "metrics.json", pretty(metrics(answers)))
        reasons = [answer["drop_reason"] for answer in answers]
        dropped = Counter(reason for reason in reasons if reason is not None)
        stage.finish({"rows": len(answers), "ok": reasons.count(None), "dropped": dict(dropped)})


def _critique_summary(
    rows: Sequence[Revision],
    *,
    policies: FlawPolicies,
    judge: Judge | None,
    notes: Mapping[str, Mapping[str, int]],
) -> dict[str, Any]:
    """What was done to the prompts, what was wrong with the answers, how many ended early, and what a judge says."""
    steps = Counter(len(row["steps"]) for row in rows if row["drop_reason"] is None and row["kind"] == "red-team")
    told: dict[str, Any] = {"flaws": flaws.counted(rows, policies), "revisions": dict(sorted(steps.items()))}
    if notes:
        told["sources"] = notes
    return told | ({"by_revision": _by_revision(rows, judge)} if judge else {})


def _by_revision(rows: Sequence[Revision], judge: Judge) -> list[dict[str, Any]]:
    """What the judge says of the responses to harmful red-team prompts, after each number of revisions (figure 5)."""
    usable = [row for row in rows if row["drop_reason"] is None and row["kind"] == "red-team"]
    responses: list[Response] = [
        {"id": row["id"], "prompt": row["prompt"], "drop_reason": None, "model": str(number), "response": response}
        for row in usable
        for number, response in enumerate([row["response"], *(step["revision"] for step in row["steps"])])
    ]
    harmful = [row for row in judge_rows(responses, judge) if row["request"] == "harmful"]
    return [
        {"revision": int(number), "harmful_rate": found["harmful_rate"], "oracle_score": found["oracle_score"]}
        for number, found in metrics(harmful)["models"].items()
    ]


def _told(constitution: Constitution, principles: Sequence[Principle]) -> dict[str, Any]:
    """What of a constitution affects a stage that uses these principles."""
    told = constitution.model_dump(mode="json", include={"hard_constraints", "exemplars"})
    return {**told, "principles": [principle.model_dump(mode="json") for principle in principles]}
