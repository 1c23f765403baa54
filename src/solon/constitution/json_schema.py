"""The JSON Schema of a constitution's file, by which an editor completes its keys and says what they mean.

It knows the form of a file. What that cannot say, e.g. that an example needs a revision or `unchanged`, `load` does.
"""

from typing import Any

from pydantic import TypeAdapter

from solon.constitution.schema import Constitution, Extension

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILE = "constitution.schema.json"
MODELINE = f"# yaml-language-server: $schema={FILE}\n"
"""The first line of a YAML file beside FILE: VS Code (with Red Hat's YAML extension) and others go by it."""


def json_schema() -> dict[str, Any]:
    """Make the schema: a file that `extends` another changes it, one that does not is whole."""
    told = TypeAdapter(Constitution | Extension).json_schema()
    return {"$schema": DIALECT, "title": "A constitution of Solon", **told}
