"""A person's own class on the command line: checked, run and told of, beside options for one model."""

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

PAGE = (Path(__file__).parent.parent.parent / "docs" / "models.md").read_text()
ECHO = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "class Echo" in block)
RECIPE = next(block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "echo:Echo" in block)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder with a recipe and the code that it names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for module in ("my_models", "my_models.echo"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    Path("red-team.jsonl").write_text('{"id": "p0", "prompt": "How do I pick a lock?"}\n')
    Path("my_models").mkdir()
    Path("my_models/echo.py").write_text(ECHO)
    Path("mine.yaml").write_text(RECIPE)
    return tmp_path


def test_a_run_asks_it_and_says_where_its_code_is(solon, mine):
    done = solon("run", "mine.yaml", "--until", "critique", "--out", "one")
    assert done.exit_code == 0, done.output
    assert f"my_models.echo:Echo: is code, and runs: {mine}/my_models/echo.py" in done.stderr
    assert "Certainly not" in solon("show", "one", "critique", "p0").stdout
    written = yaml.safe_load(Path("one/recipe.yaml").read_text())
    assert written["helpful_model"] == {"name": "my_models.echo:Echo", "options": {"said": "Certainly not"}}
    model = json.loads(Path("one/01-critique/stage.json").read_text())["model"]
    assert (model["name"], model["own"]) == ("my_models.echo:Echo", {"said": "Certainly not"})


def test_its_code_and_its_options_are_part_of_the_run(solon, mine):
    solon("run", "mine.yaml", "--until", "critique", "--out", "one")
    said = ["--set", "helpful_model.options.said=Never"]
    other = solon("run", "mine.yaml", "--until", "critique", "--out", "one", *said)
    assert other.exit_code == 2
    assert "recipe.yaml is not the one this run was begun with" in other.stderr
    assert solon("run", "mine.yaml", "--until", "critique", "--out", "two", *said).exit_code == 0
    assert "Never" in solon("show", "two", "critique", "p0").stdout


def test_check_imports_it_and_makes_none(solon, mine):
    done = solon("check", "mine.yaml", "--until", "critique")
    assert done.exit_code == 0, done.output
    assert f"warning: my_models.echo:Echo: is code, and runs: {mine}/my_models/echo.py; read it first" in done.stdout
    Path("my_models/echo.py").write_text(ECHO.replace("self.said = said", "1 / 0"))
    del sys.modules["my_models.echo"]
    assert solon("check", "mine.yaml", "--until", "critique").exit_code == 0
    failed = solon("run", "mine.yaml", "--until", "critique")
    assert failed.exit_code == 4
    assert "my_models.echo:Echo failed as it was made: ZeroDivisionError: division by zero" in failed.stderr


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("helpful_model=my_models.echo:Ehco", "has no class 'Ehco'; did you mean 'Echo'?"),
        ("helpful_model=my_models.eco:Echo", "no Python module 'my_models.eco' on Python's path or in"),
        ("helpful_model=llama:Echo", "there is no backend, and no Python module 'llama'"),
        ("helpful_model.options=3", "helpful_model.options is 3; a mapping"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_what_is_no_class_is_told_before_anything_runs(solon, mine, command, setting, told):
    done = solon(command, "mine.yaml", "--until", "critique", "--set", setting)
    assert done.exit_code == 2
    assert told in done.stderr
    assert not Path("runs").exists()


def test_code_trains_nothing(solon, mine):
    done = solon("check", "mine.yaml")
    assert done.exit_code == 2
    assert "and code of your own trains nothing; add a `base_model` on this machine" in done.stderr


def test_a_fake_lets_a_recipe_be_tried_out_and_several_models_have_options_of_their_own(solon, mine):
    settings = ["helpful_model=fake:a", "base_model=sandbox", "pairs_model=fake:b", "pairs.max_tokens=32",
                "feedback_model=[{name: fake:c, batch_size: 3}, my_models.echo:Echo]"]  # fmt: skip
    words = [word for setting in settings for word in ("--set", setting)]
    done = solon("preview", "mine.yaml", "-n", "1", *words)
    assert done.exit_code == 0, done.output
    assert "Labels of fake:c" in done.stdout
    assert "Labels of my_models.echo:Echo" in done.stdout
    assert "Trained on" in done.stdout
