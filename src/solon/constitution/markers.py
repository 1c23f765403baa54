"""What a template of Solon or of a model could take for its own, where it stands in somebody's text."""

TAGS = ("Human", "Assistant", "System", "CritiqueRequest", "Critique", "RevisionRequest", "Revision")
"""What begins a turn or a part of the paper's transcripts."""
OPTIONS = ("(A)", "(B)")
MARKERS = (
    *(f"\n{tag}:" for tag in ("Human", "Assistant", "System", "Critique", "Revision")),
    *("CritiqueRequest:", "RevisionRequest:"),  # which no other text has, wherever they stand
    *("{}", "[[[", "]]]"),
    *OPTIONS,
    *("<|", "[INST]", "<s>", "</s>"),
)
"""A tag counts where it begins a line."""


def markers_in(text: str) -> list[str]:
    """The markers that a text contains."""
    return [marker.strip() for marker in MARKERS if marker in "\n" + text]
