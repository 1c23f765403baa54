import pytest

from solon.constitution.load import builtins, load, text_of
from solon.errors import UsageError

GOOD = """\
name: mine
principles:
- id: no-harm
  revision_request: Rewrite the response to be harmless.
"""


def complaint(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as caught:
        load(path)
    return str(caught.value).replace(str(path), "mine.yaml")


def test_a_good_file_loads_and_its_text_is_kept_as_written(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        GOOD + "  title: A colon in quotes, 'a: b'\n".replace("A colon", '"A colon').replace("'\n", "'\"\n")
    )
    constitution = load(path)
    assert constitution.principles[0].title == "A colon in quotes, 'a: b'"
    assert text_of(path) == path.read_text()


def test_every_built_in_loads_by_its_name():
    for name in builtins():
        assert load(name).principles
        assert text_of(name)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load(path).name == "mine"


def test_a_date_or_a_version_is_text_as_it_stands(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD + "  title: 2024-01-01\n  rationale: 1.2.3\n")
    assert load(path).principles[0].title == "2024-01-01"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, ["empty"]),
        ("# only a comment\n", 1, ["empty"]),
        ("- a\n- b\n", 1, ["a list of 2", "mapping"]),
        ("name: mine\n", 1, ["principles is missing", "add it"]),
        ("name: mine\nprinciples: []\n", 2, ["principles is empty", "at least 1"]),
        ("name: mine\nprinciples:\n", 2, ["`principles:` has no value", "remove the line"]),
        ("name: mine\nprinciples:\n- be kind\n", 3, ["principles[1] is the text 'be kind'", "mapping"]),
        (GOOD + "  title: a\n  title: b\n", 6, ["'title' stands here again", "line 5", "keep one"]),
        (GOOD + "  title: no\n", 5, ["`no`", "in quotes"]),
        (GOOD + "  tags: [On]\n", 5, ["`On`", "in quotes"]),
        (GOOD + "  title: true\n", 5, ["`true`, not text", "in quotes"]),
        (GOOD + "  title: 7\n", 5, ["is 7, not text", "in quotes"]),
        (GOOD + "  title: Consider this: that\n", 5, ["': ' inside text", "in quotes"]),
        (GOOD + "  title:\n    Consider this: that\n", 5, ["title is a mapping (`Consider this: that`)", "in quotes"]),
        (GOOD + "principle: []\n", 5, ["unknown key principle; did you mean 'principles'?"]),
        (GOOD + "  critique_requst: a\n", 5, ["key principles[no-harm].critique_requst", "'critique_request'?"]),
        (GOOD + "  colour: red\n", 5, ["unknown key", "the keys here are id, title,"]),
        (GOOD + "  title: [a]\n", 5, ["title is a list of 1, not text"]),
        (GOOD + "  tags: a\n", 5, ["tags is the text 'a'", "a list"]),
        (GOOD + "  weight: 0\n", 5, ["weight is 0", "greater than 0"]),
        (GOOD + "  weight: -1.5\n", 5, ["weight is -1.5", "greater than 0"]),
        (GOOD + "  weight: .nan\n", 5, ["weight is nan", "finite"]),
        (GOOD + "  weight: .inf\n", 5, ["weight is inf", "finite"]),
        (GOOD + "  weight: high\n", 5, ["weight is the text 'high'", "a number"]),
        (GOOD + "  weight: '2'\n", 5, ["weight is the text '2'", "a number"]),
        (GOOD + "  weight: true\n", 5, ["weight is `true`", "a number"]),
        (GOOD + "  comparison_request: ''\n", 5, ["comparison_request is empty"]),
        (GOOD + "  comparison_request:\n", 5, ["`comparison_request:` has no value"]),
        (GOOD + "- id: no-harm\n  comparison_request: b\n", 5, ["'no-harm'", "on line 3", "must differ"]),
        (GOOD.replace("revision", "critique"), 3, ["critique_request but no revision_request"]),
        (GOOD.replace("no-harm", "No Harm"), 3, ["'No Harm'", "lower-case"]),
        ("name: mine\nprinciples:\n- id: unused\n", 3, ["used by no stage"]),
        ("name: mine\nprinciples:\n\t- id: a\n", 3, ["a tab", "spaces"]),
        (GOOD + "  title: *kind* words\n", 5, ["cannot begin with '*'", "in quotes"]),
        (GOOD + "  title: &kind words\n", 5, ["`&kind`", "in quotes"]),
        (GOOD + "  title: !kind words\n", 5, ["`!kind`", "in quotes"]),
        (GOOD + "  title: @all\n", 5, ["cannot begin with '@'", "in quotes"]),
        (GOOD + '  title: "abc\n', 5, ["never closed"]),
        (GOOD + "  title: 'don't'\n", 5, ["missing quote"]),
        (GOOD + "  title\n  rationale: b\n", 5, ["neither `key: value`"]),
        (GOOD + "---\n" + GOOD, 5, ["second document"]),
        (GOOD + "  title: a\0b\n", 5, ["U+0000"]),
        (GOOD + '  title: "\\ud800"\n', 5, ["halves of a character"]),
        ("name: mine\ntitle: caf\xe9\n".encode("latin-1"), 2, ["0xe9 is not UTF-8", "save"]),
        ("[" * 5000, 1, []),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_its_mending(tmp_path, text, line, words):
    told = complaint(tmp_path, text)
    assert told.startswith(f"mine.yaml:{line}: ")
    assert [word for word in words if word not in told] == []
    assert len(told.splitlines()) == 1, told


def test_all_mistakes_of_a_file_are_told_at_once_in_their_order(tmp_path):
    told = complaint(tmp_path, GOOD + "  weight: 0\n  titel: a\n  tags: [no]\n")
    assert [line.split(": ")[0] for line in told.splitlines()] == ["mine.yaml:5", "mine.yaml:6", "mine.yaml:7"]


def test_a_file_with_very_many_mistakes_does_not_flood_the_screen(tmp_path):
    told = complaint(tmp_path, GOOD + "".join(f"key{i}: 1\n" for i in range(100)))
    assert len(told.splitlines()) == 21
    assert told.endswith("and 80 more")


def test_a_folder_is_no_constitution(tmp_path):
    with pytest.raises(UsageError, match="is a folder; give the YAML file"):
        load(tmp_path)


def test_an_unknown_name_lists_the_built_ins(tmp_path):
    with pytest.raises(UsageError, match=r"there is no such constitution.*built-in names"):
        load("nosuch")


@pytest.mark.skipif(not builtins(), reason="there are no built-in constitutions yet")
def test_a_misspelt_built_in_is_suggested():
    name = builtins()[0]
    with pytest.raises(UsageError, match=f"did you mean '{name}'"):
        load(name[:-1])
