"""What images may be given as."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

__all__ = ["NoPicture", "item", "size"]


class NoPicture(Exception):
    """A picture of Pillow that cannot be decoded."""


def item(index: int, image: Any, turns: bool) -> Any:
    """An item as the network takes it: a path, bytes, or an array (h, w, 3).

    Parameters
    ----------
    index
        Its place among the items, for messages.
    image
        The item.
    turns
        Whether pictures are turned as their Exif data says.
    """
    if isinstance(image, (str, bytes, os.PathLike)):
        return image
    if isinstance(image, bytearray) or (isinstance(image, memoryview) and image.ndim == 1):
        return bytes(image)
    if hasattr(image, "convert") and hasattr(image, "getbands"):
        return np.asarray(_rgb(image, turns))
    if isinstance(image, memoryview):
        image = np.asarray(image)
    if not isinstance(image, np.ndarray):
        kind = type(image).__name__
        raise TypeError(f"item {index} is of type {kind}; give a path, bytes, a picture of Pillow or a uint8 array")
    if image.dtype != np.uint8:
        raise TypeError(f"item {index} is an array of {image.dtype}; give uint8 from 0 to 255")
    if image.ndim == 2:
        image = image[:, :, np.newaxis]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        shapes = "(h, w), (h, w, 1), (h, w, 3) or (h, w, 4)"
        raise ValueError(f"item {index} is an array of shape {image.shape}; give {shapes}")
    return np.ascontiguousarray(np.broadcast_to(image[:, :, :3], (*image.shape[:2], 3)))


def _rgb(picture: Any, turns: bool) -> Any:
    try:
        if turns:
            from PIL import ImageOps

            picture = ImageOps.exif_transpose(picture)
        return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError) as problem:
        raise NoPicture(str(problem)) from problem


def size(image: Any) -> int:
    """Bytes of it that are in memory for as long as it is worked on.

    Parameters
    ----------
    image
        What `item` has returned.
    """
    return image.nbytes if isinstance(image, np.ndarray) else 0
