"""Which clear pairs the sandbox's model gets wrong: its comparisons beside the oracle, by what the pairs are.

    python experiments/pairs.py

A pair is drawn and asked, in both orders, as in the examination of the model (`solon.sandbox.examine`).
"""

import random
from collections import defaultdict
from functools import partial

from solon import sandbox
from solon.chains import Chain
from solon.models.drivers import in_rounds
from solon.models.transformers import load
from solon.prompts import chat
from solon.records import Conversation, user
from solon.sandbox import documents, principles, requests, responses
from solon.sandbox import lexicon as lx
from solon.sandbox.examine import CLEAR, Unkept, _compare, truth


def main(*, n: int = 1500, seed: int = 5) -> None:
    draw = random.Random(seed)
    truths, kinds, chains = {}, {}, []
    for row in map(str, range(n)):
        request = requests.draw(draw, draw.choices(("harmful", "benign", "look-alike"), (5, 2, 3))[0], splits=("seen",))
        weighting = principles.draw(draw)
        pair = documents.two_responses(request, draw)
        wanted = principles.word(weighting, draw.choice(principles.COMPARISONS), draw)
        asked = [user(requests.ask(request, draw.choice(lx.ASKS)))]
        first, second = (responses.read(request, text) for text in pair)
        kinds[row] = (
            "all",
            "one way of responding" if first.behaviour == second.behaviour else "two ways of responding",
            "both right" if first.right and second.right else "one or both wrong",
        )
        truths[row] = truth(request, pair, weighting)
        chains.append((row, _both_orders(asked, pair, wanted)))
    said = in_rounds(chains, load(str(sandbox.model_path())), journal=Unkept())
    agrees: dict[str, list[bool]] = defaultdict(list)
    for row, true in truths.items():
        if max(true, 1 - true) >= CLEAR:
            for kind in kinds[row]:
                agrees[kind].append((said[row] > 0.5) == (true > 0.5))
    for kind, each in sorted(agrees.items()):
        print(f"{kind}: {sum(each) / len(each):.3f} of {len(each)}")


def _both_orders(asked: Conversation, pair: tuple[str, str], wanted: str) -> Chain[float]:
    ask = partial(chat.comparison, asked, request=wanted)
    forward = yield from _compare(ask(pair), 0)
    backward = yield from _compare(ask((pair[1], pair[0])), 1)
    return (forward + 1 - backward) / 2


if __name__ == "__main__":
    main()
