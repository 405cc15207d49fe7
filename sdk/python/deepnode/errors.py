"""What can go wrong."""


class DeepnodeError(Exception):
    """Everything that this package raises by itself."""


class Unreachable(DeepnodeError):
    """The sequencer cannot be reached, or does not answer in its format.

    ``is_lost`` says whether the request may have been carried out although no answer came.
    """

    def __init__(self, message: str, *, is_lost: bool = True) -> None:
        super().__init__(message)
        self.is_lost = is_lost


class Refused(DeepnodeError):
    """The sequencer refuses a request: a problem document of RFC 9457.

    ``code`` is stable, ``hint`` says what to do about it.
    """

    def __init__(self, status: int, code: str, detail: str, hint: str) -> None:
        super().__init__(f"{code}: {detail} ({hint})")
        self.status, self.code, self.detail, self.hint = status, code, detail, hint


class Untrue(DeepnodeError):
    """What a sequencer, a worker or a proof says is not so."""


class Unanswered(DeepnodeError):
    """A task has no answer, and will have none, or not in the time that was given for it."""


class Refusal(DeepnodeError):
    """A key, public inputs or a proof that are refused; ``part`` names which, or the pairing that compares them."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part
