"""The README tells the truth: its commands exist with the options shown, and the quick ones run as they stand."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer.main

from solon.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "AGENTS.md"]
QUICK = ("solon init", "solon constitution", "solon sandbox words", "solon sandbox sample")


def lines(page):
    for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def commands(program):
    return [
        pytest.param(words, id=f"{page.name}: {' '.join(words)}")
        for page in PAGES
        for words in lines(page)
        if words[0] == program
    ]


@pytest.mark.parametrize("words", commands("solon"))
def test_a_command_that_is_shown_can_be_typed(words):
    command, rest = typer.main.get_command(app), words[1:]
    while isinstance(command, click.Group):
        assert set(rest[:1]) & set(command.commands), f"{words}: no such command"
        command, rest = command.commands[rest[0]], rest[1:]
    command.make_context(words[0], list(rest), resilient_parsing=False)


@pytest.mark.parametrize("words", commands("make"))
def test_a_make_target_that_is_shown_exists(words):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in words[1:] if "=" not in word} <= set(targets)


def test_the_quick_commands_of_the_readme_run_one_after_another(tmp_path):
    quick = [words for words in lines(ROOT / "README.md") if " ".join(words).startswith(QUICK)]
    assert len(quick) >= 3
    for words in quick:
        code = "import sys; from solon.cli import main; sys.argv[0] = 'solon'; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"


def test_every_folder_of_the_package_is_in_the_readme():
    told = (ROOT / "README.md").read_text()
    package = ROOT / "src" / "solon"
    parts = [path for path in package.iterdir() if path.is_dir() and (path / "__init__.py").exists()]
    assert [path.name for path in parts if f"`src/solon/{path.name}/`" not in told] == []
