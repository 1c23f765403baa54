"""TRL's trainers, changed where the paper needs it. Imports torch and TRL: import this module inside functions only."""

from typing import Any

import torch
import torch.nn.functional as F
from transformers import TrainerCallback
from trl import RewardTrainer
from trl.trainer.reward_trainer import DataCollatorForPreference

from solon.stages.training import Progress


class ReportProgress(TrainerCallback):  # type: ignore[misc]
    """Tell the caller how many steps are done, and how the one before went: a step is logged after it is told of."""

    def __init__(self, progress: Progress):
        self.progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report."""
        latest: dict[str, Any] = next((entry for entry in reversed(state.log_history) if "loss" in entry), {})
        name = "reward" if "reward" in latest else "loss"  # in reinforcement the loss says nothing: it is near 0
        self.progress(state.global_step, state.max_steps, {name: float(latest[name])} if latest else {})


class SoftCollator(DataCollatorForPreference):  # type: ignore[misc]
    """TRL's batches of pairs, with the probability that the first (TRL's "chosen") is the better one."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Add `probability`, of shape (B,)."""
        batch: dict[str, Any] = super().torch_call(examples)
        batch["probability"] = torch.tensor([example["probability"] for example in examples], dtype=torch.float)
        return batch


class SoftRewardTrainer(RewardTrainer):  # type: ignore[misc]
    """Bradley–Terry with a soft label: cross-entropy of σ(r₁ − r₂ − margin) against the label (PAPER section 4.1)."""

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns: list[str] = [
            "chosen_ids",
            "rejected_ids",
            "probability",
            "margin",
        ]  # others are dropped

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Replace TRL's loss, which knows a winner only, and keep its metrics."""
        probability, margin = inputs.pop("probability"), inputs.pop("margin", 0.0)
        _, outputs = super().compute_loss(model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch)
        first, second = torch.chunk(outputs.logits.squeeze(-1).float(), 2)  # (B,) each
        loss = F.binary_cross_entropy_with_logits(first - second - margin, probability)
        return (loss, outputs) if return_outputs else loss
