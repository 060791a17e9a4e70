"""What can go wrong: one class for each name that an error of Pomona has, here and on AWS."""

__all__ = [
    "BadInput",
    "Busy",
    "Damaged",
    "Error",
    "ImageError",
    "ImageWarning",
    "Inconsistent",
    "InputChanged",
    "Internal",
    "NoImages",
    "RegionNotAllowed",
    "Retryable",
    "TooManyRejects",
]


class Error(Exception):
    """Whatever Pomona raises by itself; the message says what is wrong and how to mend it."""


class Retryable(Error):
    """Trying the same again may succeed."""


class InputChanged(Error):
    """An image changed while it was read; run again."""


class BadInput(Error, ValueError):
    """What was asked for cannot work as it is: an option, a location, a model, or results that are not there."""


class RegionNotAllowed(Error):
    """The bucket lies in a region that runs may not use."""


class NoImages(Error):
    """There is nothing to do."""


class TooManyRejects(Error):
    """More images were unusable than the run allows."""


class Busy(Error):
    """Another run holds the output."""


class Damaged(Error):
    """A file of a run is not as it was written; a new run makes it anew."""


class Inconsistent(Error):
    """Files of a run contradict each other."""


class Internal(Error):
    """A defect of Pomona; please report it."""


class ImageError(Error, ValueError):
    """An image that `Extractor.features` cannot use.

    Attributes
    ----------
    index : int
        Its place among the items, from 0.
    reason : str
        "missing" or "unreadable" of files, otherwise one of the reasons in the table of errors: "empty",
        "unsupported", "truncated", "corrupt", "too_large", "not_finite".
    detail : str
        What is wrong with it.
    """

    def __init__(self, index: int, reason: str, detail: str) -> None:
        super().__init__(index, reason, detail)
        self.index = index
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"item {self.index} is {self.reason}: {self.detail}"


class ImageWarning(UserWarning):
    """Images that `Extractor.features` left out, or left NaN.

    Attributes
    ----------
    failures : list of (int, str, str)
        Of each its place among the items, the reason and the detail, as in `ImageError`.
    """

    def __init__(self, message: str, failures: list[tuple[int, str, str]]) -> None:
        super().__init__(message, failures)
        self.failures = failures

    def __str__(self) -> str:
        return str(self.args[0])
