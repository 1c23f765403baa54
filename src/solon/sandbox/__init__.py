"""The embedded default: a small world with a rule-based oracle, and a small language model of it."""

from pathlib import Path

from solon.errors import UsageError


def model_path() -> Path:
    """The folder of the sandbox's model, which ships with the package.

    Raises:
        UsageError: it is missing.
    """
    folder = Path(__file__).parent / "model"
    if not (folder / "model.safetensors").exists():
        raise UsageError(
            f"The sandbox's model is missing from {folder}. It ships with the package: reinstall it, or make it anew "
            "with `solon sandbox build`."
        )
    return folder
