"""Training a preference model on AI labels (Bai et al. 2022, sections 4.1 and 4.2; loss of Bai et al. 2022a, eq. 4.2).

The loss is the cross-entropy of σ(r₁ − r₂) against the label, a probability. Pairs stay in the order of their row, not
better before worse: the loss is the same in either order, and what is written about a pair then reads like its row.

Where we differ from the paper:
1. The preference model starts from the model given, e.g. SL-CAI; the paper's is pretrained on preferences of the web.
2. All comparisons given are AI labels; the paper's harmlessness labels are AI and its helpfulness labels human.
3. A held-out part of the comparisons measures it: agreement with the label, excess cross-entropy, calibration.
"""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from solon.errors import UsageError
from solon.records import Comparison, Conversation, assistant, rng
from solon.stages import lora, training
from solon.stages.lora import LoraConfig

LEARNING_RATE = 5e-4
NEAR_EVEN = 0.05
"""A label this near to 1/2 names no winner to agree with."""


@dataclass(frozen=True)
class PreferenceModelConfig:
    """Settings of `train_preference_model`. The defaults suit a model of a million parameters and a thousand pairs."""

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
) -> dict[str, Any]:
    """Train `model` with a scalar head on the rows; it lies in `out/model`, and the summary is returned.

    The mean score of held-out responses stands in the model's configuration as `score_mean`, and scores are left as
    they are; it is subtracted before preference models are compared (Bai et al. 2022a, appendix B.2). What was
    predicted for each held-out comparison lies in `out/held_out.json`.

    Called again with the same settings it resumes, or returns the summary if it is done.

    Raises:
        UsageError: there is nothing to train on, or `out` holds a training with other settings.
    """
    usable = _usable(rows)
    done = training.begin(out, settings=asdict(config), rows=usable)
    if done is not None:
        return done
    train_on, held_out = split(usable, config)
    if not train_on:
        raise UsageError(f"held_out {config.held_out} leaves none of {len(usable)} comparisons to train on; lower it")
    with training.quiet(), training.threads(config.threads):
        return _train(train_on, held_out, model=str(model), out=out, config=config, progress=progress)


def score(
    model: Path | str, prompts: Sequence[Conversation], responses: Sequence[str], *, batch_size: int = 64
) -> list[float]:
    """Score each response to its prompt by a trained preference model; only differences mean anything."""
    with training.quiet():
        return training.Scorer.load(model, batch_size=batch_size)(
            [[*prompt, assistant(response)] for prompt, response in zip(prompts, responses, strict=True)]
        )


def split(rows: Sequence[Comparison], config: PreferenceModelConfig) -> tuple[list[Comparison], list[Comparison]]:
    """Part rows into those to train on and those held out: each by its id, whatever the others are."""
    parts: tuple[list[Comparison], list[Comparison]] = ([], [])
    for row in rows:
        parts[rng(config.seed, row["id"], "held out").random() < config.held_out].append(row)
    return parts


def measure(labels: Sequence[float], predicted: Sequence[float]) -> dict[str, Any]:
    """Say how well predicted probabilities that the first response is better fit the labels.

    `log_loss` is the cross-entropy in nats; its floor is the labels' own entropy, so `excess` is what a better model
    could still gain. `ece` is the expected calibration error over ten bins of the prediction. `agreement` is with the
    likelier winner, with its 95 % Wilson interval, leaving out labels near even. None where there are no pairs.
    """
    from scipy.stats import binomtest

    decided = [(p > 0.5) == (q > 0.5) for p, q in zip(labels, predicted, strict=True) if abs(p - 0.5) >= NEAR_EVEN]
    agreement = None
    if decided:
        interval = binomtest(sum(decided), len(decided)).proportion_ci(method="wilson")
        agreement = {
            "value": sum(decided) / len(decided),
            "low": float(interval.low),
            "high": float(interval.high),
            "n": len(decided),
        }
    log_loss = _mean([_cross_entropy(p, q) for p, q in zip(labels, predicted, strict=True)])
    entropy = _mean([_cross_entropy(p, p) for p in labels])
    return {
        "n": len(labels),
        "agreement": agreement,
        "log_loss": log_loss,
        "excess": None if log_loss is None or entropy is None else log_loss - entropy,
        "ece": _calibration_error(labels, predicted),
    }


def _usable(rows: Sequence[Comparison]) -> list[Comparison]:
    usable = [row for row in rows if row["drop_reason"] is None]
    for row in usable:
        probability = row["probability"]
        if probability is None or not 0 <= probability <= 1 or len(row["responses"]) != 2:
            raise UsageError(f"comparison {row['id']!r} has no label in [0, 1] or not two responses; drop it")
    if all(row["responses"][0] == row["responses"][1] for row in usable):
        raise UsageError(
            f"no comparison to train on: of {len(rows)}, {len(rows) - len(usable)} are dropped and "
            f"{len(usable)} compare a response with itself"
        )
    return usable


def _train(
    train_on: list[Comparison],
    held_out: list[Comparison],
    *,
    model: str,
    out: Path,
    config: PreferenceModelConfig,
    progress: training.Progress,
) -> dict[str, Any]:
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
    tokenizer = chat_tokenizer(model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    trainer = SoftRewardTrainer(
        model,
        args=args,
        data_collator=SoftCollator(pad_token_id=tokenizer.pad_token_id),
        train_dataset=Dataset.from_list([_example(row) for row in train_on]),
        processing_class=tokenizer,
        peft_config=lora.adapters(config.lora, model=model, task="SEQ_CLS"),
    )
    if not len(trainer.train_dataset):
        raise UsageError(f"no comparison fits max_length {config.max_length}; raise it")
    training.run(trainer, progress=progress)
    trained = lora.merged(trainer.model)
    measured = _measure_held_out(trained, tokenizer, held_out, out=out, config=config)
    lengths = [len(row["chosen_ids"]) + len(row["rejected_ids"]) for row in trainer.train_dataset]
    summary = {
        "comparisons": len(lengths),
        "too_long": len(train_on) - len(lengths),
        "steps": trainer.state.global_step,
        "tokens": config.epochs * sum(lengths),
        "held_out": measured,
        "history": training.history(trainer, {"loss": "loss", "learning_rate": "learning_rate"}),
        **training.machine(),
        "seconds": time.monotonic() - started,
    }
    training.finish(trained, tokenizer, out=out, summary=summary)
    return summary


def _example(row: Comparison) -> dict[str, Any]:
    first, second = ([assistant(response)] for response in row["responses"])
    return {"prompt": list(row["prompt"]), "chosen": first, "rejected": second, "probability": row["probability"]}


def _measure_held_out(
    model: Any, tokenizer: Any, rows: list[Comparison], *, out: Path, config: PreferenceModelConfig
) -> dict[str, Any]:
    """Write `out/held_out.json`, note the mean score in the model's configuration, and return the measures."""
    scorer = training.Scorer(model, tokenizer, batch_size=2 * (config.micro_batch_size or config.batch_size))
    scores = scorer([[*row["prompt"], assistant(response)] for row in rows for response in row["responses"]])
    pairs = list(zip(scores[::2], scores[1::2], strict=True))
    predicted = [_sigmoid(first - second) for first, second in pairs]
    labels = [float(row["probability"] or 0.0) for row in rows]
    model.config.score_mean = _mean(scores) or 0.0
    found = [
        {"id": row["id"], "label": label, "predicted": guess, "scores": list(pair)}
        for row, label, guess, pair in zip(rows, labels, predicted, pairs, strict=True)
    ]
    training.write(out / "held_out.json", json.dumps(found, indent=1))
    return {**measure(labels, predicted), "score_mean": model.config.score_mean}


def _calibration_error(labels: Sequence[float], predicted: Sequence[float], bins: int = 10) -> float | None:
    members: dict[int, list[float]] = {}
    for p, q in zip(labels, predicted, strict=True):
        members.setdefault(min(int(q * bins), bins - 1), []).append(q - p)
    return sum(abs(sum(gaps)) for gaps in members.values()) / len(labels) if labels else None


def _cross_entropy(p: float, q: float) -> float:
    q = min(max(q, 1e-12), 1 - 1e-12)
    return -p * math.log(q) - (1 - p) * math.log1p(-q)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
