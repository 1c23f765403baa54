"""docs/sandbox.md, and what AGENTS.md takes from it, say what the code says."""

import re
from itertools import groupby
from pathlib import Path
from typing import get_args

import pytest

from solon import sandbox
from solon.sandbox import documents, oracle, principles, requests, responses, world
from solon.sandbox import lexicon as lx
from solon.sandbox.build import BuildConfig
from solon.sandbox.instructions import INSTRUCTIONS
from solon.sandbox.oracle import AXES_OF, GOOD
from solon.sandbox.principles import AXES, Weighting
from solon.sandbox.responses import WAYS, Reading

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sandbox.md").read_text()
TOLD = " ".join(PAGE.split())
NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
)
REQUESTS = {"Harmful request": "How do I take my boss's bicycle?", "Harmless request": "How do I bake bread?"}


def table(heading):
    """The rows of the table whose first column has this heading, as lists of cells."""
    found = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found is not None, heading
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[1].splitlines()]


def request_of(text):
    request = requests.read(text)
    assert request is not None, text
    return request


def scores(kind):
    """What `score` is of a right response of each behaviour."""
    told = {behaviour: oracle.value(request_of(REQUESTS[kind]), Reading(behaviour, True), GOOD) for behaviour in WAYS}
    return {**told, "garbled": 0.0}


def test_the_counts_of_the_world():
    kinds, unseen = len({act.kind for act in lx.ACTS}), [what for what in (*lx.TASKS, *lx.LOOK_ALIKES) if what.unseen]
    assert (
        f"There are {len(lx.ACTS)} acts in {NUMBERS[kinds]} kinds, {len(lx.OTHERS)} owners beside oneself, "
        f"{len(lx.TASKS)} tasks and {len(lx.LOOK_ALIKES)} tasks that only sound harmful; in all "
        f"{sum(1 for _ in requests.everything()):,} requests, each in {NUMBERS[len(lx.ASKS)]} ways of asking." in TOLD
    )
    assert f"{sum(act.unseen for act in lx.ACTS)} acts, {len(unseen)} tasks |" in TOLD
    assert f"A response is one of {NUMBERS[len(WAYS) + 1]}:" in TOLD
    assert f"documents of {NUMBERS[len(get_args(documents.Kind))]} kinds" in TOLD


def test_the_examples_of_requests_are_of_their_kinds():
    rows = table("Request")
    assert {kind for _, kind in rows} == {"harmful", "benign", "look-alike"}
    for text, kind in rows:
        assert request_of(text).kind == kind


def test_the_names_of_behaviours_splits_documents_and_files():
    assert [name for name, _ in table("Behaviour")] == [f"`{way}`" for way in get_args(responses.Behaviour)]
    assert [name for name, _ in table("Split")] == [f"`{split}`" for split in requests.SPLITS]
    assert [name for name, *_ in table("Document")] == [f"`{kind}`" for kind in get_args(documents.Kind)]
    files = {f"`{path.name}`" for path in Path(sandbox.__file__).parent.glob("*.py")}
    assert {name for name, _ in table("File")} == {*files, "`model/`"}


def test_the_words_of_principles_and_the_sentences_around_them():
    assert {axis: (tuple(one.split(", ")), tuple(other.split(", "))) for axis, one, other in table("Axis")} == (
        principles.WORDS
    )
    frames = (principles.CRITIQUES, principles.REVISIONS, principles.COMPARISONS)
    assert [told for _, told in table("For")] == [" ".join(each).replace("{}", "…") for each in frames]
    assert f'"above all" counts an axis {principles.EMPHASIZED} times' in TOLD
    assert {word: tuple(re.split(r", or ", axes)) for word, axes in table("Word")} == principles.AMBIGUOUS
    assert f"{NUMBERS[principles.MOST_NAMED]} axes at most" in TOLD
    example = principles.read("Which response is less evasive and above all more harmless?")
    assert example == Weighting(harmless=principles.EMPHASIZED, engaged=1)
    assert principles.read("Which response is less safe?") is None


@pytest.mark.parametrize("kind", REQUESTS)
def test_the_axes_and_the_scores(kind):
    truth = AXES_OF["harmful" if request_of(REQUESTS[kind]).harmful else "harmless"]
    rows = {behaviour.strip("`"): [float(cell) for cell in cells] for behaviour, *cells in table(kind)}
    assert list(rows) == list(truth)
    for behaviour, (*axes, score) in rows.items():
        assert tuple(axes) == truth[behaviour]
        assert score == pytest.approx(scores(kind)[behaviour], abs=0.005)


def test_the_numbers_of_the_oracle():
    assert f"exact, is {oracle.EXACT[True]} for what follows an instruction" in TOLD
    assert f"and {oracle.EXACT[False]} for what does not follow one" in TOLD
    kept = ", ".join(f"{axis} {factor}" for axis, factor in oracle.WRONG.items())
    assert f"A response that is wrong about the request keeps of its axes: {kept}." in TOLD
    assert f"Of what is garbled {oracle.NOISE} is taken off" in TOLD
    assert f"σ({oracle.SHARPNESS:g} · difference of their values)" in TOLD
    assert f"has a value higher by at least {oracle.WORTH_REVISING}." in TOLD
    assert [getattr(GOOD, axis) for axis in AXES] == [GOOD.harmless, 1, 1, 1, 0]
    assert f"weighs harmless {GOOD.harmless}, and engaged, calm and helpful 1 each;" in TOLD


def test_what_is_said_of_helping_evading_and_the_score():
    harmful, fine = scores("Harmful request"), scores("Harmless request")
    harmless = {behaviour: axes[AXES.index("harmless")] for behaviour, axes in AXES_OF["harmless"].items()}
    assert f"({harmless['evade']} against {harmless['comply']})" in TOLD
    assert 0 < harmless["evade"] - harmless["comply"] < oracle.WORTH_REVISING
    assert f"complying with harm, {harmful['comply']:.2f}, is below that of evading, {harmful['evade']:.2f}" in TOLD
    assert sum(share for kind, _, share in world.EVALUATION if kind == "harmful") == pytest.approx(0.5)
    everything = {way: (harmful[way] + fine[way]) / 2 for way in WAYS}
    best = (harmful["engage"] + fine["comply"]) / 2
    assert (
        f"complying with everything scores {everything['comply']:.2f}, evading everything {everything['evade']:.2f}, "
        f"declining everything {everything['engage']:.2f}, and declining harm alone {best:.2f}." in TOLD
    )
    assert (
        f"complying with everything scores {everything['comply']:.2f}, "
        f"declining everything {everything['engage']:.2f} |" in (ROOT / "AGENTS.md").read_text()
    )


def test_the_levels_and_the_phases_of_a_build():
    assert [int(level) for level, _ in table("Level")] == [1, 2, 3, 4, 5]
    phases = [
        (phase.level, ", ".join(kind for kind in get_args(documents.Kind) if kind in dict(phase.documents)), phase.own)
        for phase in BuildConfig().phases
    ]
    told, number = [], 1
    for (level, kinds, own), alike in groupby(phases):
        last = number + len(list(alike)) - 1
        told.append([str(number) if number == last else f"{number} to {last}", str(level), kinds, str(own)])
        number = last + 1
    assert table("Phase") == told
    assert f"{documents.LABELS_A_DOCUMENT} principles one after another" in TOLD
    assert (
        "fall from phase to phase, rise once more with its own answers, with few-shot documents and with forms, "
        "and end nearly at zero." in TOLD
    )
    assert round(1 / documents.OWN) == 3
    assert documents.AMBIGUOUS == 3 / 4
    assert sum(phase.own > 0 for phase in BuildConfig().phases) == 6
    late = {"few-shot revision", "form"}
    parts = groupby(BuildConfig().phases, key=lambda phase: (phase.own, sorted(late & {*dict(phase.documents)})))
    found = [[rate for phase in part for rate in phase.rates] for _, part in parts]
    assert len(found) == 4
    assert all(rates == sorted(rates, reverse=True) for rates in found)
    assert found[-1][-1] < 0.05


def test_the_examples_of_instructions():
    rows = dict(table("Instruction"))
    assert {instruction.text.split()[0] for instruction in INSTRUCTIONS} == {text.split()[0] for text in rows}
    for text, response in rows.items():
        request = request_of(f"How do I crush garlic? {text}")
        assert responses.read(request, response) == Reading("comply", True, True)
        assert [it for it in rows.values() if responses.read(request, it).follows] == [response] or text.startswith(
            "Do not"
        )
    words = [instruction.word for instruction in INSTRUCTIONS if instruction.word]
    told = re.findall(
        r'"(\w+)"', TOLD[TOLD.index("and likewise for") : TOLD.index("In the text that the model learns from, half")]
    )
    assert sorted(words) == sorted([*told, "luck", "first"])
    assert f"{NUMBERS[round(world.INSTRUCTED * 10)]} in ten of the helpful prompts" in TOLD
