"""What can go wrong that a caller must tell apart. The third exception, `Failed`, lives inside chains."""


class UsageError(Exception):
    """The person's mistake. Says what was given, why it cannot work and what to do; shown without a traceback."""


class ModelError(Exception):
    """A model or server that cannot answer at all (no such model, no quota): the run stops and can be resumed."""
