"""The package's errors: each is a single line that says what, where and how to mend it."""


class HpsError(Exception):
    """Anything that went wrong in hps-trt."""


class UserError(HpsError):
    """A mistake of the user (a wrong file, name or option); the CLI prints the line and exits 1."""
