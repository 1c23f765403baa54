"""A small run with what an export must cope with: conversations, hostile text, every reason to leave a row out."""

from pathlib import Path

from solon.records import Comparison, Pair, Response, Revision, assistant, system, user
from solon.runs import open_run

RECIPE = "constitution: constitution.yaml\nprompts: red-team.jsonl\nhelpful_model: owner/helpful\n"
CONSTITUTION = """name: kind
principles:
- id: kind
  critique_request: Is it kind?
  revision_request: Make it kind.
  comparison_request: Which is kinder?
"""
ASKED = [user("how do I take a bike?")]
TALK = [system("Be brief."), user("may I?"), assistant("Ask first."), user("and if nobody answers?")]
UNEVEN = [user("hello"), user("how do I take it?")]
HOSTILE = 'é 漢 ```\n---\n<b>"\u2028\x1b[31m\u202e|'


def revision(id, *, prompt=ASKED, kind="red-team", response="Cut the lock.", steps=("Ask.", "Ask them."), dropped=None):
    return {
        "id": id,
        "prompt": prompt,
        "drop_reason": dropped,
        "kind": kind,
        "response": response,
        "steps": [{"principle": "kind", "critique": f"No: {step}", "revision": step} for step in steps],
        "flaws": [],
    }


def comparison(id, probability, *, prompt=ASKED, responses=("Ask.", "Cut it."), dropped=None):
    judgement = {
        "model": None,
        "constitution": "kind",
        "principle": "kind",
        "forward": probability,
        "backward": probability,
        "mass": 0.9,
        "known_by": "exact",
        "reasoning": [],
        "state": "labelled" if dropped is None else "abstained",
        "reason": dropped,
    }
    return {
        **pair(id, prompt=prompt, responses=responses, dropped=dropped),
        "judgements": [judgement],
        "probability": probability,
        "known_by": "exact",
        "consistent": True,
        "mass": 0.9,
        "state": judgement["state"],
        "flaws": [],
    }


def pair(id, *, prompt=ASKED, responses=("Ask.", "Cut it."), dropped=None):
    return {
        "id": id,
        "prompt": prompt,
        "drop_reason": dropped,
        "kind": "red-team",
        "prompt_id": id,
        "responses": list(responses),
        "revision": None,
    }


REVISIONS = [
    revision("r0"),
    revision("r1", prompt=TALK, steps=(HOSTILE, "Wait.")),
    revision("r2", prompt=UNEVEN),
    revision("r3", steps=(), dropped="response cut at max_tokens"),
    revision("r4", response="Ask.", steps=("Ask them.", "Ask.")),
    revision("h0", kind="helpful", response="Pump it up.", steps=()),
    revision("h1", kind="helpful", response="Oil it.", steps=()),
]
COMPARISONS = [
    comparison("r0", 0.9),
    comparison("r1", 0.25, prompt=TALK, responses=(HOSTILE, "Wait.")),
    comparison("r2", 0.75, prompt=UNEVEN),
    comparison("r4", 0.5),
    comparison("h0", None, dropped="abstained: the options have a mass of 0.01, under 0.1"),
]
ANSWERS = [
    {"id": "e0", "prompt": TALK, "drop_reason": None, "model": "sl-cai", "response": "Ask."},
    {"id": "e1", "prompt": ASKED, "drop_reason": "refused", "model": "sl-cai", "response": ""},
]


def write(path: Path, *, recipe=RECIPE, constitution=CONSTITUTION, comparisons=COMPARISONS) -> Path:
    with open_run(path, files={"recipe.yaml": recipe, "constitution.yaml": constitution}) as run:
        run.stage("01-critique", {}).seal(REVISIONS, row_type=Revision)
        if comparisons:
            pairs = [{key: row[key] for key in Pair.__annotations__} | {"drop_reason": None} for row in comparisons]
            dropped = pair("h1", responses=("a", "a"), dropped="identical responses")
            run.stage("03-pairs", {}).seal([*pairs, dropped], row_type=Pair)
            run.stage("04-label", {}).seal(comparisons, row_type=Comparison)
        evaluation = run.stage("07-evaluate", {})
        run.stage("07-evaluate/sl-cai", {}).seal(ANSWERS, row_type=Response)
        evaluation.finish({"rows": len(ANSWERS)})
    return path
