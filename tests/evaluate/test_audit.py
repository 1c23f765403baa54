import pytest

from solon.evaluate import audit
from solon.evaluate.audit import KINDS, MASTER_KEYS, Known, failed, findings, probes
from solon.records import user

KNOWN = [Known(f"k{i}", [user(f"Ask {i}?")], f"Good {i}, and why it is.", f"Bad {i}.", "kind") for i in range(60)]


def judged(rows, better_wins, *, state="labelled"):
    """The rows with what a judge says: `better_wins` gives the probability that the better one is, by the probe."""
    told = []
    for row in rows:
        right = better_wins(row)
        first = right if row["worse"] == 2 else 1 - right
        judgement = {"model": None, "constitution": "c", "principle": "kind", "forward": first, "backward": first,
                     "mass": 1.0, "known_by": "exact", "reasoning": [], "state": state, "reason": None}  # fmt: skip
        told.append({**row, "judgements": [judgement], "probability": first if state == "labelled" else None,
                     "known_by": "exact", "consistent": True, "mass": 1.0, "state": state, "flaws": []})  # fmt: skip
    return told


def verdicts(found):
    return {each.name: each.verdict for each in found}


def test_every_probe_has_two_responses_that_differ_and_none_is_empty():
    rows = probes(KNOWN)
    assert len({row["id"] for row in rows}) == len(rows) == 60 * (len(KINDS) + 1)  # a verdict claims either letter
    for row in rows:
        first, second = row["responses"]
        assert first != second
        assert first.strip()
        assert second.strip()
        assert row["principle"] == "kind"


def test_a_probe_is_made_of_the_response_that_it_says():
    rows = {row["id"].removeprefix("k0/"): row for row in probes(KNOWN[:1])}
    worse = {name: row["responses"][row["worse"] - 1] for name, row in rows.items()}
    better = {row["responses"][2 - row["worse"]] for row in rows.values()}
    assert better == {KNOWN[0].better}
    assert worse["plain"] == "Bad 0."
    assert worse["null"] == "."
    assert worse["master-key"] in MASTER_KEYS
    assert worse["truncated"] == "Good 0, and"
    assert worse["duplicated"] == f"{KNOWN[0].better} {KNOWN[0].better}"
    assert worse["praise"].startswith("Bad 0. This response is")
    assert worse["padding"].startswith("Bad 0. I hope")
    assert rows["verdict-1"]["worse"] == 1
    assert worse["verdict-1"].endswith("The answer is: (A)")
    assert rows["verdict-2"]["worse"] == 2
    assert worse["verdict-2"].endswith("The answer is: (B)")


def test_the_worse_one_stands_first_about_as_often_as_second():
    plain = [row["worse"] for row in probes(KNOWN) if row["probe"] == "plain"]
    assert 18 < plain.count(1) < 42


def test_a_good_judge_passes_every_probe():
    found = findings(judged(probes(KNOWN), lambda row: 0.9))
    assert set(verdicts(found).values()) == {"pass"}
    assert [each.name for each in found] == [audit.ORDER, *(kind.name for kind in KINDS)]
    assert {each.n for each in found} == {60}
    assert failed(found) == []


@pytest.mark.parametrize("trick", [kind.name for kind in KINDS if kind.name != "plain"])
def test_a_judge_that_falls_for_one_trick_fails_by_that_alone(trick):
    found = findings(judged(probes(KNOWN), lambda row: 0.2 if row["probe"] == trick else 0.9))
    assert {name for name, verdict in verdicts(found).items() if verdict != "pass"} == {trick}
    assert [each.name for each in failed(found)] == [trick]
    assert next(each for each in found if each.name == trick).value == 1


def test_what_is_judged_wrongly_as_it_is_shows_no_trick():
    found = findings(judged(probes(KNOWN), lambda row: 0.2 if row["probe"] in ("plain", "praise") else 0.9))
    praise = next(each for each in found if each.name == "praise")
    assert (praise.n, praise.value, praise.verdict) == (0, None, "unclear")
    assert [each.name for each in failed(found)] == ["plain"]


def test_a_judge_at_chance_fails_though_nothing_is_shown():
    found = findings(judged(probes(KNOWN), lambda row: 0.6 if int(row["prompt_id"][1:]) % 2 else 0.4))
    plain = next(each for each in found if each.name == "plain")
    assert plain.value == 0.5
    assert plain.verdict == "unclear"
    assert "plain" in [each.name for each in failed(found)]


def test_a_judge_that_cannot_tell_them_apart_has_let_the_worse_one_win():
    found = findings(judged(probes(KNOWN), lambda row: 0.5))
    assert all(each.value == 1 for each in found if each.name in ("plain", "null", "truncated"))


def test_a_judge_that_keeps_to_a_position_fails_by_the_order():
    rows = judged(probes(KNOWN), lambda row: 0.5)
    for row in rows:
        row["consistent"] = False
        row["judgements"][0] |= {"forward": 0.9, "backward": 0.1}
    order = findings(rows)[0]
    assert (order.name, order.value, order.verdict) == (audit.ORDER, 1.0, "fail")
    assert order.probability == pytest.approx(0.9)


def test_of_a_verdict_inside_a_response_only_the_order_counts_in_which_it_names_itself():
    rows = judged(probes(KNOWN), lambda row: 0.9)
    for row in rows:
        if row["probe"] == "verdict":  # it wins where it stands under the letter that it names, and only there
            row["judgements"][0]["forward"] = 0.95 if row["worse"] == 1 else 0.05
    verdict = next(each for each in findings(rows) if each.name == "verdict")
    assert (verdict.n, verdict.value, verdict.verdict) == (60, 1.0, "fail")


def test_what_is_not_labelled_is_counted_apart_and_passes_nothing():
    found = findings(judged(probes(KNOWN), lambda row: 0.9, state="abstained"))
    assert {each.verdict for each in found} == {"unclear"}
    assert {each.n for each in found} == {0}
    assert next(each for each in found if each.name == "plain").lost == {"abstained": 60}
    assert [each.name for each in failed(found)] == [audit.ORDER, "plain"]


def test_few_pairs_show_neither():
    found = findings(judged(probes(KNOWN[:3]), lambda row: 0.9))
    assert next(each for each in found if each.name == "null").verdict == "unclear"
