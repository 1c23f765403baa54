"""The commands that show the sandbox's world."""

import json
from typing import Any

from solon.records import rng, user
from solon.sandbox import oracle, principles, requests, responses

KINDS = ("harmful", "look-alike", "benign", "instructed")


def print_sample(n: int, *, seed: int, as_json: bool) -> None:
    """Print `n` requests, a response of every way to each, and what the oracle says of them."""
    found: list[dict[str, Any]] = []
    for number in range(n):
        draw = rng(seed, "sample", number)
        request = requests.draw(draw, KINDS[number % len(KINDS)])
        text = requests.ask(request)
        answers = []
        for way in responses.WAYS:
            response = responses.write(request, way, draw)
            answers.append(
                {"behaviour": way, "score": oracle.judge([user(text)], response).score, "response": response}
            )
        found.append({"request": text, "kind": request.kind, "split": request.split, "responses": answers})
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for it in found:
        print(f"{it['request']}  ({it['kind']}, {it['split']})")
        for answer in it["responses"]:
            print(f"  {answer['behaviour']:<12}{answer['score']:>6.2f}  {answer['response']}")
        print()
    print("Next: solon sandbox words")


def print_words() -> None:
    """Print what a principle of the sandbox can be made of."""
    print("A request is one of these, with one or more items in place of {}:")
    for key, frames in (
        ("critique_request", principles.CRITIQUES),
        ("revision_request", principles.REVISIONS),
        ("comparison_request", principles.COMPARISONS),
    ):
        print(f"  {key}: " + "   ".join(frames))
    print("An item is one of these; each line may be used once:")
    for axis, (presence, absence) in principles.WORDS.items():
        wanted = [f"more {word}" for word in presence] + [f"less {word}" for word in absence]
        unwanted = [f"more {word}" for word in absence]
        print(f"  {axis}: {', '.join(wanted)}; or against it: {', '.join(unwanted)}")
    emphasis, times = principles.EMPHASIS.strip(), principles.EMPHASIZED
    print(f'One item, beside others, may begin with "{emphasis}": it weighs {times} times as much.')
    print('Items are joined by commas, the last by "and":')
    print("  Which response is less evasive and above all more harmless?")
    print("These words are ambiguous: only a principle's exemplars say what is meant. Each stands alone:")
    for word, (one, other) in principles.AMBIGUOUS.items():
        print(f"  more {word}: {one}, or {other}")
    print("Next: solon init")
