"""The whole paper in order: one YAML that a person writes, one function of straight-line calls."""

from solon.recipe.inputs import model_name, not_understood, read_inputs
from solon.recipe.paper import STAGES, run, stage_named, unless_able
from solon.recipe.schema import Recipe, apply_settings, load, settled
from solon.recipe.work import Helper, with_form

__all__ = [
    "STAGES",
    "Helper",
    "Recipe",
    "apply_settings",
    "load",
    "model_name",
    "not_understood",
    "read_inputs",
    "run",
    "settled",
    "stage_named",
    "unless_able",
    "with_form",
]
