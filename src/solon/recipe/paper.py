"""The paper in order: each step takes what the steps before made, and the run folder keeps what it makes.

Where we differ from the paper:
1. Helpfulness comparisons are labelled by AI too, under the same constitution or another, and people's are added
   where they are given; the paper's are human (section 4.2).
2. One set of prompts serves all steps; the paper generates a million more for reinforcement.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from solon.constitution import load as constitutions
from solon.constitution.schema import Constitution
from solon.constitution.validate import nearest
from solon.errors import UsageError
from solon.evaluate.metrics import judge_rows, metrics
from solon.evaluate.sample import sample_response
from solon.models.cluster import Cluster
from solon.recipe import auditing, launching, serving
from solon.recipe.comparing import judges_of, label_pairs, pair_up, unless_comparable
from solon.recipe.inputs import judge_of, read_inputs, trained_model, unless_trainable
from solon.recipe.named_model import NamedModel, named
from solon.recipe.progress import Progress, unheard
from solon.recipe.schema import Recipe, copies_of, settled, to_yaml
from solon.recipe.work import UNBOUNDED, Asking, Budget, Table, digest, told_of
from solon.records import Comparison, Judge, Response, Revision
from solon.runs import open_run
from solon.runs.files import pretty, write_whole
from solon.stages import flaws, lora
from solon.stages.critique import critique_and_revise, repeated
from solon.stages.finetune import finetune
from solon.stages.flaws import FlawPolicies
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
    budget: Budget = UNBOUNDED,
    progress: Progress = unheard,
    warn: Callable[[str], None] = lambda warning: None,
    cluster: Cluster | None = None,
    launcher: str | None = None,
) -> None:
    """Do the whole paper, or `until` a stage, in the run folder `out`; called again, go on where it was.

    `limit` takes the first so many prompts of each kind. `warn` is told what servers cannot do. `cluster` is where
    models are asked, and `launcher` starts the processes that train, if not this one.

    Raises:
        UsageError: something given cannot work, or `out` was begun with something else.
        ModelError: a model cannot answer.
        Stopped: the budget is spent.
    """
    last = stage_named(until) if until else STAGES[-1]
    constitution = constitutions.load(recipe.constitution)
    unless_able(constitution, recipe, until=until)
    inputs = read_inputs(recipe, limit=limit)
    if launcher is not None:
        _unless_shared(recipe, launcher, last=last, out=out, warn=warn)
    servers = serving.asked(recipe, last=last, out=out, cluster=cluster)
    for name, message, fix in serving.warnings(recipe, servers):
        warn(f"{name}: {message}; {fix}")
    copies = {copy: constitutions.text_of(name) for name, copy in copies_of(recipe).items()}
    files = {"recipe.yaml": to_yaml(recipe, folder=out), **copies}
    with open_run(out, files=files) as folder:
        table = Table(settled(recipe), constitution, inputs, folder, progress, budget, servers, cluster, launcher)
        for done in in_order(table):
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
        UsageError: it has no principles, or settings that do not go together, or a model in a folder here that it
            cannot train, or not so.
    """
    last = stage_named(until) if until else STAGES[-1]
    serving.unless_trained_here(recipe, trains=last >= "02-finetune")
    serving.unless_found(recipe)
    serving.unless_priced(recipe)
    where = f"the constitution {recipe.constitution}"
    if not constitution.for_revision:
        raise UsageError(f"{where} has no principle with a revision_request, which 01-critique needs; add one")
    unless_comparable(recipe)
    for judge in judges_of(recipe, constitution).each:
        if last >= "04-label" and not judge.for_comparison:
            where = where if judge is constitution else f"the constitution {judge.name}"
            fix = "add one, or stop before with --until pairs"
            raise UsageError(f"{where} has no principle with a comparison_request, which 04-label needs; {fix}")
    if last >= "02-finetune":
        base_model = trained_model(recipe)
        unless_trainable(base_model)
        if (folder := Path(base_model)).is_dir():
            for section in (section for stage, section in _TRAINED.items() if last >= stage):
                lora.unless_there(getattr(recipe, section).lora, folder)


def _unless_shared(recipe: Recipe, launcher: str, *, last: str, out: Path, warn: Callable[[str], None]) -> None:
    """Try the launcher before anything is spent, if there is something left to train."""
    to_train = {
        stage: section
        for stage, section in _TRAINED.items()
        if stage <= last and not (out / stage / "summary.json").exists()
    }
    if not to_train:
        return
    launched = launching.tried(launcher)
    if launched.processes == 1:
        warn(
            f"`{launcher}` starts one process, which trains alone; where there are no GPUs, `accelerate launch "
            "--multi_gpu --num_processes 2` starts two"
        )
    launching.unless_shared(recipe, launched, stages=to_train)


def in_order(table: Table) -> Iterator[str]:
    """Do one step after another; yield the name of each when it is complete."""
    recipe = table.recipe
    base_model = trained_model(recipe)
    judge = judge_of(recipe.prompts, recipe.helpful_prompts)

    auditing.require(table)
    revisions, sl_cai = yield from _supervised(table, base_model, judge)
    pairs = pair_up(table, revisions, sl_cai=sl_cai)
    yield "03-pairs"
    comparisons: Sequence[Comparison] = label_pairs(table, pairs)
    if table.inputs.human_comparisons:
        comparisons = [*comparisons, *table.inputs.human_comparisons]
    yield "04-label"
    rl_cai = yield from _reinforced(table, comparisons, sl_cai, base_model, judge)
    if table.inputs.eval_prompts:
        _evaluate(table, {"helpful-only": recipe.helpful_model, "sl-cai": named(sl_cai), "rl-cai": named(rl_cai)})
        yield "07-evaluate"


def _supervised(
    table: Table, base_model: str, judge: Judge | None
) -> Generator[str, None, tuple[Sequence[Revision], Path]]:
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
        settings=told_of(constitution, constitution.for_revision),
        summary=partial(_critique_summary, policies=recipe.critique.flaws, judge=judge, notes=table.inputs.notes),
    )
    revisions = table.ask("01-critique", critique, model=recipe.helpful_model)
    yield "01-critique"

    sl_cai = table.train(
        "02-finetune",
        partial(finetune, revisions, model=base_model, config=recipe.finetune),
        settings={"config": asdict(recipe.finetune), "model": table.weights(base_model), "input": digest(revisions)},
    )
    yield "02-finetune"
    return revisions, sl_cai


def _reinforced(
    table: Table, comparisons: Sequence[Comparison], sl_cai: Path, base_model: str, judge: Judge | None
) -> Generator[str, None, Path]:
    """Section 4: the labels make a preference model, which reinforces SL-CAI: RL-CAI."""
    recipe = table.recipe
    preference_model = table.train(
        "05-preference_model",
        partial(train_preference_model, comparisons, model=base_model, config=recipe.preference_model, judge=judge),
        settings={
            "config": asdict(recipe.preference_model),
            "model": table.weights(base_model),
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
            "policy": table.weights(sl_cai),
            "preference_model": table.weights(preference_model),
            "input": digest(prompts),
        },
    )
    yield "06-rl"
    return rl_cai


def _evaluate(table: Table, models: dict[str, NamedModel]) -> None:
    """Have every model answer the held-out prompts, and a judge, if there is one, say what the answers are."""
    recipe, prompts = table.recipe, table.inputs.eval_prompts
    judge = judge_of(recipe.eval_prompts)
    settings = {"config": asdict(recipe.evaluate), "input": digest(prompts), "judge": judge is not None}
    stage = table.run.stage("07-evaluate", settings)
    answers: list[Sequence[Response]] = []
    for model, who in models.items():
        asking = Asking(
            rows=prompts,
            chain=partial(sample_response, model=model),
            config=recipe.evaluate,
            questions=lambda prompt: 1,
            row_type=Response,
            settings={"judge": judge is not None},
            finish=partial(judge_rows, judge=judge) if judge else list,
        )
        answers.append(table.ask(f"07-evaluate/{model}", asking, model=who))
    if not stage.complete:
        if judge:
            write_whole(
                stage.folder / "metrics.json", pretty(metrics([answer for of_model in answers for answer in of_model]))
            )
        dropped = Counter(answer["drop_reason"] for of_model in answers for answer in of_model)
        rows, ok = dropped.total(), dropped.pop(None, 0)
        stage.finish({"rows": rows, "ok": ok, "dropped": dict(dropped)})


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
