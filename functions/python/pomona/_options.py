"""Options as keywords, and as the flags that the command line has for them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["ModelOptions", "RunOptions", "flags"]

Location: TypeAlias = "str | os.PathLike[str]"


class ModelOptions(TypedDict, total=False):
    """Which model is used and how; see `pomona run --help`."""

    model: Location | None
    untrained: bool
    preset: Literal["keras", "keras-load-img", "opencv", "torchvision"] | None
    exif_orientation: Literal["apply", "ignore"] | None
    channels: Literal["rgb", "bgr"] | None
    crop: int | None
    preprocess: Literal["tf", "torch"] | None
    mean: Sequence[float] | None
    std: Sequence[float] | None
    layer: str | None
    engine: Literal["pomona", "tract"] | None


class RunOptions(ModelOptions, total=False):
    """What may be chosen for a run; see `pomona run --help`."""

    components: int | float | None
    no_center: bool
    standardize: bool
    classify: bool
    train_share: float
    seed: int
    classify_on: Literal["features", "components"]
    regularization: float
    max_iterations: int
    classes: Location | None
    extensions: Sequence[str]
    filter: str | None
    exclude: Sequence[str]
    include_hidden: bool
    label_from: str
    labels: Location | None
    list: Location | None
    label_field: str
    image_column: str | None
    label_column: str | None
    limit: int | None
    max_pixels: int
    shard_size: int
    max_reject_share: float
    csv: Literal["none", "pca", "all"]
    keep_features: Literal["auto", "yes", "no"]
    allow_empty: bool
    threads: int | None
    keep_runs: int


def flags(options: Mapping[str, object], *positional: str) -> list[str]:
    """The flags of a command line that say the same.

    Parameters
    ----------
    options
        None and False say nothing, True is a flag without a value, numbers in a sequence stand in one flag, texts in one
        each.
    positional
        What stands behind the flags.
    """
    found = [flag for name, value in options.items() for flag in _flags("--" + name.replace("_", "-"), value)]
    return [*found, "--", *positional] if positional else found


def _flags(flag: str, value: object) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if isinstance(value, (str, os.PathLike)):
        return [f"{flag}={os.fspath(value)}"]
    if isinstance(value, Iterable):
        values = list(value)
        if all(isinstance(each, str) for each in values):
            return [f"{flag}={each}" for each in values]
        return [f"{flag}={','.join(str(float(each)) for each in values)}"]
    return [f"{flag}={value}"]
