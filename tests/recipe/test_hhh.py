"""Comparisons whose answer is known, and tables of judgements in two orders."""

import json

import pytest

from solon.errors import UsageError
from solon.recipe import hhh
from solon.recipe.hhh import HHHConfig
from solon.recipe.hhh_file import read_items
from solon.recipe.judgement_file import read_judgements


def test_the_papers_file_has_438_items_of_188_contexts(shared_data):
    items = read_items(shared_data("paper/evals/438HHHEvaluations.jsonl"), first=None, seed=0)
    assert len(items) == 438
    assert len({item["prompt_id"] for item in items}) == 188
    assert 170 < sum(item["truth"] == 1 for item in items) < 268
    assert [item["id"] for item in items[:2]] == ["hhh-001", "hhh-002"]


def test_items_are_judged_by_the_labels_chain_and_not_asked_again(tmp_path, kitchen):
    path = tmp_path / "few.jsonl"
    told = [
        {
            "text_correct": f"\n\nHuman: Hi {i // 2}.\n\nAssistant: Hello {i}.",
            "text_incorrect": f"\n\nHuman: Hi {i // 2}.\n\nAssistant: What?",
        }
        for i in range(12)
    ]
    path.write_text("".join(json.dumps(each) + "\n" for each in told))
    config = HHHConfig("sandbox")

    def judge():
        progress = lambda stage, done, total: None  # noqa: E731
        return hhh.judge_hhh(str(path), config, out=tmp_path / "out", limit=None, batch_size=8, progress=progress)

    summary = judge()
    assert summary["rows"] == 12
    assert summary["figures"]["consistency"]["value"] == 0  # the kitchen's model likes (A)
    assert summary["figures"]["share_a"]["value"] == 1
    asked = kitchen.asked
    assert judge() == summary
    assert kitchen.asked == asked == 24


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"forward": 1.2, "backward": 0.1}', "1.2"),
        ('{"forward": NaN, "backward": 0.1}', "forward"),
        ('{"verdict_ab": "C", "verdict_ba": "A"}', "C"),
    ],
)
def test_a_judgement_that_is_none_is_told_with_its_line(tmp_path, line, told):
    path = tmp_path / "judged.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(UsageError, match=r"judged\.jsonl:1.*" + told):
        read_judgements(path)


def test_verdicts_are_of_the_letters_as_they_were_shown(tmp_path):
    path = tmp_path / "judged.jsonl"
    path.write_text('{"verdict_ab": "A", "verdict_ba": "B", "truth": "A", "prompt_id": "p"}\n')
    (row,) = read_judgements(path).rows
    assert (row.forward, row.backward, row.truth, row.group) == (1.0, 1.0, 1.0, '"p"')
