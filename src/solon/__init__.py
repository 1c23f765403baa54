"""Constitutional AI, whole: from a constitution a person writes to a model that follows it."""

__version__ = "0.1.0"
