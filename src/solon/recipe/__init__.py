"""The whole paper in order: one YAML that a person writes, one function of straight-line calls."""

from solon.models.cluster import Cluster
from solon.recipe.comparing import judges_of, label_by
from solon.recipe.inputs import model_name, not_understood, read_inputs, trained_model
from solon.recipe.paper import STAGES, run, stage_named, unless_able
from solon.recipe.schema import SL_CAI, Recipe, apply_settings, load, settled
from solon.recipe.work import Budget, Helper, with_form

__all__ = [
    "SL_CAI",
    "STAGES",
    "Budget",
    "Cluster",
    "Helper",
    "Recipe",
    "apply_settings",
    "judges_of",
    "label_by",
    "load",
    "model_name",
    "not_understood",
    "read_inputs",
    "run",
    "settled",
    "stage_named",
    "trained_model",
    "unless_able",
    "with_form",
]
