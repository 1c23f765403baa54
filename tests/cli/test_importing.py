import json
from pathlib import Path

import pytest

from solon.constitution.load import load


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_import_writes_a_constitution_that_the_next_command_takes(solon):
    Path("rules.md").write_text("- Be kind to everyone.\n- Say how sure you are.\n")
    done = solon("constitution", "import", "rules.md")
    assert done.exit_code == 0
    assert "rules.md: 2 sentences" in done.stdout
    assert done.stdout.splitlines()[-2:] == [
        "Written: constitution.yaml",
        "Next: solon constitution lint constitution.yaml",
    ]
    assert load(Path("constitution.yaml")).name == "rules"
    assert solon(*done.stdout.splitlines()[-1].split()[2:]).exit_code == 0


def test_import_never_writes_over_a_file(solon):
    Path("rules.md").write_text("Be kind.\n")
    Path("mine.yaml").write_text("my own")
    done = solon("constitution", "import", "rules.md", "--out", "mine.yaml")
    assert done.exit_code == 2
    assert "mine.yaml is there already" in done.stderr
    assert Path("mine.yaml").read_text() == "my own"


def test_import_writes_questions_as_prompts_beside_the_constitution(solon):
    Path("traits.txt").write_text(
        json.dumps([{"trait": "I am kind.", "questions": ["Who are you?", "Wie geht's, Jürgen?"]}])
    )
    done = solon("constitution", "import", "traits.txt", "--out", "new/kind.yaml", "--name", "Kind", "--json")
    told = json.loads(done.stdout)
    assert told["written"] == ["new/kind.yaml", "new/kind-questions.jsonl"]
    assert told["next"] == "solon constitution lint new/kind.yaml"
    assert "1 trait" in told["notes"][0]
    assert load(Path("new/kind.yaml")).name == "Kind"
    lines = Path("new/kind-questions.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"prompt": "Who are you?"}, {"prompt": "Wie geht's, Jürgen?"}]


def test_import_says_what_it_does_not_know_and_writes_nothing(solon):
    Path("mine.json").write_text('{"rules": [], "\\u001b[31m": 1}')
    done = solon("constitution", "import", "mine.json")
    assert done.exit_code == 2
    assert "mine.json: holds a mapping with the keys rules, " in done.stderr
    assert "\x1b" not in done.stderr
    assert not Path("constitution.yaml").exists()
