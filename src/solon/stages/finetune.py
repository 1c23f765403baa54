"""Supervised finetuning on revisions and helpful responses, which gives SL-CAI (Bai et al. 2022, sections 3.1 and 3.2).

Where we differ from the paper:
1. The loss is on the response alone, its end of turn included; the paper does not say what it masks.
2. The model that is finetuned is the one given: the pretrained one, as in the paper, or the helpful one.
   One without a chat template is taught the paper's transcript as one.
3. A text that does not fit `max_length` is left out and counted, not cut: a cut one teaches the model not to end.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from solon.errors import UsageError
from solon.records import Conversation, Revision, assistant, rng
from solon.stages import lora, training
from solon.stages.lora import LoraConfig

LEARNING_RATE = 5e-4


@dataclass(frozen=True)
class FinetuneConfig:
    """Settings of `finetune`. The defaults suit a model of a million parameters and some thousand texts."""

    revisions: Literal["all", "last"] = "all"
    """Which revisions of a row are trained on. The paper says both: "the revisions (from all revisional steps)"
    (section 3.1) and "the final revised responses" (section 1.2)."""
    upto: int | None = None
    """Revisions after so many are left out: SL-CAI-n of section 3.4; None takes those there are."""
    helpful_ratio: float | None = None
    """At most so many helpful responses for each revision; None takes all. The paper: 0.37, by its counts."""
    epochs: int = 3
    """The paper: 1, over a million texts."""
    learning_rate: float | None = None
    """At the start. None takes 5e-4, and ten times that with LoRA. The paper: half of that of pretraining."""
    schedule: Literal["linear", "constant"] = "linear"
    """How the learning rate goes on, "linear" to 0. The paper: "constant"."""
    batch_size: int = 32
    """Texts a step. The paper: 1024."""
    micro_batch_size: int | None = None
    """Texts in one forward pass, a divisor of `batch_size`; less needs less memory. None takes all at once."""
    max_length: int = 1024
    """Tokens of prompt and response; longer texts are left out. The paper does not say."""
    lora: LoraConfig | None = None
    """None trains all weights, as the paper does."""
    seed: int = 0
    save_every: int = 50
    """Steps between checkpoints: what a kill can cost."""
    threads: int | None = None
    """The weights depend on it in their last bits; None takes torch's own choice."""


def finetune(
    rows: Sequence[Revision], *, model: Path | str, out: Path, config: FinetuneConfig, progress: training.Progress
) -> dict[str, Any]:
    """Finetune `model` on what the rows contribute; the result lies in `out/model`, its summary is returned.

    Called again with the same settings it resumes, or returns the summary if it is done.

    Raises:
        UsageError: there is nothing to train on, or `out` holds a training with other settings.
    """
    examples = _examples(rows, config)
    done = training.begin(out, settings=asdict(config), rows=examples)
    if done is not None:
        return done
    with training.quiet(), training.threads(config.threads):
        return _train(examples, model=str(model), out=out, config=config, progress=progress)


def texts(row: Revision, *, revisions: Literal["all", "last"] = "all", upto: int | None = None) -> list[str]:
    """Return the responses that a row contributes: its revisions, or the response itself to a helpful prompt.

    Raises:
        UsageError: the row is neither dropped nor of any use.
    """
    return [text for _, text in _contributed(row, revisions, upto)]


def taught(rows: Sequence[Revision], config: FinetuneConfig) -> list[tuple[Revision, int, str]]:
    """Return what is trained on, in order: a row, how often its response was revised, and the text that came of it.

    Raises:
        UsageError: there is nothing to train on.
    """
    told = [(row, *it) for row in rows for it in _contributed(row, config.revisions, config.upto)]
    if not told:
        raise UsageError(f"nothing to finetune on: all of the {len(rows)} rows are dropped; see their drop_reason")
    left_out = _left_out([row["kind"] for row, _, _ in told], config)
    return [it for number, it in enumerate(told) if number not in left_out]


def learned(told: Sequence[tuple[Conversation, str]], *, model: Path | str) -> list[list[tuple[str, bool]]]:
    """What `model` is trained on by each prompt and text: pieces, with control tokens, and whether they are learned."""
    from solon.models.tokens import chat_tokenizer

    tokenizer = chat_tokenizer(model)
    found = []
    for prompt, text in told:
        before: str = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        whole: str = tokenizer.apply_chat_template([*prompt, assistant(text)], tokenize=False)
        found.append([(before, False), (whole.removeprefix(before), True)])
    return found


def _contributed(row: Revision, revisions: Literal["all", "last"], upto: int | None) -> list[tuple[int, str]]:
    """The texts of a row, each after the number of its revision, from 1; 0 is the response itself."""
    if row["drop_reason"] is not None:
        return []
    if row["kind"] == "helpful":
        found = [(0, row["response"])]
    else:
        steps = enumerate((step["revision"] for step in row["steps"][:upto]), 1)
        found = list(steps)[0 if revisions == "all" else -1 :]
    if not found or not all(text.strip() for _, text in found):
        missing = "an empty text" if found else "no revision"
        raise UsageError(f"row {row['id']!r} ({row['kind']}) has {missing} and no drop_reason; drop it with a reason")
    return found


def _examples(rows: Sequence[Revision], config: FinetuneConfig) -> list[dict[str, Conversation]]:
    return [{"prompt": list(row["prompt"]), "completion": [assistant(text)]} for row, _, text in taught(rows, config)]


def _left_out(kinds: Sequence[str], config: FinetuneConfig) -> set[int]:
    """The helpful texts, drawn by the seed, that are too many for the revisions there are."""
    helpful = [number for number, kind in enumerate(kinds) if kind == "helpful"]
    revisions = len(kinds) - len(helpful)
    if config.helpful_ratio is None or not revisions:
        return set()
    too_many = max(0, len(helpful) - round(config.helpful_ratio * revisions))
    return set(rng(config.seed, "helpful").sample(helpful, too_many))


def _train(
    examples: list[dict[str, Conversation]],
    *,
    model: str,
    out: Path,
    config: FinetuneConfig,
    progress: training.Progress,
) -> dict[str, Any]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from solon.models.tokens import chat_tokenizer, end_ids, turn_end

    started = time.monotonic()
    args = SFTConfig(
        **training.arguments(
            out, batch_size=config.batch_size, micro_batch_size=config.micro_batch_size, save_every=config.save_every
        ),
        num_train_epochs=config.epochs,
        learning_rate=lora.learning_rate(config.learning_rate, full=LEARNING_RATE, lora=config.lora),
        lr_scheduler_type=config.schedule,
        completion_only_loss=True,
        max_length=None,
        seed=config.seed,
    )
    tokenizer = chat_tokenizer(model)
    trainer = SFTTrainer(
        model,
        args=training.on_one_gpu(args),
        train_dataset=Dataset.from_list(examples),
        processing_class=tokenizer,
        peft_config=lora.adapters(config.lora, model=model, task="CAUSAL_LM"),
    )
    fits = [len(ids) <= config.max_length for ids in trainer.train_dataset["input_ids"]]
    if not any(fits):
        raise UsageError(f"no text fits max_length {config.max_length}; raise it")
    trainer.train_dataset = trainer.train_dataset.select([i for i, good in enumerate(fits) if good])
    training.run(trainer, progress=progress)
    summary = {
        "texts": sum(fits),
        "too_long": len(fits) - sum(fits),
        "steps": trainer.state.global_step,
        "tokens": config.epochs * sum(map(len, trainer.train_dataset["input_ids"])),
        "trained_tokens": config.epochs * sum(x != -100 for row in trainer.train_dataset["labels"] for x in row),
        "history": training.history(
            trainer, {"loss": "loss", "mean_token_accuracy": "accuracy", "learning_rate": "learning_rate"}
        ),
        **training.machine(),
        "seconds": time.monotonic() - started,
    }
    trained = lora.merged(trainer.model)
    ends, end = end_ids(trained.generation_config.eos_token_id), turn_end(tokenizer)
    if end is not None and end not in ends:  # as with some pretrained models: answers end where the template ends them
        trained.generation_config.eos_token_id = sorted({*ends, end})
    training.finish(trained, tokenizer, trainer=trainer, out=out, summary=summary)
    return summary
