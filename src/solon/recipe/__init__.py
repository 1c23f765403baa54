"""The whole paper in order: one YAML that a person writes, one function of straight-line calls."""

from solon.recipe.inputs import not_understood, read_inputs
from solon.recipe.paper import STAGES, run, stage_named
from solon.recipe.schema import Recipe, apply_settings, load

__all__ = ["STAGES", "Recipe", "apply_settings", "load", "not_understood", "read_inputs", "run", "stage_named"]
