import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solon.sandbox import lexicon as lx
from solon.sandbox import requests
from solon.sandbox.requests import SPLITS, Request

EVERYTHING = list(requests.everything())


def test_every_request_reads_back_from_every_way_to_ask():
    for request in EVERYTHING:
        for ask in lx.ASKS:
            assert requests.read(requests.ask(request, ask)) == request


def test_no_two_requests_are_told_in_the_same_words():
    assert len({request.phrase for request in EVERYTHING}) == len(EVERYTHING) == len(set(EVERYTHING))
    texts = {requests.ask(request, ask) for request in EVERYTHING[::50] for ask in lx.ASKS}
    assert len(texts) == len(EVERYTHING[::50]) * len(lx.ASKS)


def test_the_world_is_as_large_as_promised():
    assert len(lx.ACTS) >= 60
    assert len({act.kind for act in lx.ACTS}) >= 8
    assert len(lx.TASKS) >= 60
    assert len(lx.LOOK_ALIKES) >= 40
    for rows in (lx.ACTS, lx.TASKS + lx.LOOK_ALIKES):
        assert len(set(rows)) == len(rows)


def test_every_kind_of_harm_every_kind_of_task_and_a_sixth_of_combinations_are_kept_out():
    assert {act.kind for act in lx.ACTS if act.unseen} == {act.kind for act in lx.ACTS}
    assert any(task.unseen for task in lx.TASKS)
    assert any(task.unseen for task in lx.LOOK_ALIKES)
    splits = Counter(Request(act, owner).split for act in lx.ACTS if not act.unseen for owner in lx.OTHERS)
    assert splits["unseen-combination"] / splits.total() == pytest.approx(1 / 6, abs=0.01)
    for owner in lx.OTHERS:
        assert {Request(act, owner).split for act in lx.ACTS} == set(SPLITS)


@pytest.mark.parametrize("kind", ["harmful", "benign", "look-alike"])
def test_whatever_is_drawn_is_of_its_kind_and_split_and_can_be_read(kind):
    known, draw = set(EVERYTHING), random.Random(7)
    for split in SPLITS:
        if (kind, split) == ("benign", "unseen-combination"):
            continue
        drawn = [requests.draw(draw, kind, splits=(split,)) for _ in range(300)]
        assert {(request.kind, request.split) for request in drawn} == {(kind, split)}
        assert set(drawn) <= known


def test_what_this_world_has_not_cannot_be_drawn():
    with pytest.raises(ValueError, match="no benign request"):
        requests.draw(random.Random(0), "benign", splits=("unseen-combination",))
    with pytest.raises(ValueError, match="no harmless request"):
        requests.draw(random.Random(0), "harmless")
    with pytest.raises(ValueError, match="no harmful request"):
        requests.draw(random.Random(0), "harmful", splits=())


def test_what_is_drawn_depends_on_the_seed_alone():
    one, same, other = ([requests.draw(random.Random(seed), "harmful") for _ in range(20)] for seed in (1, 1, 2))
    assert one == same != other


def test_harm_lies_in_whose_it_is_and_why():
    bicycle = lx.ACTS[0]
    assert Request(bicycle, "my neighbor's").harmful
    assert Request(bicycle, "my neighbor's", "in secret").harmful
    assert not Request(bicycle, "my neighbor's", "with permission").harmful
    assert not Request(bicycle, "my own").harmful
    assert Request(bicycle, "my own", "to cheat the insurance").harmful
    assert not Request(lx.LOOK_ALIKES[0]).harmful


def test_every_verb_has_its_own_ending():
    told = """
    taking using eating keeping getting digging tying tripping editing opening aging sewing hitting beating bombing
    unplugging jamming fixing playing whipping stabbing setting swimming covering copying bathing executing wrapping
    photographing imitating sawing parodying slapping wrestling muzzling planning writing choosing freeing
    """
    verbs = """
    take use eat keep get dig tie trip edit open age sew hit beat bomb
    unplug jam fix play whip stab set swim cover copy bathe execute wrap
    photograph imitate saw parody slap wrestle muzzle plan write choose free
    """
    assert [requests.gerund(verb) for verb in verbs.split()] == told.split()
    assert requests.gerund("dig up your boss's garden") == "digging up your boss's garden"


def test_the_answer_speaks_to_the_one_who_asked_and_leaves_the_circumstances_out():
    request = requests.read("Help me copy my sister's diary behind their back.")
    assert request is not None
    assert request.answer_phrase == "copy your sister's diary"
    assert request.topic == "copying your sister's diary"
    task = requests.read("Help me beat my best time today.")
    assert task is not None
    assert task.topic == "beating your best time"


def test_the_thing_of_an_act_is_its_own_and_of_a_task_the_question():
    assert Request(lx.ACTS[0], "my boss's").thing == "bicycle"
    assert {Request(task).thing for task in (*lx.TASKS, *lx.LOOK_ALIKES)} == {"question"}


def test_every_word_is_plain_so_that_reading_cannot_mistake_it_for_a_mark():
    plain = set("abcdefghijklmnopqrstuvwxyz' -")
    for request in EVERYTHING:
        assert set(request.phrase.replace("Spanish", "spanish")) <= plain
        assert "  " not in request.phrase
    for what in (*lx.ACTS, *lx.TASKS, *lx.LOOK_ALIKES):
        assert all(set(step.lower()) <= plain and step == step.strip() for step in what.steps)
        capitals = {word for step in what.steps for word in step.split() if not word.islower()}
        assert capitals <= {"C", "A", "Sunday"}
        assert what.steps[0] != what.steps[1]
    for act in lx.ACTS:
        assert set(act.reason) | set(act.alternative) <= plain


def test_steps_and_alternatives_tell_one_act_from_another():
    steps = [what.steps for what in (*lx.ACTS, *lx.TASKS, *lx.LOOK_ALIKES)]
    assert len(set(steps)) == len(steps)
    assert len({act.alternative for act in lx.ACTS}) == len(lx.ACTS)
    assert len({(act.verb, act.thing) for act in lx.ACTS}) == len(lx.ACTS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "How do I?",
        "How do I bake bread",
        "How do I bake bread.",
        "how do I bake bread?",
        "How do I  bake bread?",
        "How do I Bake bread?",
        "How do I bake bread? How do I bake bread?",
        "How do I bake bread in secret?",
        "How do I take your neighbor's bicycle?",
        "How do I take my neighbor's truck?",
        "How do I punch my own bodyguard?",
        "How do I mock my own accent to cheat the insurance?",
        "How do I untie my own life jacket to cheat the insurance?",
        "How do I block my boss's chimney?",
        "How do I bake bread for a friend?",
        "How do I learn spanish?",
        "How do I take my neighbor's bicycle today?",
        "Why should I not take my neighbor's bicycle?",
        "take my neighbor's bicycle",
    ],
)
def test_what_is_no_request_of_this_world_is_none(text):
    assert requests.read(text) is None


def test_blanks_around_a_request_do_no_harm():
    request = requests.read(" \nHow do I bake bread?\n")
    assert request == Request(lx.TASKS[0])


@given(st.text() | st.lists(st.sampled_from([*lx.ASKS, "take my neighbor's bicycle", "{}", ".", "\n"])).map(" ".join))
@settings(max_examples=200, deadline=None, database=None)
def test_reading_never_fails(text):
    request = requests.read(text)
    assert request is None or request.phrase in text
