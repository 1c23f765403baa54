import json

import pytest

from solon.errors import UsageError
from solon.recipe.prompt_file import read_prompts


def read(tmp_path, *lines, **options):
    path = tmp_path / "red.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return read_prompts(path, kind="red-team", **options)


def test_text_and_conversations_are_prompts(tmp_path):
    turns = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "How?"},
    ]
    first, second = read(tmp_path, {"prompt": "Why?"}, "", {"id": "p7", "prompt": turns})
    assert first["prompt"] == [{"role": "user", "content": "Why?"}]
    assert second == {"id": "p7", "prompt": turns, "drop_reason": None, "kind": "red-team"}


def test_an_id_is_made_from_the_text_and_does_not_depend_on_the_order(tmp_path):
    forward = read(tmp_path, {"prompt": "a"}, {"prompt": "b"})
    backward = read(tmp_path, {"prompt": "b"}, {"prompt": "a"})
    assert {it["id"] for it in forward} == {it["id"] for it in backward}


def test_the_same_prompt_twice_has_two_ids_and_no_row_is_lost(tmp_path):
    first, second = read(tmp_path, {"prompt": "a"}, {"prompt": "a"})
    assert second["id"] == f"{first['id']}-2"


def test_only_the_first_so_many_are_read(tmp_path):
    assert len(read(tmp_path, {"prompt": "a"}, {"prompt": "b"}, "no json", first=2)) == 2


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(tmp_path):
    path = tmp_path / "red.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\r\n{"prompt": "b"}\r\n')
    assert len(read_prompts(path, kind="helpful")) == 2


def test_a_line_separator_inside_a_prompt_is_text(tmp_path):
    path = tmp_path / "red.jsonl"
    path.write_text('{"prompt": "a\u2028b"}\n', encoding="utf-8")
    assert read_prompts(path, kind="helpful")[0]["prompt"][0]["content"] == "a\u2028b"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("hello", "is no JSON"),
        ("[1]", 'has no "prompt"'),
        ({"text": "a"}, 'has no "prompt"'),
        ({"prompt": "a", "label": 1}, 'unknown key "label"'),
        ({"prompt": "  "}, "the prompt is empty"),
        ({"prompt": 3}, "neither text nor a list"),
        ({"prompt": []}, "neither text nor a list"),
        ({"prompt": ["a"]}, "turn 1 of the prompt"),
        ({"prompt": [{"role": "human", "content": "a"}]}, 'has the role "human"'),
        ({"prompt": [{"role": "assistant", "content": "a"}]}, "the last turn of the prompt must be the user's"),
        ({"prompt": "a", "id": 3}, "the id 3 is no name"),
        ({"prompt": "a", "id": ""}, 'the id "" is no name'),
        ({"prompt": "a", "id": "ok"}, "the id 'ok' names the prompt of line 1"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, line, words):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, {"prompt": "fine", "id": "ok"}, line)
    assert str(caught.value).startswith(f"{tmp_path}/red.jsonl:2: ")
    assert words in str(caught.value)


def test_an_empty_file_a_folder_and_a_missing_one_are_told(tmp_path):
    with pytest.raises(UsageError, match="has no prompts"):
        read(tmp_path)
    with pytest.raises(UsageError, match="is a folder"):
        read_prompts(tmp_path, kind="helpful")
    with pytest.raises(UsageError, match="there is no such file"):
        read_prompts(tmp_path / "none.jsonl", kind="helpful")
