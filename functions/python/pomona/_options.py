"""Options as keywords, and as the flags that the command line has for them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, TypedDict, Union

import numpy as np

__all__ = ["Location", "ModelOptions", "RunOptions", "flags", "place"]

Location: TypeAlias = Union[str, "os.PathLike[str]"]


def _is_bool(kind: object) -> bool:
    return getattr(kind, "__forward_arg__", kind) in (bool, "bool")


class ModelOptions(TypedDict, total=False):
    """Which model is used and how; see `pomona run --help`."""

    model: Location | None
    untrained: bool
    preset: Literal["keras", "keras-load-img", "opencv", "torchvision"] | None
    exif_orientation: Literal["apply", "ignore"] | None
    decode: Literal["full", "scaled"] | None
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
    purpose: str | None
    threads: int | None
    keep_runs: int


# What stands on a command line without a value.
SWITCHES = {name for name, kind in RunOptions.__annotations__.items() if _is_bool(kind)}


def place(location: Location) -> str:
    """A folder or s3://bucket/prefix as text.

    Parameters
    ----------
    location
        A path, or text.
    """
    text = os.fspath(location)
    if not isinstance(text, str):
        raise TypeError(f"{text!r} are bytes; give text or a path")
    if not isinstance(location, str) and text.startswith("s3:/"):
        # Of two slashes a path keeps one.
        raise TypeError(f"{location!r} is a path; give a place in S3 as text")
    return text


def flags(options: Mapping[str, object], *positional: str) -> list[str]:
    """The flags of a command line that say the same.

    Parameters
    ----------
    options
        None is the default, True and False are for what has no value, numbers in a sequence stand in one flag, texts in
        one each.
    positional
        What stands behind the flags.
    """
    found = [flag for name, value in options.items() for flag in _flags(name, value)]
    return [*found, "--", *positional] if positional else found


def _flags(name: str, value: object) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, (bool, np.bool_)) or name in SWITCHES:
        if name not in SWITCHES:
            raise TypeError(f"{name}={value}: give a value, or None for the default")
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{name}={value!r}: give True or False")
        return [flag] if value else []
    if isinstance(value, (str, os.PathLike)):
        return [f"{flag}={place(value)}"]
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, memoryview)):
        values = list(value)
        if not values and name != "exclude":
            raise TypeError(f"{name} is empty: give a value, or None for the default")
        if all(isinstance(each, (str, os.PathLike)) for each in values):
            return [f"{flag}={place(each)}" for each in values]
        return [f"{flag}={','.join(_number(name, each) for each in values)}"]
    return [f"{flag}={_number(name, value)}"]


def _number(name: str, value: object) -> str:
    if isinstance(value, (int, float, np.number)):
        return str(value.item() if isinstance(value, np.number) else value)
    raise TypeError(f"{name}={value!r}: a {type(value).__name__} is no value of an option")
