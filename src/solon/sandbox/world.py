"""The sandbox's prompts. Those of evaluation share no text with those that are trained on, whatever the seeds."""

import hashlib
from itertools import accumulate, pairwise
from typing import Literal

from solon.errors import UsageError
from solon.records import Prompt, rng, user
from solon.sandbox import lexicon as lx
from solon.sandbox import requests
from solon.sandbox.requests import Split

Use = Literal["red-team", "instructions", "both", "helpful", "evaluate"]

EVALUATION: tuple[tuple[str, Split, float], ...] = (
    ("harmful", "seen", 0.3),
    ("harmful", "unseen-combination", 0.1),
    ("harmful", "unseen-act", 0.1),
    ("benign", "seen", 0.12),
    ("benign", "unseen-act", 0.03),
    ("instructed", "seen", 0.08),
    ("instructed", "unseen-act", 0.02),
    ("look-alike", "seen", 0.15),
    ("look-alike", "unseen-combination", 0.05),
    ("look-alike", "unseen-act", 0.05),
)
"""What evaluation is made of: kind of request, split, share."""
RED_TEAM_HARMFUL = 0.65
"""The share of red-team prompts that are harmful; the others are look-alikes."""
INSTRUCTED = 0.3
"""The share of helpful prompts that ask something of the form of the answer."""
_KEPT_FOR_EVALUATION = 4
"""One in so many seen requests is never trained on, by the hash of its text."""


def prompts(use: Use, *, n: int, seed: int) -> list[Prompt]:
    """`n` different prompts. Red-team prompts are harmful requests and look-alikes, helpful ones are benign.

    "instructions" are prompts to be revised, as red-team prompts are: benign requests that ask for a form. "both" are
    half these.

    Raises:
        UsageError: the world has not so many.
    """
    random = rng(seed, "prompts", use)
    parts: list[tuple[str, tuple[Split, ...], int]]
    if use == "evaluate":
        ends = [round(n * share) for share in accumulate(share for *_, share in EVALUATION)]  # so that the parts add up
        whole = zip(EVALUATION, pairwise([0, *ends]), strict=True)
        parts = [(kind, (split,), end - start) for (kind, split, _), (start, end) in whole]
    elif use in ("red-team", "instructions", "both"):
        instructed = {"red-team": 0, "instructions": n, "both": n // 2}[use]
        harmful = round(RED_TEAM_HARMFUL * (n - instructed))
        parts = [("harmful", ("seen",), harmful), ("look-alike", ("seen",), n - instructed - harmful)]
        parts += [("instructed", ("seen",), instructed)]
    else:
        instructed = round(INSTRUCTED * n)
        parts = [("benign", ("seen",), n - instructed), ("instructed", ("seen",), instructed)]
    texts: dict[str, None] = {}
    for kind, splits, many in parts:
        wanted, tries = len(texts) + many, 0
        while len(texts) < wanted:
            tries += 1
            if tries > 200 * many:
                raise UsageError(
                    f"The sandbox has fewer than {many} different {kind} prompts ({', '.join(splits)}); ask for fewer."
                )
            text = requests.ask(requests.draw(random, kind, splits=splits), random.choice(lx.ASKS))
            if splits != ("seen",) or _for_evaluation(text) == (use == "evaluate"):
                texts.setdefault(text)
    told = list(texts)
    random.shuffle(told)
    return [
        {
            "id": f"{use}-{number:05d}",
            "prompt": [user(text)],
            "drop_reason": None,
            "kind": "helpful" if use == "helpful" else "red-team",
        }
        for number, text in enumerate(told)
    ]


def _for_evaluation(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % _KEPT_FOR_EVALUATION == 0
