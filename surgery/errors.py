"""The one error of this package."""


class SurgeryError(Exception):
    """One line on a model, a plan or a table: what is wrong, where, and how to mend it."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
