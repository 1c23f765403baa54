"""What of a run is exported, and that every row of it is accounted for."""

import pytest
from small_run import RECIPE, REVISIONS, TALK

from solon.errors import UsageError
from solon.export.data import gather
from solon.recipe import load, settled
from solon.stages.finetune import _examples


def gathered(run, **settings):
    found = gather(run, settled(load(run / "recipe.yaml")), **{"stage": None, "held_out": False, **settings})
    return {data.name: data for data in found}


@pytest.mark.parametrize(
    "finetune", ["{}", "{revisions: last}", "{upto: 1}", "{revisions: last, upto: 1}", "{helpful_ratio: 0.13}"]
)
def test_the_texts_are_those_that_finetuning_is_trained_on(written, finetune):
    run = written(recipe=f"{RECIPE}seed: 3\nfinetune: {finetune}\n")
    rows = gathered(run)["sft"].rows
    wanted = _examples(REVISIONS, settled(load(run / "recipe.yaml")).finetune)
    assert [{"prompt": row["prompt"], "completion": row["completion"]} for row in rows] == wanted


def test_a_text_says_which_revision_it_is_and_what_it_answers(written):
    rows = gathered(written(recipe=f"{RECIPE}finetune: {{revisions: last}}\n"))["sft"].rows
    assert [(row["id"], row["revision"], row["principle"], row["critique"]) for row in rows] == [
        ("r0", 2, "kind", "No: Ask them."),
        ("r1", 2, "kind", "No: Wait."),
        ("r2", 2, "kind", "No: Ask them."),
        ("r4", 2, "kind", "No: Ask."),
        ("h0", 0, None, None),
        ("h1", 0, None, None),
    ]


def test_helpful_texts_that_the_recipe_leaves_out_are_counted(written):
    sft = gathered(written(recipe=f"{RECIPE}finetune: {{helpful_ratio: 0.13}}\n"))["sft"]
    assert sft.left_out == {"response cut at max_tokens": 1, "more than finetune.helpful_ratio 0.13 takes": 1}


def test_a_revision_is_preferred_to_the_response_that_it_changes(written):
    data = gathered(written())["revision_preferences"]
    first = data.rows[0]
    assert (first["chosen"][0]["content"], first["rejected"][0]["content"]) == ("Ask them.", "Cut the lock.")
    assert first["principles"] == ["kind", "kind"]
    assert data.left_out == {
        "response cut at max_tokens": 1,
        "helpful, not revised": 2,
        "the revision is the response": 1,
    }


def test_the_better_response_by_the_label_is_chosen_and_its_soft_label_kept(written):
    first, second, _ = gathered(written())["ai_preferences"].rows
    assert (first["chosen"][0]["content"], first["probability"]) == ("Ask.", 0.9)
    assert (first["principles"], first["known_by"], first["consistent"]) == (["kind"], "exact", True)
    assert (second["chosen"][0]["content"], second["probability"]) == ("Wait.", 0.75)
    assert second["prompt"] == TALK


def test_ties_abstentions_and_pairs_that_were_never_labelled_are_counted(written):
    assert gathered(written())["ai_preferences"].left_out == {
        "identical responses": 1,
        "abstained: the options have a mass of N, under N": 1,
        "a tie: the label is 1/2": 1,
    }


@pytest.mark.parametrize("name", ["sft", "revision_preferences", "ai_preferences", "responses"])
def test_every_row_of_a_stage_is_there_or_counted(written, name):
    data = gathered(written(), held_out=True)[name]
    assert len({row["id"] for row in data.rows}) + sum(data.left_out.values()) == data.total


def test_labels_that_were_turned_round_at_random_are_said_to_be(written):
    assert (
        "nobody's preferences"
        in gathered(written(recipe=f"{RECIPE}label: {{shuffle: true}}\n"))["ai_preferences"].about
    )


def test_answers_to_held_out_prompts_go_out_only_where_they_are_asked_for(written):
    run = written()
    assert "responses" not in gathered(run)
    [row] = gathered(run, held_out=True)["responses"].rows
    assert row == {
        "id": "e0",
        "model": "sl-cai",
        "prompt": TALK,
        "completion": [{"role": "assistant", "content": "Ask."}],
    }


def test_only_complete_stages_go_out_unless_one_is_named(written):
    run = written(comparisons=[])
    assert list(gathered(run)) == ["sft", "revision_preferences"]
    with pytest.raises(UsageError, match="04-label is not complete"):
        gathered(run, stage="label")


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("finetune", "02-finetune is trained on the rows of critique; the stages that have data.* critique, label"),
        ("pairs", "its rows get in label"),
        ("evaluate", "--to hub only"),
        ("labels", "did you mean 'label'"),
    ],
)
def test_a_stage_without_data_says_where_the_data_is(written, stage, told):
    with pytest.raises(UsageError, match=told):
        gathered(written(), stage=stage)
