"""The commands that check a constitution, and help an editor to."""

import json
import shlex
import sys
from dataclasses import asdict

import typer

from solon import recipe as recipes
from solon.constitution import load as constitutions
from solon.constitution.finding import Finding
from solon.constitution.json_schema import FILE, json_schema
from solon.constitution.lint import Room, lint
from solon.constitution.schema import Constitution
from solon.recipe.prompt_file import read_prompts


def print_findings(name: str, *, model: str | None, eval_prompts: str | None, as_json: bool) -> None:
    """Print what lint found, also as to a model and an evaluation; exit code 2 where a run could not finish."""
    constitution = constitutions.load(name)
    evaluated = read_prompts(eval_prompts, kind="red-team").prompts if eval_prompts else []
    room = _room(constitution, model) if model else None
    findings = lint(constitution, eval_prompts=[prompt["prompt"] for prompt in evaluated], room=room)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(one_line(finding))
        print(f"{name}: {len(findings)} findings")
        print(f"Next: solon demo --constitution {shlex.quote(name)}")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(2)


def one_line(finding: Finding) -> str:
    """A finding on a line."""
    return f"{finding.severity}: {finding.where}: {finding.message}; {finding.fix}"


def print_schema() -> None:
    """Print the JSON Schema, and nothing else on stdout."""
    print(json.dumps(json_schema(), indent=2))
    print(f"Next: solon init, which writes it to {FILE}", file=sys.stderr)


def _room(constitution: Constitution, model: str) -> Room:
    from solon.models.load import parse
    from solon.models.tokens import tokens_of  # transformers takes seconds to import
    from solon.prompts.longest import longest

    tokens = tokens_of(parse(recipes.model_name(model)))
    return Room(tokens.context, longest(constitution, count=tokens.count, forms=tokens.forms))
