import json
import subprocess
import sys
from pathlib import Path

from solon.constitution.json_schema import json_schema

MINE = """\
name: mine
principles:
- id: kind
  critique_request: What is unkind?
  revision_request: Make it kind.
  comparison_request: Which is kinder?
  exemplars:
    revisions:
    - prompt: Is it far?
      response: An hour on foot.
      critique: Fine.
      unchanged: true
"""


def test_an_example_that_is_measured_on_ends_with_2(solon, models):
    Path("mine.yaml").write_text(MINE)
    Path("eval.jsonl").write_text('{"prompt": "is it FAR?"}\n{"prompt": "Is it late?"}\n')
    assert solon("constitution", "lint", "mine.yaml").exit_code == 0
    done = solon("constitution", "lint", "mine.yaml", "--eval-prompts", "eval.jsonl", "--json")
    assert done.exit_code == 2
    (finding,) = json.loads(done.stdout)
    assert (finding["severity"], finding["where"]) == ("error", "kind.exemplars.revisions[1]")


def test_a_model_says_what_is_too_long_for_it(solon, models):
    done = solon("constitution", "lint", "harmless", "--model", "sandbox")
    assert done.exit_code == 2
    assert "error: no-harm: its longest prompt (" in done.stdout
    assert "and the model takes 768" in done.stdout
    assert solon("constitution", "lint", "sandbox", "--model", "sandbox").exit_code == 0
    assert "no tokenizer" in solon("constitution", "lint", "sandbox", "--model", "./none").stderr


def test_check_warns_of_principles_that_a_short_run_does_not_use(solon, models):
    told = solon("check", "demo", "--constitution", "harmless", "--until", "critique", "--limit", "5").stdout
    assert "warning: wise-person: is used by no stage that is run: it has only a comparison_request" in told
    assert "--until critique" in told.splitlines()[-1]
    assert "is used by no stage" not in solon("check", "demo", "--constitution", "harmless", "--limit", "5").stdout


def test_the_schema_is_printed_and_written_beside_a_new_constitution(solon, models):
    assert json.loads(solon("constitution", "schema").stdout) == json_schema()
    solon("init", "mine")
    assert json.loads(Path("mine/constitution.schema.json").read_text()) == json_schema()
    assert Path("mine/constitution.yaml").read_text().startswith("# yaml-language-server: $schema=constitution.schema")
    assert solon("constitution", "lint", "mine/constitution.yaml").exit_code == 0


def test_neither_help_nor_lint_imports_what_takes_seconds():
    code = (
        "import sys; from typer.testing import CliRunner; from solon.cli import app; CliRunner().invoke(app, {!r});"
        "sys.exit(bool({{'torch', 'transformers'}} & sys.modules.keys()))"
    )
    for words in (["--help"], ["constitution", "schema"]):
        assert subprocess.run([sys.executable, "-c", code.format(words)], check=False).returncode == 0
