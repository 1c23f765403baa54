"""A run folder becomes one HTML file that a person can read, print and send."""

from solon.report.page import build
from solon.report.text import differences, visible

__all__ = ["build", "differences", "visible"]
