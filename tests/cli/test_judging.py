import json
from pathlib import Path

import pytest

from solon.chains import Choice
from solon.models.fake import Fake

HOSTILE = "\x1b[31mred\u202e [bold]"
ITEM = "\n\nHuman: Is it {0}?\n\nAssistant: {1} {0}"


@pytest.fixture
def hhh(solon, models, monkeypatch):
    """Judge ten items by a fake model that says (A) with 0.8."""
    made: list[Fake] = []

    def load(spec):
        made.append(Fake(lambda request: Choice((0.8, 0.2), mass=0.9)))
        return made[-1]

    monkeypatch.setattr("solon.recipe.work.models.load", load)
    items = [
        {"text_correct": ITEM.format(n, "yes"), "text_incorrect": ITEM.format(n, f"no {HOSTILE}")} for n in range(10)
    ]
    Path("hhh.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))

    def type_(*words):
        return solon("judge", "hhh", "hhh.jsonl", "--model", "some/judge", *words)

    type_.models = made
    return type_


def test_it_ends_with_what_was_made_and_what_to_type_next(hhh, solon):
    told = hhh().stdout
    *_, written, following = told.splitlines()
    assert written == "Written: runs/judge-hhh-judge-harmless-0/04-label"
    assert following == "Next: solon judge agreement runs/judge-hhh-judge-harmless-0/04-label"
    assert "Prefers the right response" in told
    assert "Items that were asked about: 10, of 10 contexts" in told
    assert "  labelled: 10" in told
    after = solon(*following.removeprefix("Next: solon ").split())
    assert after.exit_code == 0
    assert "Rows with a judgement in each order: 10, in 10 groups by prompt_id" in after.stdout
    assert after.stdout.splitlines()[-1] == "Next: solon show runs/judge-hhh-judge-harmless-0 label"
    assert solon(*after.stdout.splitlines()[-1].removeprefix("Next: solon ").split()).exit_code == 0


def test_json_has_the_figures_and_what_they_stand_beside(hhh):
    told = json.loads(hhh("--json", "--limit", "4", "--out", "mine").stdout)
    assert told["folder"] == "mine"
    assert told["figures"]["share_a"] == {"value": 1.0, "low": pytest.approx(0.51, abs=0.01), "high": 1.0, "n": 4}
    assert told["figures"]["accuracy"]["value"] == 0.5
    assert told["beside"]["longer_is_right"] == {"value": 0.0, "n": 4}
    assert told["states"]["rows"] == {"labelled": 4}
    assert told["chance"]["log_loss"] == pytest.approx(0.693, abs=0.001)


def test_where_no_item_was_asked_in_both_orders_its_rows_are_next(hhh):
    assert (
        hhh("--one-order").stdout.splitlines()[-1] == "Next: solon show runs/judge-hhh-judge-harmless-one-order-0 label"
    )


def test_every_way_of_asking_has_a_folder_of_its_own_and_is_asked_once(hhh):
    ways = [[], ["--one-order"], ["--limit", "3"], ["--seed", "1"], ["--constitution", "sandbox"]]
    folders = {json.loads(hhh("--json", *way).stdout)["folder"] for way in ways}
    assert len(folders) == len(ways)
    asked = sum(len(model.asked) for model in hhh.models)
    assert asked == 20 + 10 + 6 + 20 + 20
    assert {json.loads(hhh("--json", *way).stdout)["folder"] for way in ways} == folders
    assert sum(len(model.asked) for model in hhh.models) == asked


def test_what_is_wrong_is_told_and_ends_with_2(hhh, solon):
    done = hhh("--samples", "5")
    assert (done.exit_code, "add --chain-of-thought" in done.stderr) == (2, True)
    done = hhh("--constitution", "harmfull")
    assert (done.exit_code, "did you mean" in done.stderr) == (2, True)
    Path("said.jsonl").write_text(json.dumps({"verdict_ab": HOSTILE, "verdict_ba": "A"}) + "\n")
    done = solon("judge", "agreement", "said.jsonl")
    assert (done.exit_code, "said.jsonl:1: verdict_ab is" in done.stderr) == (2, True)
    assert "\x1b" not in done.stderr


def test_agreement_tells_what_it_read_and_what_it_did_not(solon, models):
    row = {"verdict_ab": "A", "verdict_ba": "B", "truth": 1, HOSTILE: "x"}
    Path("said.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**row, "verdict_ba": None}) + "\n")
    told = solon("judge", "agreement", "said.jsonl").stdout
    assert "Rows with a judgement in each order: 1, each taken for itself" in told
    assert "one order or both are missing: 1" in told
    assert "Columns that were not read: ⟨U+001B⟩[31mred⟨U+202E⟩ [bold]" in told
    assert told.splitlines()[-1].startswith("Next: solon judge")
    told = json.loads(solon("judge", "agreement", "said.jsonl", "--json").stdout)
    assert told["figures"]["accuracy_strict"]["value"] == 1.0
    assert told["states"] == {"labelled": 1, "one order or both are missing": 1}
    assert told["not_read"] == [HOSTILE]
