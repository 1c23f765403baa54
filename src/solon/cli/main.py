"""The commands."""

import io
import os
import signal
import sys
import warnings
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from solon.cli.ending import exits
from solon.errors import UsageError

app = typer.Typer(
    help="Constitutional AI: from a constitution that a person writes to a model that follows it.",
    epilog="Begin with `solon demo`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
constitution_app = typer.Typer(
    help="Show a constitution, find what would go wrong with it, or make one of others' files.", no_args_is_help=True
)
sandbox_app = typer.Typer(help="The sandbox: a small world, and a small language model of it.", no_args_is_help=True)
judge_app = typer.Typer(
    help="How good a feedback model is at comparing responses, before its labels are believed.", no_args_is_help=True
)
app.add_typer(constitution_app, name="constitution")
app.add_typer(judge_app, name="judge")
app.add_typer(sandbox_app, name="sandbox")

Constitution = Annotated[str | None, typer.Option(help="A built-in's name or a YAML file, in place of the recipe's.")]
Seed = Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="In place of the recipe's seed.")]
Out = Annotated[Path | None, typer.Option(help="The run folder. Default: runs/RECIPE-CONSTITUTION-SEED.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="E.g. label.shuffle=true.")]
Until = Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage, e.g. label or 04-label.")]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="Take only the first so many prompts of each kind: tries the machinery, not the method."),
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens-total", min=1, help="Stop when the run has so many tokens, old ones too.")
]
MaxTime = Annotated[
    float | None, typer.Option("--max-time", min=0, metavar="SECONDS", help="Stop after so long; it can be resumed.")
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Ask models on a Ray cluster: HOST:PORT, `auto` for the one of this machine, or `local`.",
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="On the cluster. Default: as many as fit.")]
GpusPerWorker = Annotated[
    float | None, typer.Option(min=0, help="Default: 1 for a model that is loaded, where the cluster has GPUs.")
]
WorkerRows = Annotated[
    int, typer.Option(min=1, help="Rows that ask a server which a worker takes, and returns, at a time.")
]
Launcher = Annotated[
    str | None,
    typer.Option(
        metavar="COMMAND", help='Starts the processes that train, e.g. "accelerate launch --num_processes 8".'
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]


class Shown(StrEnum):
    """How progress is shown."""

    auto = "auto"
    bars = "bars"
    plain = "plain"
    json = "json"
    none = "none"


Progress = Annotated[Shown, typer.Option(help="On stderr. auto: bars on a terminal, else a plain line every 30 s.")]
Named = Annotated[str | None, typer.Argument(metavar="NAME|FILE", help="A built-in's name or a YAML file.")]

QUIET = {
    "TOKENIZERS_PARALLELISM": "false",  # which a fork would be warned about
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what Ray writes as errors is meant for its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # whose coming default Ray would warn of
}
"""Keeps libraries from talking over the progress; what the person has set stays."""


def main() -> None:
    """Run the command line."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what a terminal cannot show is shown by its code
    signal.signal(signal.SIGTERM, _interrupt)
    app()


@app.command()
@exits
def demo(
    constitution: Constitution = None,
    seed: Seed = None,
    out: Out = None,
    settings: Settings = None,
    until: Until = None,
    limit: Limit = None,
    max_tokens_total: MaxTokens = None,
    max_time: MaxTime = None,
    progress: Progress = Shown.auto,
    as_json: Json = False,
) -> None:
    """Do the whole paper on the sandbox: minutes on a laptop, and nothing to download."""
    from solon.cli.running import Order, do

    given = tuple(settings or ())
    order = Order("demo", constitution, seed, out, given, until, limit, max_tokens_total, max_time)
    do(order, shown=progress, as_json=as_json)


@app.command()
@exits
def run(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A YAML file, as `solon init` writes one, or `demo`.")
    ],
    constitution: Constitution = None,
    seed: Seed = None,
    out: Out = None,
    settings: Settings = None,
    until: Until = None,
    limit: Limit = None,
    max_tokens_total: MaxTokens = None,
    max_time: MaxTime = None,
    ray: Ray = None,
    workers: Workers = None,
    gpus_per_worker: GpusPerWorker = None,
    worker_rows: WorkerRows = 32,
    launcher: Launcher = None,
    progress: Progress = Shown.auto,
    as_json: Json = False,
) -> None:
    """Do the whole paper as a recipe says. The same command goes on where it was stopped."""
    from solon.cli.running import Order, do
    from solon.recipe import Cluster

    if ray is None and (workers, gpus_per_worker, worker_rows) != (None, None, 32):
        raise UsageError("workers are those of a Ray cluster: name it with --ray, e.g. --ray auto")
    cluster = None if ray is None else Cluster(ray, workers, gpus_per_worker, worker_rows)
    given = tuple(settings or ())
    order = Order(recipe, constitution, seed, out, given, until, limit, max_tokens_total, max_time, cluster, launcher)
    do(order, shown=progress, as_json=as_json)


@app.command()
@exits
def init(folder: Annotated[Path, typer.Argument(metavar="[DIR]")] = Path()) -> None:
    """Write a recipe and a constitution to begin with; files that are there are left alone."""
    from solon.cli.looking import write_beginnings

    write_beginnings(folder)


@app.command()
@exits
def check(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file, or `demo`.")],
    constitution: Constitution = None,
    settings: Settings = None,
    until: Until = None,
    limit: Limit = None,
    ask: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Estimate by asking about the first N prompts of each kind.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a recipe, its constitution and prompts, and say what a run would do and take; nothing is run or written."""
    from solon.cli.looking import check_recipe
    from solon.cli.running import Order

    order = Order(recipe, constitution, settings=tuple(settings or ()), until=until, limit=limit)
    check_recipe(order, asks=ask, as_json=as_json)


@app.command()
@exits
def preview(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file, or `demo`.")],
    n: Annotated[int, typer.Option("-n", min=1, help="So many prompts of each kind.")] = 3,
    constitution: Constitution = None,
    settings: Settings = None,
) -> None:
    """Show what a run would send to the models, as they read it, and what they say to it; nothing is written."""
    from solon.cli.preview import preview as look
    from solon.cli.running import Order

    look(Order(recipe, constitution, settings=tuple(settings or ())), n=n)


@app.command()
@exits
def show(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    stage: Annotated[
        str | None, typer.Argument(metavar="[STAGE]", help="E.g. critique; without it, the stages are listed.")
    ] = None,
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Of a row; without it, the ids are listed.")] = None,
    as_json: Json = False,
) -> None:
    """Show a row of a run: its prompt, every critique and revision, and what each revision changed."""
    from solon.cli.looking import show_row, show_rows, show_stages

    if stage is None:
        show_stages(run, as_json=as_json)
    elif id is None:
        show_rows(run, stage, as_json=as_json)
    else:
        show_row(run, stage, id=id, as_json=as_json)


@app.command()
@exits
def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]) -> None:
    """Make one HTML page of what is there of a run."""
    from solon import report as reports

    print(f"The report: {reports.build(run)}")
    print(f"Next: solon show {run} critique")


@app.command()
@exits
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="trl, axolotl, llama-factory, openrlhf or hub.")],
    stage: Annotated[
        str | None, typer.Option(metavar="STAGE", help="critique or label; hub also evaluate. Default: all there are.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="A new folder. Default: RUN/export/FORMAT.")] = None,
    as_json: Json = False,
) -> None:
    """Write a run's data for another trainer, or as a data set for the Hugging Face Hub."""
    from solon.cli.exporting import export_run

    export_run(run, to=to, stage=stage, out=out, as_json=as_json)


@constitution_app.command("show")
@exits
def show_constitution(name: Named = None) -> None:
    """Print a constitution as it was written; without a name, list the built-in ones."""
    from solon.cli.looking import print_constitution

    print_constitution(name)


@constitution_app.command()
@exits
def lint(
    name: Named = "sandbox",
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Say too what would be too long for it.")] = None,
    eval_prompts: Annotated[
        str | None, typer.Option(metavar="FILE", help="Say too which examples an evaluation has among its prompts.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what would go wrong with a constitution, where, and how to mend it."""
    from solon.cli.linting import print_findings

    print_findings(name or "sandbox", model=model, eval_prompts=eval_prompts, as_json=as_json)


@constitution_app.command()
@exits
def schema() -> None:
    """Print the JSON Schema of constitutions, by which an editor completes and explains their keys."""
    from solon.cli.linting import print_schema

    print_schema()


@constitution_app.command("import")
@exits
def import_constitution(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Lists of principles, and of examples that go with them.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write; one that is there is left alone.")] = Path(
        "constitution.yaml"
    ),
    name: Annotated[str | None, typer.Option(help="Of the constitution. Default: as the file.")] = None,
    as_json: Json = False,
) -> None:
    """Make a constitution of the paper's prompt files, Hugging Face's lists, character traits or plain sentences."""
    from solon.cli.importing import import_files

    import_files(files, out=out, name=name, as_json=as_json)


@judge_app.command("audit")
@exits
def audit_judge(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As a recipe's feedback_model, e.g. sandbox.")],
    constitution: Annotated[str, typer.Option(help="A built-in's name or a YAML file.")] = "harmless",
    pairs: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Of prompt, chosen, rejected. Default: the constitution's examples."),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="So many known pairs.")] = 50,
    chain_of_thought: Annotated[bool, typer.Option(help="Have it reason first.")] = False,
    votes: Annotated[int | None, typer.Option(min=1, help="Count so many sampled answers.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
    out: Annotated[Path | None, typer.Option(help="The folder. Default: runs/audit-MODEL-CONSTITUTION.")] = None,
    progress: Progress = Shown.auto,
    as_json: Json = False,
) -> None:
    """Ask a feedback model about pairs that are known or made to be worse, and say what it falls for."""
    from solon.cli.auditing import audit_model
    from solon.stages.label import LabelConfig

    config = LabelConfig(chain_of_thought=chain_of_thought, votes=votes, seed=seed)
    audit_model(
        model, constitution=constitution, pairs=pairs, n=n, config=config, out=out, shown=progress, as_json=as_json
    )


@judge_app.command()
@exits
def hhh(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Comparisons in the form of the paper's evaluation.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="The feedback model: a name, a folder, or `sandbox`.")],
    constitution: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="By whose principles is compared, and whose examples are shown.")
    ] = "harmless",
    few_shot: Annotated[bool, typer.Option("--few-shot", help="Show the constitution's examples.")] = False,
    chain_of_thought: Annotated[bool, typer.Option("--chain-of-thought", help="Let the model reason first.")] = False,
    samples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Reasonings in each order, averaged; the paper's ensemble is 5.")
    ] = 1,
    one_order: Annotated[bool, typer.Option("--one-order", help="Ask once, as the paper; not in both orders.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="The first so many items.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Draws the orders, principles and reasonings.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Questions computed together.")] = 32,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Default: runs/judge-…, by what is asked.")] = None,
    progress: Progress = Shown.auto,
    as_json: Json = False,
) -> None:
    """Ask a feedback model about comparisons whose answer is known. The same command goes on where it was stopped."""
    from solon.cli.judging import judge_hhh
    from solon.recipe.hhh import HHHConfig

    config = HHHConfig(model, constitution, few_shot, chain_of_thought, samples, not one_order, seed)
    judge_hhh(file, config, out=out, limit=limit, batch_size=batch_size, shown=progress, as_json=as_json)


@judge_app.command()
@exits
def agreement(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A table of judgements in two orders, or a stage, e.g. RUN/04-label.")
    ],
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of the intervals.")] = 0,
    as_json: Json = False,
) -> None:
    """Say how judgements in two orders agree with one another, and with the truth where the table has one."""
    from solon.cli.judging import judge_agreement

    judge_agreement(file, seed=seed, as_json=as_json)


@sandbox_app.command()
@exits
def build(
    out: Annotated[Path, typer.Option(help="The folder for the model.")] = Path("sandbox-model"),
    seed: Annotated[int, typer.Option(min=0)] = 0,
    progress: Progress = Shown.auto,
) -> None:
    """Train the sandbox's language model anew; the same command goes on where it was stopped."""
    from solon.cli.progress import progress as shown
    from solon.recipe.progress import Event
    from solon.sandbox.build import BuildConfig
    from solon.sandbox.build import build as train

    config = BuildConfig(seed=seed)
    with shown(progress) as tell:

        def report(step: int, losses: dict[str, float]) -> None:
            tell(Event("sandbox", "goes on", "steps", done=step, total=config.steps, measures=losses))

        tell(Event("sandbox", "begins", "steps", total=config.steps))
        train(out, config, report=report)
        tell(Event("sandbox", "ends", "steps", done=config.steps, total=config.steps))
    print(f"The model: {out}")
    print(f"Next: solon demo --set helpful_model={out} --set feedback_model={out}")


@sandbox_app.command()
@exits
def sample(
    n: Annotated[int, typer.Option("-n", min=1)] = 5,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Print requests of the world, ways to respond, and what the oracle says of each."""
    from solon.cli.world import print_sample

    print_sample(n, seed=seed, as_json=as_json)


@sandbox_app.command()
@exits
def words() -> None:
    """Print the words of which the sandbox's principles are made."""
    from solon.cli.world import print_words

    print_words()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
