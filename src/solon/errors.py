"""What ends a command, and a caller must tell apart. One more exception, `Failed`, lives inside chains."""


class UsageError(Exception):
    """The person's mistake. Says what was given, why it cannot work and what to do; shown without a traceback."""


class ModelError(Exception):
    """A model or server that cannot answer at all (no such model, no quota): the run stops and can be resumed."""


class Stopped(Exception):
    """The person's own limit is reached: neither a mistake nor a failure. The run ends, and can be resumed."""
