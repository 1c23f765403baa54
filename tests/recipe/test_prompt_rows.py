import gzip

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from solon.errors import ModelError, UsageError
from solon.recipe.prompt_file import read_prompts
from solon.recipe.prompt_rows import read_rows
from solon.records import assistant, user


def cells(source):
    return [dict(row.cells) for row in read_rows(str(source), whole=True)]


def texts(source, **options):
    found = read_prompts(source, kind="red-team", **options)
    return [prompt["prompt"][-1]["content"] for prompt in found.prompts]


def file(tmp_path, name, text):
    path = tmp_path / name
    raw = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("red.jsonl", '{"prompt": "a"}\n{"prompt": "b"}\n'),
        ("red.jsonl", '{"prompt": "a"}\r\n\r\n{"prompt": "b"}'),
        ("red.jsonl", '\n[{"prompt": "a"},\n {"prompt": "b"}]\n'),
        ("red.jsonl.gz", '{"prompt": "a"}\n{"prompt": "b"}\n'),
        ("red.JSONL", '{"prompt": "a"}\n{"prompt": "b"}\n'),
        ("red", '{"prompt": "a"}\n{"prompt": "b"}\n'),
        ("red.csv", "prompt\na\nb\n"),
        ("red.csv", 'id,prompt,"type"\n1,a,x\n\n2,"b",y\n'),
        ("red.csv", " prompt \r\na\r\nb\r\n"),
        ("red.csv", "prompt,,\na,,\nb,,\n"),  # as spreadsheets write columns that were emptied
        ("red.csv.gz", "prompt,label\na,1\nb,2\n"),
        ("red.txt", "a\nb\n"),
        ("red.txt", "\r\n a \r\n\r\nb"),
        ("red.txt.gz", "a\nb\n"),
    ],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_each_kind_of_file_is_read(tmp_path, name, text, mark):
    assert texts(file(tmp_path, name, mark + text.encode())) == ["a", "b"]


def test_a_field_of_a_csv_may_hold_anything(tmp_path):
    path = file(tmp_path, "red.csv", 'prompt,note\n"a, ""b""\nc","=cmd()"\nd,e\n')
    assert cells(path) == [{"prompt": 'a, "b"\nc', "note": "=cmd()"}, {"prompt": "d", "note": "e"}]


def test_a_parquet_file_of_chats_is_read_and_columns_of_other_types_are_left_alone(tmp_path):
    path = tmp_path / "red.parquet"
    table = pa.table({"messages": [[user("a"), assistant("b")], [user("c")]], "image": [b"\xff", None], "id": [1, 2]})
    pq.write_table(table, path)
    assert cells(path)[0] == {"messages": [user("a"), assistant("b")], "id": 1}
    assert texts(path) == ["a", "c"]


def test_no_more_of_a_file_is_read_than_asked_for(tmp_path):
    for name, text in [
        ("red.jsonl", b'{"prompt": "a"}\n{"prompt": "b"}\n\xff'),
        ("red.csv", b"prompt\na\nb\n\xff"),
        ("red.txt", b"a\nb\n\xff"),
    ]:
        path = file(tmp_path, name, text)
        assert texts(path, first=2) == ["a", "b"]
        with pytest.raises(UsageError, match="byte 0xff is not UTF-8"):
            texts(path)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("red.csv", "prompt,label\na,1\nb\n", ':3: has 1 fields where the first line has 2; put text'),
        ("red.csv", 'prompt,label\n"a\na",1\nb,1,2\n', ":4: has 3 fields where the first line has 2"),
        ("red.csv", 'prompt\na\n"b\nc\n', ":3: is no CSV (unexpected end of data)"),
        ("red.csv", 'prompt\n"a"b\n', ":2: is no CSV"),
        ("red.csv", "prompt\n" + "a" * 140_000, ":2: is no CSV (field larger than field limit"),
        ("red.csv", "prompt,prompt\na,b\n", ':1: two columns are called "prompt"'),
        ("red.csv", "goal,target\na,b\n", ':2: has no column of prompts, only "goal", "target"; call'),
        ("red.csv", "prompt;label\na;b\n", ':2: has no column of prompts, only "prompt;label"; call'),
        ("red.csv", "prompt\n", ": has no prompts"),
        ("red.csv", "", ": has no prompts"),
        ("red.txt", "\n \n", ": has no prompts"),
        ("red.txt", b"a\n\xe9", ":2: byte 0xe9 is not UTF-8; save the file as UTF-8 text"),
        ("red.jsonl", '[{"prompt": "a"},\n{"prompt": }]', ":2: is no JSON"),
        ("red.jsonl", "[" * 100_000, ":1: is no JSON"),
        ("red.jsonl", '[{"prompt": "a"}, 3]', ': row 2: has no "prompt"'),
        ("red.jsonl", '{"goal": "a"}', ':1: has no "prompt"; write a line as'),
        ("red.parquet", "prompt", ": cannot be read (Parquet"),
        ("red.parquet", "", ": cannot be read (Parquet"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_its_name_says_is_told(tmp_path, name, text, told):
    path = file(tmp_path, name, text)
    with pytest.raises(UsageError) as caught:
        texts(path)
    assert str(caught.value).startswith(f"{path}{told}")


@pytest.mark.parametrize(
    "raw", [b"no gzip", gzip.compress(b'{"prompt": "a"}\n' * 1000)[:-20], b"\x1f\x8b\x08" + b"x" * 30]
)
def test_a_damaged_gzip_file_is_told(tmp_path, raw):
    path = tmp_path / "red.jsonl.gz"
    path.write_bytes(raw)
    with pytest.raises(UsageError, match="cannot be read"):
        texts(path)


@pytest.mark.parametrize("name", ["none.csv", "none.parquet", "none.txt", "none.jsonl.gz"])
def test_a_missing_file_is_told(tmp_path, name):
    with pytest.raises(UsageError, match="there is no such file; give a file of prompts"):
        texts(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read"):
        texts(f"{tmp_path}/\0.csv")


class Hub:
    """Stands in for `datasets.load_dataset`: says what it was asked, and counts the rows it gives."""

    def __init__(self, rows=(), error=None):
        self.rows, self.error, self.asked, self.given = rows, error, None, 0

    def __call__(self, path, **options):
        self.asked = (path, options)
        if isinstance(self.error, list):
            return self.stream()
        if self.error:
            raise self.error
        return self.stream()

    def stream(self):
        for row in self.rows:
            self.given += 1
            yield row
        if self.error:
            raise self.error[0]


def hub(monkeypatch, *args):
    fake = Hub(*args)
    monkeypatch.setattr(datasets, "load_dataset", fake)
    return fake


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("hub:owner/name", ("owner/name", None, None, "train")),
        ("hub:owner/name@test", ("owner/name", None, None, "test")),
        ("hub:owner/na.me-2/harmless-base@test", ("owner/na.me-2", None, "harmless-base", "test")),
        ("hub:owner/name/a/b", ("owner/name", None, "a/b", "train")),
        ("hub:owner/name:behaviors@harmful", ("owner/name", "behaviors", None, "harmful")),
    ],
)
def test_a_data_set_is_asked_for_by_its_name_and_never_runs_code(monkeypatch, source, asked):
    fake = hub(monkeypatch, [{"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": None}])
    assert texts(source) == ["a"]
    path, options = fake.asked
    assert (path, options.get("name"), options.get("data_dir"), options["split"]) == asked
    assert options["trust_remote_code"] is False
    assert options["streaming"] is False


def test_no_more_of_a_data_set_is_fetched_than_asked_for(monkeypatch):
    fake = hub(monkeypatch, ({"id": number, "text": str(number)} for number in range(10**9)))
    assert texts("hub:owner/name", first=3) == ["0", "1", "2"]
    assert fake.asked[1]["streaming"] is True
    assert fake.given <= 4


@pytest.mark.parametrize("name", ["hub:", "hub:name", "hub:/etc/passwd", "hub:owner/name@", "hub:a/b c", "hub:é/b"])
def test_what_is_no_name_of_a_data_set_is_told(monkeypatch, name):
    fake = hub(monkeypatch)
    with pytest.raises(UsageError, match="is no name of a data set; write hub:OWNER/NAME"):
        texts(name)
    assert fake.asked is None


class NetworkError(Exception):
    """Stands in for that of the library that fetches, which is no OSError."""


def generation_error(cause):
    error = datasets.exceptions.DatasetGenerationError("An error occurred while generating the dataset")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (datasets.exceptions.DatasetNotFoundError("Dataset 'a/b' doesn't exist on the Hub"), UsageError),
        (datasets.exceptions.DataFilesNotFoundError("No (supported) data files found"), UsageError),
        (ValueError("Bad split: train. Available splits: ['test']"), UsageError),
        (RuntimeError("Dataset scripts are no longer supported, but found b.py"), UsageError),
        (ConnectionError("Couldn't reach 'a/b' on the Hub"), ModelError),
        (LocalEntryNotFoundError("not in the cache"), ModelError),
        (TimeoutError("timed out"), ModelError),
        (NetworkError("cut off"), ModelError),
        (OSError("no space left"), ModelError),
        (generation_error(NetworkError("cut off")), ModelError),
        (generation_error(ValueError("no JSON")), UsageError),
    ],
)
@pytest.mark.parametrize("while_reading", [False, True])
def test_a_name_that_is_wrong_and_a_hub_out_of_reach_are_told_apart(monkeypatch, error, kind, while_reading):
    hub(monkeypatch, [{"prompt": "a"}], [error] if while_reading else error)
    with pytest.raises(kind) as caught:
        texts("hub:a/b")
    assert str(caught.value).startswith("hub:a/b c")
    assert str(error) in str(caught.value)


def test_a_data_set_without_a_known_column_is_told(monkeypatch):
    hub(monkeypatch, [{"goal": "a"}])
    with pytest.raises(UsageError, match='hub:a/b: row 1: has no column of prompts, only "goal"'):
        texts("hub:a/b")


def test_an_empty_data_set_is_told(monkeypatch):
    hub(monkeypatch)
    with pytest.raises(UsageError, match="hub:a/b: has no prompts"):
        texts("hub:a/b")
