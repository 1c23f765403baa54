import pytest

from solon.recipe import prompt_columns as columns
from solon.recipe import transcripts
from solon.recipe.prompt_columns import COLUMNS, column_of, read_cells
from solon.records import assistant, user

H, A = "\n\nHuman:", "\n\nAssistant:"
TURNS = [user("a"), assistant("b"), user("c"), assistant("d")]


@pytest.mark.parametrize(
    ("names", "column"),
    [
        (["id", "prompt", "type", "label", "focus", "note"], "prompt"),
        (["prompt", "prompt_id", "messages"], "messages"),
        (["prompt", "chosen", "rejected"], "prompt"),
        (["chosen", "rejected"], "chosen"),
        (["rejected"], None),
        (["min_harmlessness_score_transcript", "transcript", "rating"], "transcript"),
        (["rl_prompt", "comparison_dataset", "sampled_answers"], "rl_prompt"),
        (["instruction", "input", "output", "text"], "instruction"),
        (["goal", "target"], None),
        ([], None),
    ],
)
def test_prompts_are_read_from_the_first_column_that_is_known(names, column):
    assert column_of(names) == column


@pytest.mark.parametrize(
    ("cells", "conversations", "notes"),
    [
        ({"prompt": "a"}, [[user("a")]], set()),
        ({"prompt": " a\r\nb "}, [[user(" a\r\nb ")]], set()),
        ({"prompt": f"{H} a{A}"}, [[user("a")]], {columns.TAKEN_FOR_TRANSCRIPT}),
        ({"prompt": "Human: a"}, [[user("Human: a")]], set()),
        ({"prompt": [user("a")]}, [[user("a")]], set()),
        ({"messages": TURNS}, [TURNS[:3]], {transcripts.ANSWER_CUT}),
        ({"messages": TURNS[:3]}, [TURNS[:3]], set()),
        ({"messages": [{**user("a"), "name": None, "weight": 1}]}, [[user("a")]], set()),
        ({"messages": [user("a"), user("b")]}, [[user("a\n\nb")]], {transcripts.JOINED}),
        ({"messages": [user("Human: a")]}, [[user("Human: a")]], set()),
        ({"chosen": f"{H} a{A} b", "rejected": f"{H} a{A} c"}, [[user("a")]], {transcripts.ANSWER_CUT}),
        ({"chosen": f"{H} a{A} b", "rejected": None}, [[user("a")]], {transcripts.ANSWER_CUT}),
        ({"chosen": TURNS, "rejected": [*TURNS[:3], assistant("e")]}, [TURNS[:3]], {transcripts.ANSWER_CUT}),
        (
            {"chosen": f"{H} a{A} b", "rejected": f"{H} c{A} b"},
            [[user("a")], [user("c")]],
            {transcripts.ANSWER_CUT, columns.NOT_SHARED},
        ),
        (
            {"chosen": f"{H} a{A} b{A} c", "rejected": f"{H} a{A} d"},
            [[user("a")]],
            {transcripts.ANSWER_CUT, transcripts.JOINED, columns.NOT_SHARED},
        ),
        (
            {"chosen": "nothing", "rejected": f"{H} a{A} b"},
            [[user("a")]],
            {transcripts.ANSWER_CUT, columns.NOT_SHARED, columns.ONE_USED},
        ),
        ({"question": "a"}, [[user("a")]], set()),
        ({"instruction": "a", "input": ""}, [[user("a")]], set()),
        ({"instruction": "a", "input": "b", "output": "c"}, [[user("a\n\nb")]], {columns.ABOUT_ADDED}),
        ({"instruction": "a", "context": "b"}, [[user("a\n\nb")]], {columns.ABOUT_ADDED}),
    ],
)
def test_a_row_gives_its_prompts(cells, conversations, notes):
    found = read_cells(cells, column=column_of(cells))
    assert found.drop_reason is None
    assert found.conversations == conversations
    assert found.notes == notes


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"prompt": None}, columns.EMPTY),
        ({"prompt": " \n"}, columns.EMPTY),
        ({"prompt": []}, columns.EMPTY),
        ({"prompt": 3}, columns.NO_TEXT),
        ({"prompt": {"text": "a"}}, columns.NO_TEXT),
        ({"prompt": "half \ud83d"}, columns.HALF_CHARACTER),
        ({"messages": [user("half \ud83d")]}, columns.HALF_CHARACTER),
        ({"messages": ["a"]}, columns.TURN_WITHOUT_TEXT),
        ({"messages": [{"role": "user", "content": None}]}, columns.TURN_WITHOUT_TEXT),
        ({"messages": [{"role": "tool", "content": "a"}]}, 'a turn has the role "tool"'),
        ({"messages": [{"role": "\x1b" * 99, "content": "a"}]}, 'a turn has the role "' + r"\u001b" * 9 + r"\u..."),
        ({"messages": [{"role": ["user"], "content": "a"}]}, 'a turn has the role ["user"]'),
        ({"messages": [user("a"), user("")]}, None),
        ({"messages": [assistant("a")]}, transcripts.NO_HUMAN_TURN),
        ({"transcript": "no turns"}, transcripts.NO_HUMAN_TURN),
        ({"chosen": f"{H} {A} a", "rejected": f"{H} {A} b"}, transcripts.EMPTY_HUMAN_TURN),
    ],
)
def test_what_is_wrong_with_a_row_is_its_reason_and_what_there_is_of_it_is_kept(cells, reason):
    found = read_cells(cells, column=column_of(cells))
    assert found.drop_reason == reason
    assert len(found.conversations) == 1
    assert found.conversations[0]
    for turn in found.conversations[0]:
        turn["content"].encode()


def test_every_column_is_read():
    for column in COLUMNS:
        assert read_cells({column: f"{H} a{A}"}, column=column).conversations == [[user("a")]]
