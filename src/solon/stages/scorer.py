"""What a preference model says of responses: one model, or an ensemble of several (Coste et al. 2023).

The scores of two models have no common zero, so each is taken less the mean of its model's scores on held-out responses
before they are combined (Bai et al. 2022a, appendix B.2).
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, Literal, Self

from solon.records import Conversation
from solon.stages import training

Combination = Literal["mean", "worst", "std"]


def load(model: Path | str, *, batch_size: int = 64) -> list["Scorer"]:
    """Load what `train_preference_model` left: the model, or the members of an ensemble."""
    members: list[Path | str] = [*sorted(Path(model).glob("member-*/model"))]
    return [Scorer.load(folder, batch_size=batch_size) for folder in members or [model]]


def centred(members: Sequence["Scorer"], conversations: Sequence[Conversation]) -> list[tuple[float, ...]]:
    """For each conversation the score that each member gives it, less that member's mean."""
    by_member = [[score - member.mean for score in member(conversations)] for member in members]
    return list(zip(*by_member, strict=True))


def combined(scores: Sequence[float], how: Combination) -> float:
    """One number of what the members say of one response; "std", their standard deviation, is how unsure they are."""
    if how == "worst":
        return min(scores)
    return fmean(scores) if how == "mean" else pstdev(scores)


class Scorer:
    """One model: says how good the last turn of a conversation is."""

    def __init__(self, model: Any, tokenizer: Any, *, batch_size: int = 64):
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.batch_size = batch_size

    @classmethod
    def load(cls, folder: Path | str, *, batch_size: int = 64) -> Self:
        """Load one from its folder."""
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        model = AutoModelForSequenceClassification.from_pretrained(folder, dtype="float32")
        return cls(
            model.to("cuda" if training.on_gpu() else "cpu"),
            AutoTokenizer.from_pretrained(folder),
            batch_size=batch_size,
        )

    @property
    def mean(self) -> float:
        """Mean score of the responses it was measured on."""
        return float(getattr(self.model.config, "score_mean", 0.0))

    def __call__(self, conversations: Sequence[Conversation]) -> list[float]:
        """Return scores as they are, in order. Each text is computed once, and those of like length together."""
        import torch

        texts = [self.tokenizer.apply_chat_template(conversation, tokenize=False) for conversation in conversations]
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        scores: dict[str, float] = {}
        for start in range(0, len(distinct), self.batch_size):
            members = distinct[start : start + self.batch_size]
            batch = self.tokenizer(
                members, add_special_tokens=False, padding=True, padding_side="right", return_tensors="pt"
            ).to(self.model.device)
            with torch.inference_mode():
                logits = self.model(batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
            scores |= zip(members, logits[:, 0].tolist(), strict=True)
        return [scores[text] for text in texts]
