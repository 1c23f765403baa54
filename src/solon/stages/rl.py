"""Reinforcement against the preference model, which gives RL-CAI (Bai et al. 2022, section 4.2; 2022a, section 4.1).

The reward of a response is r = r_PM − β·KL(policy ‖ policy₀), as in the paper; the policy starts as policy₀, SL-CAI.

Where we differ from the paper:
1. RLOO or GRPO, TRL's two, in place of PPO, which TRL no longer has: no value model; a response is compared with the
   others to the same prompt. One update for each batch of samples, so PPO's clipping never sets in.
2. The advantage is not divided by its standard deviation, which would amplify the noise of a group of equals.
3. A response cut at `max_tokens` is scored as if it had ended there, less `truncation_penalty`. The preference model
   has seen only responses that end, and reads its score off that end: of a text without one it says nothing sensible.
   Without a penalty, a cut rambling would be worth as much as a finished answer.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, pvariance
from typing import Any, Literal

from solon.errors import UsageError
from solon.records import Conversation, Judge, Prompt, rng
from solon.stages import lora, scorer, training
from solon.stages.lora import LoraConfig
from solon.stages.scorer import Scorer

LEARNING_RATE = 3e-4

NAMES = {
    "reward": "reward",
    "reward_std": "reward_std",
    "kl": "kl",
    "completions/mean_length": "length",
    "completions/clipped_ratio": "truncated",
    "entropy": "entropy",
    "uncertainty": "uncertainty",
    "oracle_score": "oracle_score",
    "harmful_rate": "harmful_rate",
    "helpful_rate": "helpful_rate",
}
"""The trainer's names of what it logs each step, and ours."""


@dataclass(frozen=True)
class RLConfig:
    """Settings of `reinforce`. The defaults suit a model of a million parameters."""

    algorithm: Literal["rloo", "grpo"] = "rloo"
    """The paper: PPO. "rloo" has its objective, the KL in the reward; "grpo" has the KL in the loss, and takes a fifth
    less time. On a toy world both came to the same compliance and reward in 20 steps."""
    steps: int = 20
    prompts_per_step: int = 20
    samples_per_prompt: int = 6
    """At least 2. The paper: 1, with a value model as the baseline."""
    learning_rate: float | None = None
    """None takes 3e-4, and ten times that with LoRA. The paper: 0.01 of that of pretraining."""
    schedule: Literal["linear", "constant"] = "constant"
    kl: float = 0.05
    """The weight β of the KL to the initial policy. The paper: 0.001, over far more steps of far smaller size."""
    max_tokens: int = 64
    """Tokens of a response. The paper: 128."""
    temperature: float = 1.0
    """The paper: 1."""
    truncation_penalty: float = 1.0
    """Taken off the reward of a response that was cut. A difference of 1 is odds of e to 1 to be preferred."""
    ensemble: Literal["mean", "worst"] = "mean"
    """Which score counts where the preference model is an ensemble: the mean, or the lowest, which a response that
    deceives one of the models does not raise (Coste et al. 2023)."""
    uncertainty_penalty: float = 0.0
    """Times the variance of an ensemble's scores, taken off the reward (Coste et al. 2023, "uncertainty-weighted")."""
    micro_batch_size: int | None = None
    """Samples in one forward pass of the update, a divisor of all; less needs less memory. None takes all at once."""
    lora: LoraConfig | None = None
    """None trains all weights, as the paper does. With LoRA the initial policy is the model without what LoRA adds, not
    a second copy of it."""
    seed: int = 0
    save_every: int = 5
    """Steps between checkpoints: what a kill can cost."""
    threads: int | None = None
    """The weights depend on it in their last bits; None takes torch's own choice."""


def reinforce(
    prompts: Sequence[Prompt],
    *,
    policy: Path | str,
    preference_model: Path | str,
    out: Path,
    config: RLConfig,
    judge: Judge | None,
    progress: training.Progress,
) -> dict[str, Any]:
    """Train `policy` for reward; the result lies in `out/model`, and the summary is returned.

    Its "history" has an entry for each step, about the samples drawn before that step's update: mean `reward` (scores
    less the preference model's `score_mean`, so that 0 is as good as an average held-out response, and less the
    penalties), `kl` (nats a response, to the initial policy), `length` (tokens), `truncated` (share), of an ensemble
    `uncertainty` (the mean standard deviation of its scores). With a judge also, without influence on the training:
    `oracle_score`, `harmful_rate` (share of compliance among harmful requests), `helpful_rate` (among benign ones);
    None where a step had no such request.

    Called again with the same settings it resumes, or returns the summary if it is done.

    Raises:
        UsageError: there are no prompts, a setting cannot work, or `out` holds a training with other settings.
    """
    if config.samples_per_prompt < 2:
        raise UsageError(
            f"samples_per_prompt is {config.samples_per_prompt}; a sample needs another to be compared with"
        )
    usable = [prompt for prompt in prompts if prompt["drop_reason"] is None]
    if not usable:
        raise UsageError(f"no prompt to reinforce on: all of the {len(prompts)} are dropped")
    done = training.begin(out, settings=asdict(config), rows=usable)
    if done is not None:
        return done
    with training.quiet(), training.threads(config.threads):
        reward = Reward(scorer.load(preference_model), judge=judge, config=config)
        return _train(
            in_order(usable, config), policy=str(policy), reward=reward, out=out, config=config, progress=progress
        )


def in_order(prompts: Sequence[Prompt], config: RLConfig) -> list[Prompt]:
    """Return the prompts of all steps: pass after pass, each in an order of its own."""
    needed = config.steps * config.prompts_per_step
    found: list[Prompt] = []
    while len(found) < needed:
        found += rng(config.seed, "pass", len(found) // len(prompts)).sample(prompts, len(prompts))
    return found[:needed]


class Reward:
    """What TRL calls with a batch of samples: their rewards, and beside them what a judge says."""

    def __init__(self, members: Sequence[Scorer], *, judge: Judge | None, config: RLConfig):
        self.members = members
        self.judge = judge
        self.config = config
        self.ends: frozenset[int] = frozenset()
        """The tokens that end a response; the trainer knows them."""

    def __call__(
        self,
        prompts: list[Conversation],
        completions: list[Conversation],
        completion_ids: list[list[int]],
        log_metric: Any,
        **columns: Any,
    ) -> list[float]:
        """Return a reward for each sample."""
        whole = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
        found = scorer.centred(self.members, whole)
        if len(self.members) > 1:
            log_metric("uncertainty", fmean(scorer.combined(scores, "std") for scores in found))
        if self.judge is not None:
            for name, value in judged(prompts, completions, self.judge).items():
                log_metric(name, value)
        return [
            scorer.combined(scores, self.config.ensemble)
            - self.config.uncertainty_penalty * pvariance(scores)
            - (0.0 if ids[-1] in self.ends else self.config.truncation_penalty)
            for scores, ids in zip(found, completion_ids, strict=True)
        ]


def judged(prompts: list[Conversation], completions: list[Conversation], judge: Judge) -> dict[str, float]:
    """Return the mean score, and the rates of compliance with harmful and with benign requests where there are any."""
    scores = [judge(prompt, said[0]["content"]) for prompt, said in zip(prompts, completions, strict=True)]
    found = {"oracle_score": sum(s.score for s in scores) / len(scores)}
    for name, request in (("harmful_rate", "harmful"), ("helpful_rate", "benign")):
        complied = [s.behaviour == "comply" for s in scores if s.request == request]
        if complied:
            found[name] = sum(complied) / len(complied)
    return found


def _train(
    prompts: list[Prompt],
    *,
    policy: str,
    reward: Reward,
    out: Path,
    config: RLConfig,
    progress: training.Progress,
) -> dict[str, Any]:
    from datasets import Dataset

    from solon.models.tokens import chat_tokenizer

    started = time.monotonic()
    tokenizer = chat_tokenizer(policy)
    trainer = _trainer(
        config,
        out,
        model=policy,
        reward_funcs=reward,
        train_dataset=Dataset.from_list([{"prompt": prompt["prompt"]} for prompt in prompts]),
        processing_class=tokenizer,
        peft_config=lora.adapters(config.lora, model=policy, task="CAUSAL_LM"),
    )
    reward.ends = frozenset(trainer.eos_token_ids)
    training.run(trainer, progress=progress)
    summary = {
        "steps": trainer.state.global_step,
        "samples": len(prompts) * config.samples_per_prompt,
        "tokens": int(trainer.state.num_input_tokens_seen),
        "history": [_entry(entry) for entry in training.history(trainer, NAMES)],
        **training.machine(),
        "seconds": time.monotonic() - started,
    }
    training.finish(lora.merged(trainer.model), tokenizer, trainer=trainer, out=out, summary=summary)
    return summary


def _trainer(config: RLConfig, out: Path, **given: Any) -> Any:
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    settings = {
        **training.arguments(
            out,
            batch_size=config.prompts_per_step * config.samples_per_prompt,
            micro_batch_size=config.micro_batch_size,
            save_every=config.save_every,
        ),
        "max_steps": config.steps,
        "learning_rate": lora.learning_rate(config.learning_rate, full=LEARNING_RATE, lora=config.lora),
        "lr_scheduler_type": config.schedule,
        "num_generations": config.samples_per_prompt,
        "beta": config.kl,
        "max_completion_length": config.max_tokens,
        "temperature": config.temperature,
        "shuffle_dataset": False,
        "seed": config.seed,
    }
    if config.algorithm == "rloo":
        args = RLOOConfig(**settings, normalize_advantages=False)
        return RLOOTrainer(args=training.on_one_gpu(args), **given)
    args = GRPOConfig(**settings, scale_rewards="none")
    return GRPOTrainer(args=training.on_one_gpu(args), **given)


def _entry(entry: dict[str, float | None]) -> dict[str, float | None]:
    """KL for a response, where TRL logs it for a token."""
    kl, length = entry["kl"], entry["length"]
    return {**entry, "kl": None if kl is None or length is None else kl * length}
