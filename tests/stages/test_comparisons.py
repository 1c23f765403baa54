import math

import pytest

from solon.errors import UsageError
from solon.records import user
from solon.stages.comparisons import mixed, sources, usable


def row(id, *, probability=0.9, responses=("no", "sure"), drop_reason=None, **more):
    given = {"id": id, "prompt": [user("why?")], "drop_reason": drop_reason, "responses": list(responses)}
    return {**given, "judgements": [], "probability": probability, **more}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"probability": None}, "its label is None"),
        ({"probability": math.nan}, "its label is nan"),
        ({"probability": 1.01}, "its label is 1.01, and must be a probability"),
        ({"probability": -0.1}, "its label is -0.1"),
        ({"probability": math.inf}, "its label is inf"),
        ({"responses": ("same", "same")}, "its responses are identical"),
        ({"responses": ("sure", " \n")}, "a response is empty"),
        ({"responses": ("",)}, "it has 1 responses"),
    ],
)
def test_what_cannot_be_learned_is_named_with_its_reason(given, says):
    with pytest.raises(UsageError, match=rf"comparison 'bad' cannot be learned: {says}.*; drop it, with a drop_reason"):
        usable([row("good"), row("bad", **given)])
    assert usable([row("good"), row("bad", **given, drop_reason="known")]) == [row("good")]


AI, HUMAN = [row(f"p{i}") for i in range(8)], [row(f"h{i}", source="human") for i in range(20)]


@pytest.mark.parametrize(("ratio", "left"), [(None, 20), (0.74, 6), (2.0, 16), (9.0, 20), (0.0, 0)])
def test_people_are_heard_at_most_so_often_for_each_ai_label(ratio, left):
    found = mixed([*AI, *HUMAN], ratio=ratio, seed=0)
    assert found[:8] == AI
    assert len(found) == 8 + left
    assert found == [it for it in [*AI, *HUMAN] if it in found]


def test_which_are_heard_depends_on_the_seed():
    drawn = [[it["id"] for it in mixed([*AI, *HUMAN], ratio=1.0, seed=seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_where_there_are_people_alone_all_are_heard():
    assert mixed(HUMAN, ratio=0.74, seed=0) == HUMAN


def test_every_comparison_is_accounted_for():
    rows = [*AI, *HUMAN, row("x", drop_reason="abstained"), row("y", source="human", drop_reason="identical")]
    assert sources(rows, used=mixed(usable(rows), ratio=1.0, seed=0)) == {
        "ai": {"rows": 9, "used": 8, "dropped": {"abstained": 1}},
        "human": {"rows": 21, "used": 8, "dropped": {"identical": 1}},
    }
