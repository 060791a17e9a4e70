"""Images in, MobileNetV2 features, principal components and classes out.

Examples
--------
>>> import pomona
>>> run = pomona.run("images", "results", components=50)  # doctest: +SKIP
>>> run.components().matrix().shape  # doctest: +SKIP
(6724, 50)
"""

from pomona._extractor import Extractor
from pomona._options import Location, ModelOptions, RunOptions
from pomona._pomona import Table, __version__
from pomona._run import Hit, Pca, Report, Run, open, run
from pomona.errors import (
    BadInput,
    Busy,
    Damaged,
    Error,
    ImageError,
    ImageWarning,
    Inconsistent,
    InputChanged,
    Internal,
    NoImages,
    RegionNotAllowed,
    Retryable,
    TooManyRejects,
)

__all__ = [
    "BadInput",
    "Busy",
    "Damaged",
    "Error",
    "Extractor",
    "Hit",
    "ImageError",
    "ImageWarning",
    "Inconsistent",
    "InputChanged",
    "Internal",
    "Location",
    "ModelOptions",
    "NoImages",
    "Pca",
    "RegionNotAllowed",
    "Report",
    "Retryable",
    "Run",
    "RunOptions",
    "Table",
    "TooManyRejects",
    "__version__",
    "open",
    "run",
]
