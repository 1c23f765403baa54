import json

import pytest

from solon.constitution.json_schema import FILE, MODELINE, json_schema
from solon.constitution.load import builtins, text_of
from solon.constitution.yaml_file import parse_yaml

jsonschema = pytest.importorskip("jsonschema")  # comes with Altair
PRINCIPLE = {"id": "kind", "revision_request": "Make it kind."}


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(json_schema())


def test_it_is_a_schema_of_its_dialect():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(json_schema())) == json_schema()


@pytest.mark.parametrize("name", builtins())
def test_every_built_in_is_valid(name, validator):
    validator.validate(parse_yaml(text_of(name), name=name, what="constitution").data)


def test_a_file_that_extends_another_is_valid_with_less(validator):
    validator.validate({"extends": "harmless", "without": ["privacy"], "principles": [{"id": "kind", "weight": 2}]})


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"name": "mine"},
        {"name": "mine", "principles": []},
        {"name": "mine", "principles": [PRINCIPLE], "without": ["kind"]},
        {"name": 3, "principles": [PRINCIPLE]},
        {"name": "mine", "principles": [{**PRINCIPLE, "wieght": 1}]},
        {"name": "mine", "principles": [{**PRINCIPLE, "weight": 0}]},
        {"name": "mine", "principles": [{**PRINCIPLE, "id": "Not Kind"}]},
        {"name": "mine", "principles": [{**PRINCIPLE, "exemplars": {"revisions": [{"prompt": "How?"}]}}]},
        {"name": "mine", "principles": [{**PRINCIPLE, "exemplars": {"revisions": [{"prompt": "", "response": "a"}]}}]},
        {"name": "mine", "principles": [{**PRINCIPLE, "exemplars": {"comparisons": [
            {"prompt": [{"role": "user", "content": "How?"}], "responses": ["a", "b"], "better": "C"}]}}]},
        {"extends": ""},
        {"extends": "harmless", "titel": "a"},
        [],
    ],
)  # fmt: skip
def test_what_is_not_of_the_form_is_not_valid(broken, validator):
    assert not validator.is_valid(broken)


def test_every_key_is_explained():
    for name, model in json_schema()["$defs"].items():
        for key, told in model["properties"].items():
            assert told.get("description"), f"{name}.{key}"


def test_an_editor_finds_it_beside_the_file():
    assert MODELINE.split("$schema=")[1] == f"{FILE}\n"
