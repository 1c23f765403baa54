"""What a model itself says, for its critics to learn from: no rule errs as a model does."""

import random
from concurrent.futures import Executor

from solon.chains import Sampling
from solon.models.base import Model
from solon.records import Conversation
from solon.sandbox import documents, requests, responses
from solon.sandbox.documents import Said
from solon.sandbox.examine import ask_all, say

SAMPLING = Sampling(max_tokens=80, temperature=1.2)
"""A little hotter than models are asked here, to err more often."""
GROUP = 256


def draw(model: Model, *, n: int, seed: str, pool: Executor) -> list[Said]:
    """Ask for `n` answers and revisions of answers, all to seen requests; return the wrong and as many that are not.

    The questions are put in groups, side by side on the workers of `pool`; how many these are decides nothing.
    """
    drawn = random.Random(seed)
    asked = [(_question(drawn), drawn.getrandbits(32)) for _ in range(n)]

    def work(group: list[tuple[Conversation, int]]) -> list[str]:
        return ask_all(model, (say(conversation, seed, SAMPLING) for conversation, seed in group))

    texts = [text for each in pool.map(work, [asked[i : i + GROUP] for i in range(0, n, GROUP)]) for text in each]
    right: list[Said] = []
    wrong: list[Said] = []
    for (conversation, _), text in zip(asked, texts, strict=True):
        if request := requests.read(conversation[0]["content"]):
            (right if responses.read(request, text).right else wrong).append((request, text))
    return wrong + right[: len(wrong)]


def _question(drawn: random.Random) -> Conversation:
    """A dialogue or a revision of the build's own, up to the last word of the assistant."""
    while True:
        turns = documents.conversation(documents.document(drawn.choice(("dialogue", "revision")), drawn))[:-1]
        request = requests.read(turns[0]["content"])
        if request and request.split == "seen":
            return turns
