"""The commands that check a constitution, and help an editor to."""

import json
import shlex
import sys
from dataclasses import asdict

import typer

from solon import recipe as recipes
from solon.chains import Asked, Generate
from solon.constitution import load as constitutions
from solon.constitution.finding import Finding
from solon.constitution.json_schema import FILE, json_schema
from solon.constitution.lint import Room, lint
from solon.constitution.schema import Constitution
from solon.errors import ModelError
from solon.models.load import is_server, parse
from solon.models.openai import OpenAI
from solon.prompts.longest import longest
from solon.recipe.named_model import ModelOptions, named
from solon.recipe.prompt_file import read_prompts
from solon.records import user

UNKNOWN = "how long prompts are for it cannot be known: its server tells no context, or counts no tokens at /tokenize"
UNKNOWN_FIX = "name the same model as a folder or a name on the Hugging Face Hub, of which the tokenizer is enough"


def print_findings(name: str, *, model: str | None, eval_prompts: str | None, as_json: bool) -> None:
    """Print what lint found, also as to a model and an evaluation; exit code 2 where a run could not finish."""
    constitution = constitutions.load(name)
    evaluated = read_prompts(eval_prompts, kind="red-team").prompts if eval_prompts else []
    room = _room(constitution, model) if model else None
    findings = lint(constitution, eval_prompts=[prompt["prompt"] for prompt in evaluated], room=room)
    if model and room is None:
        findings.append(Finding("warning", model, UNKNOWN, UNKNOWN_FIX))
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


def _room(constitution: Constitution, model: str) -> Room | None:
    """What prompts take of a model; None where its server does not say."""
    if is_server(model):
        server = recipes.Helper(named(model), ModelOptions()).model
        assert isinstance(server, OpenAI)
        context = server.probed.context
        if context is None or server.count([Generate([user("Hello?")])]) is None:
            return None
        return Room(context, longest(constitution, count=lambda asked: _tokens(server, asked), forms=[server.form]))
    from solon.models.tokens import tokens_of  # transformers takes seconds to import

    tokens = tokens_of(parse(recipes.model_name(model)))
    return Room(tokens.context, longest(constitution, count=tokens.count, forms=tokens.forms))


def _tokens(server: OpenAI, asked: Asked) -> int:
    counts = server.count([Generate(asked)])
    if counts is None:
        raise ModelError(f"{server.client.url} has counted tokens, and does so no more; try again")
    return counts[0]
