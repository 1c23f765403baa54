"""Training a preference model (Bai et al. 2022, sections 4.1 and 4.2; its loss: Bai et al. 2022a, equation 4.2).

The loss is the cross-entropy of σ(r₁ − r₂) against the label, a probability. Pairs stay in the order of their row, not
better before worse: the loss is the same in either order, and what is written about a pair then reads like its row.

Where we differ from the paper:
1. The preference model starts from the model given, e.g. SL-CAI; the paper's is pretrained on preferences of the web.
2. Comparisons by people, the paper's for helpfulness, are taken where they are given; else all labels are AI labels.
3. A held-out part of the comparisons measures it (`measures`).
4. Labels can be made hard, and several models be trained as an ensemble. The paper has soft labels and one model.
"""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from solon.errors import UsageError
from solon.records import Comparison, Conversation, Judge, assistant, rng
from solon.stages import comparisons, lora, ranks, scorer, training
from solon.stages.comparisons import source_of
from solon.stages.lora import LoraConfig
from solon.stages.measures import HeldOut, measured, sigmoid, together
from solon.stages.scorer import Combination, Scorer

LEARNING_RATE = 5e-4
MOST_MARGIN = 3.0
"""The largest of Llama 2's margins; the log-odds of a label near 0 or 1 have no bound."""

MEMBER = ("agreement", "log_loss", "excess", "ece", "score_mean")
"""What an ensemble's summary tells of each of its models."""


@dataclass(frozen=True)
class PreferenceModelConfig:
    """Settings of `train_preference_model`. The defaults suit a model of a million parameters and a thousand pairs."""

    targets: Literal["soft", "hard", "margin"] = "soft"
    """What is learned of a label. "soft": the probability, which in the paper "led to much better results than hard
    labels" (section 4.3). "hard": the likelier winner. "margin": the same, and that it wins by the label's log-odds, at
    most 3. The last two leave out labels of just 1/2."""
    margin_scale: float = 1.0
    """Factor of a margin. 1 makes margins of 3, 2, 1 of labels of 0.95, 0.88, 0.73: the larger of the two sets that
    Llama 2 has for its degrees of preference (Touvron et al. 2023, section 3.2.2). 1/3 makes the smaller."""
    human_ratio: float | None = None
    """At most so many human comparisons for each AI comparison; None takes all. The paper: 0.74, by its counts."""
    num_models: int = 1
    """More make an ensemble: each begins with a head of its own, and meets the comparisons in an order of its own."""
    bootstrap: bool = False
    """Each model learns as many comparisons, drawn with replacement, so that the models of an ensemble differ more."""
    epochs: int = 3
    """The paper: 1, over 318,127 comparisons."""
    learning_rate: float | None = None
    """At the start. None takes 5e-4, and ten times that with LoRA. The paper: 0.01 of that of pretraining."""
    schedule: Literal["linear", "constant"] = "linear"
    """How the learning rate goes on, "linear" to 0. The paper does not say."""
    batch_size: int = 32
    """Comparisons a step. The paper does not say."""
    micro_batch_size: int | None = None
    """Comparisons in one forward pass, a divisor of `batch_size`; less needs less memory. None takes all at once."""
    max_length: int = 1024
    """Tokens of prompt and response; a comparison with a longer one is left out. The paper: 1024."""
    lora: LoraConfig | None = None
    """None trains all weights, as the paper does."""
    held_out: float = 0.1
    """Share of the comparisons kept for measuring, drawn for each by its id."""
    seed: int = 0
    save_every: int = 50
    """Steps between checkpoints: what a kill can cost."""
    threads: int | None = None
    """The weights depend on it in their last bits; None takes torch's own choice."""


def train_preference_model(
    rows: Sequence[Comparison],
    *,
    model: Path | str,
    out: Path,
    config: PreferenceModelConfig,
    progress: training.Progress,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Train `model` with a scalar head on the rows; it lies in `out/model`, and the summary is returned.

    The mean score of held-out responses stands in the model's configuration as `score_mean`, and scores are left as
    they are; it is subtracted before preference models are compared (Bai et al. 2022a, appendix B.2). What was
    predicted for each held-out comparison lies in `out/held_out.json`. With a judge, who must know the prompts of the
    AI comparisons, the summary tells how often it agrees; it has no influence on the training.

    Of an ensemble each model lies in `out/model/member-0/model` and so on, the first as it would be alone; what is
    measured is the mean of their scores, each less its `score_mean`.

    Called again with the same settings it resumes, or returns the summary if it is done.

    Raises:
        UsageError: there is nothing to train on, a row cannot be learned, or `out` holds another training.
    """
    usable = comparisons.mixed(comparisons.usable(rows), ratio=config.human_ratio, seed=config.seed)
    sources = comparisons.sources(rows, used=usable)
    done = training.begin(out, settings=asdict(config), rows=usable)
    if done is not None:
        return {**done, "sources": sources}
    train_on, held_out = split(usable, config)
    if not train_on:
        raise UsageError(f"held_out {config.held_out} leaves none of {len(usable)} comparisons to train on; lower it")
    if config.num_models > 1 and not held_out:
        raise UsageError(
            f"held_out {config.held_out} holds none of {len(usable)} comparisons out, on which the scores of "
            f"{config.num_models} models are given a common zero; raise it"
        )
    job = _Job(train_on, held_out, str(model), judge)
    with training.quiet(), training.threads(config.threads):
        train = _train_ensemble if config.num_models > 1 else _train
        return {**train(job, out=out, config=config, progress=progress), "sources": sources}


def score(
    model: Path | str,
    prompts: Sequence[Conversation],
    responses: Sequence[str],
    *,
    how: Combination = "mean",
    batch_size: int = 64,
) -> list[float]:
    """Score each response to its prompt by a trained preference model; 0 is as good as an average held-out response.

    Of an ensemble: the mean of its scores, the worst, or their standard deviation, which says how unsure they are.
    """
    conversations = [[*prompt, assistant(response)] for prompt, response in zip(prompts, responses, strict=True)]
    with training.quiet():
        members = scorer.load(model, batch_size=batch_size)
        return [scorer.combined(scores, how) for scores in scorer.centred(members, conversations)]


def split(rows: Sequence[Comparison], config: PreferenceModelConfig) -> tuple[list[Comparison], list[Comparison]]:
    """Part rows into those to train on and those held out: all of a prompt together, whatever the others are."""
    parts: tuple[list[Comparison], list[Comparison]] = ([], [])
    for row in rows:
        parts[rng(config.seed, row["prompt_id"], "held out").random() < config.held_out].append(row)
    return parts


def target(row: Comparison, config: PreferenceModelConfig) -> dict[str, float]:
    """What the loss compares σ(r₁ − r₂ − margin) with. What people prefer has no margin: they do not say how surely."""
    label = float(row["probability"] or 0.0)
    if config.targets == "soft":
        return {"probability": label}
    hard = {"probability": float(label > 0.5)}
    if config.targets == "hard":
        return hard
    if source_of(row) == "human":
        return {**hard, "margin": 0.0}
    within = min(max(label, 1e-12), 1 - 1e-12)
    margin = config.margin_scale * math.log(within / (1 - within))
    return {**hard, "margin": min(max(margin, -MOST_MARGIN), MOST_MARGIN)}


@dataclass(frozen=True)
class _Job:
    """What all models of an ensemble have in common."""

    train_on: list[Comparison]
    held_out: list[Comparison]
    model: str
    judge: Judge | None


def _train_ensemble(
    job: _Job, *, out: Path, config: PreferenceModelConfig, progress: training.Progress
) -> dict[str, Any]:
    """Train one model after another, each as if it were alone; they appear in `out/model` in one instant."""
    aside = out / "model.partial"
    folders = [aside / f"member-{number}" for number in range(config.num_models)]
    summaries = []
    for number, folder in enumerate(folders):
        seed = rng(config.seed, "member", number).getrandbits(31) if number else config.seed
        member = replace(config, seed=seed)
        done = training.begin(folder, settings=asdict(member), rows=[])
        part = _part(progress, number, of=config.num_models)
        summaries.append(done or _train(job, out=folder, config=member, progress=part))
    means = [summary["held_out"]["score_mean"] for summary in summaries]
    found, uncertainty = together([json.loads((folder / "held_out.json").read_text()) for folder in folders], means)
    training.write(out / "held_out.json", json.dumps(found, indent=1))
    told = measured(found)
    told["held_out"]["uncertainty"] = uncertainty
    summary = {
        **summaries[0],
        **{key: sum(it[key] for it in summaries) for key in ("steps", "tokens", "seconds")},
        **told,
        "members": [{key: it["held_out"][key] for key in MEMBER} for it in summaries],
        "history": [{"member": number, **step} for number, it in enumerate(summaries) for step in it["history"]],
    }
    training.write(aside / training.SUMMARY, json.dumps(summary, indent=1))
    if ranks.is_main():
        aside.rename(out / "model")
    ranks.wait()
    return summary


def _part(progress: training.Progress, number: int, *, of: int) -> training.Progress:
    return lambda done, total, measures: progress(number * total + done, of * total, measures)


def _train(job: _Job, *, out: Path, config: PreferenceModelConfig, progress: training.Progress) -> dict[str, Any]:
    from datasets import Dataset
    from trl import RewardConfig

    from solon.models.tokens import chat_tokenizer
    from solon.stages.trainers import SoftCollator, SoftRewardTrainer

    started = time.monotonic()
    args = RewardConfig(
        **training.arguments(
            out, batch_size=config.batch_size, micro_batch_size=config.micro_batch_size, save_every=config.save_every
        ),
        num_train_epochs=config.epochs,
        learning_rate=lora.learning_rate(config.learning_rate, full=LEARNING_RATE, lora=config.lora),
        lr_scheduler_type=config.schedule,
        max_length=config.max_length,
        seed=config.seed,
    )
    tokenizer = chat_tokenizer(job.model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    examples = _examples(job.train_on, config)
    trainer = SoftRewardTrainer(
        job.model,
        args=training.on_one_gpu(args),
        data_collator=SoftCollator(pad_token_id=tokenizer.pad_token_id),
        train_dataset=Dataset.from_list(examples),
        processing_class=tokenizer,
        peft_config=lora.adapters(config.lora, model=job.model, task="SEQ_CLS"),
    )
    if not len(trainer.train_dataset):
        raise UsageError(f"no comparison fits max_length {config.max_length}; raise it")
    training.run(trainer, progress=progress)
    trained = lora.merged(trainer.model)
    batch_size = 2 * (config.micro_batch_size or config.batch_size)
    found = _predicted(Scorer(trained, tokenizer, batch_size=batch_size), job)
    training.write(out / "held_out.json", json.dumps(found, indent=1))
    told = measured(found)
    told["held_out"]["score_mean"] = trained.config.score_mean
    lengths = [len(row["chosen_ids"]) + len(row["rejected_ids"]) for row in trainer.train_dataset]
    summary = {
        "comparisons": len(lengths),
        "ties": len(job.train_on) - len(examples),
        "too_long": len(examples) - len(lengths),
        "steps": trainer.state.global_step,
        "tokens": config.epochs * sum(lengths),
        **told,
        "history": training.history(trainer, {"loss": "loss", "learning_rate": "learning_rate"}),
        **training.machine(),
        "seconds": time.monotonic() - started,
    }
    training.finish(trained, tokenizer, trainer=trainer, out=out, summary=summary)
    return summary


def _examples(rows: Sequence[Comparison], config: PreferenceModelConfig) -> list[dict[str, Any]]:
    """What TRL takes; "chosen" is the first response, not the better one."""
    drawn = rng(config.seed, "bootstrap").choices(rows, k=len(rows)) if config.bootstrap else rows
    learned = [row for row in drawn if config.targets == "soft" or row["probability"] != 0.5]
    if not learned:
        raise UsageError(
            f'none of {len(rows)} labels names a winner, which targets "{config.targets}" needs; take "soft"'
        )
    return [
        {
            "prompt": list(row["prompt"]),
            "chosen": [assistant(row["responses"][0])],
            "rejected": [assistant(row["responses"][1])],
            **target(row, config),
        }
        for row in learned
    ]


def _predicted(scorer: Scorer, job: _Job) -> list[HeldOut]:
    """What a model says of the held-out comparisons; the mean of its scores is noted in its configuration."""
    rows = job.held_out
    scores = scorer([[*row["prompt"], assistant(response)] for row in rows for response in row["responses"]])
    scorer.model.config.score_mean = sum(scores) / len(scores) if scores else 0.0
    return [
        {
            "id": row["id"],
            "source": source_of(row),
            "label": float(row["probability"] or 0.0),
            "predicted": sigmoid(first - second),
            "scores": [first, second],
            "lengths": [
                len(scorer.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in row["responses"]
            ],
            "judged": _judged(row, job.judge),
        }
        for row, first, second in zip(rows, scores[::2], scores[1::2], strict=True)
    ]


def _judged(row: Comparison, judge: Judge | None) -> list[float] | None:
    if judge is None or source_of(row) == "human":
        return None
    return [judge(row["prompt"], response).score for response in row["responses"]]
