"""Features of single images, in any Python program."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID, uuid4

import numpy as np

from pomona import _pomona
from pomona._options import flags
from pomona.errors import ImageError, ImageWarning

if TYPE_CHECKING:
    import numpy.typing as npt
    from typing_extensions import Self

    from pomona._options import Location

__all__ = ["Extractor"]

# So many images are handed over at once: enough that all threads have work to the end, and few enough that copies of
# pictures that are decoded already stay small.
BATCH = 512


class Extractor:
    """Images to features, on all cores; the same numbers as in the tables of a run.

    It is a transformer of scikit-learn. It can be pickled, and loads its model when it is first used: once in each
    process, however often it is unpickled there. Threads may share one.

    Parameters
    ----------
    model
        The ONNX model; MobileNetV2, fetched once and checked, otherwise.
    threads
        Threads that compute; one per core otherwise.
    untrained, preset, exif_orientation, channels, crop, preprocess, mean, std, layer, engine, max_pixels
        As on the command line.

    Examples
    --------
    >>> import pomona
    >>> extractor = pomona.Extractor(untrained=True)
    >>> extractor.features([image]).shape
    (1, 1280)
    """

    def __init__(
        self,
        model: Location | None = None,
        threads: int | None = None,
        *,
        untrained: bool = False,
        preset: Literal["keras", "keras-load-img", "opencv", "torchvision"] | None = None,
        exif_orientation: Literal["apply", "ignore"] | None = None,
        channels: Literal["rgb", "bgr"] | None = None,
        crop: int | None = None,
        preprocess: Literal["tf", "torch"] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        layer: str | None = None,
        engine: Literal["pomona", "tract"] | None = None,
        max_pixels: int | None = None,
    ) -> None:
        self.model = model
        self.threads = threads
        self.untrained = untrained
        self.preset = preset
        self.exif_orientation = exif_orientation
        self.channels = channels
        self.crop = crop
        self.preprocess = preprocess
        self.mean = mean
        self.std = std
        self.layer = layer
        self.engine = engine
        self.max_pixels = max_pixels
        # The same for what is unpickled, and another one for one that is made anew, whose model may have changed.
        self._origin = uuid4()

    def features(
        self, items: Iterable[Any], errors: Literal["raise", "nan", "skip"] = "raise"
    ) -> npt.NDArray[np.float32]:
        """Compute the features of images.

        Parameters
        ----------
        items
            Paths, bytes of image files, pictures of Pillow, or uint8 arrays (h, w), (h, w, 1) or (h, w, 3), RGB; also mixed.
        errors
            What to do with images that cannot be used: raise an exception for the first, leave their rows NaN, or leave
            them out. The latter two give an `ImageWarning`, which names each of them.

        Returns
        -------
        ndarray
            (n, d) float32, a row for each item in their order.

        Raises
        ------
        ImageError
            For a broken image.
        FileNotFoundError
            For a missing file.
        TypeError
            For an item that is no image.

        Examples
        --------
        >>> from PIL import Image
        >>> extractor = pomona.Extractor(untrained=True)
        >>> a, b = extractor.features([image, Image.open(image)])
        >>> bool((a == b).all())
        True
        """
        if errors not in ("raise", "nan", "skip"):
            raise ValueError(f"errors={errors!r}: give 'raise', 'nan' or 'skip'")
        if isinstance(items, (str, bytes, os.PathLike)):
            raise TypeError("items is a single image; give a list of images")
        items = list(items)
        network = self._loaded()
        rows = np.empty((len(items), network.width), np.float32)
        failed: list[tuple[int, str, str]] = []
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            computed, failures = network.features([_item(start + at, item) for at, item in enumerate(batch)])
            rows[start : start + len(batch)] = computed
            failed += [(start + at, reason, detail) for at, reason, detail in failures]
            if failed and errors == "raise":
                raise _exception(items, *failed[0])
        if failed:
            index, reason, detail = failed[0]
            how = "left out" if errors == "skip" else "left NaN"
            message = f"{len(failed)} of {len(items)} images {how}; the first is item {index}, {reason}: {detail}"
            warnings.warn(ImageWarning(message, failed), stacklevel=2)
        if failed and errors == "skip":
            rows = np.delete(rows, [index for index, _, _ in failed], axis=0)
        return rows

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Do nothing: the network has been trained.

        Parameters
        ----------
        X, y
            Ignored.

        Returns
        -------
        Extractor
            Itself.
        """
        return self

    def transform(self, X: Iterable[Any]) -> npt.NDArray[np.float32]:
        """Compute features, as `features` does.

        Parameters
        ----------
        X
            Images, as `features` takes them.

        Returns
        -------
        ndarray
            (n, d) float32.
        """
        return self.features(X)

    def fit_transform(self, X: Iterable[Any], y: Any = None) -> npt.NDArray[np.float32]:
        """Compute features, as `transform` does.

        Parameters
        ----------
        X
            Images, as `features` takes them.
        y
            Ignored.

        Returns
        -------
        ndarray
            (n, d) float32.
        """
        return self.transform(X)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Name the features.

        Parameters
        ----------
        input_features
            Ignored.

        Returns
        -------
        ndarray
            (d,) of texts: "feature0", "feature1" ...
        """
        names = [f"feature{number}" for number in range(self._loaded().width)]
        return np.asarray(names, dtype=object)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the constructor.

        Parameters
        ----------
        deep
            Ignored.

        Returns
        -------
        dict
        """
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def set_params(self, **params: Any) -> Self:
        """Change parameters of the constructor.

        Parameters
        ----------
        **params
            Their new values.

        Returns
        -------
        Extractor
            Itself.
        """
        unknown = params.keys() - self.get_params().keys()
        if unknown:
            raise ValueError(f"an Extractor has no parameter {', '.join(sorted(unknown))}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
            InputTags,
            Tags,
            TargetTags,
            TransformerTags,
        )

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
            no_validation=True,
            requires_fit=False,
        )

    def __repr__(self) -> str:
        chosen = {name: value for name, value in self.get_params().items() if value not in (None, False)}
        return f"Extractor({', '.join(f'{name}={value!r}' for name, value in chosen.items())})"

    def _loaded(self) -> _pomona.Network:
        """The network of this process with the parameters as they are now."""
        usage = {name: value for name, value in self.get_params().items() if name not in ("threads", "max_pixels")}
        # A child of fork has no threads of its parent's network.
        return _network(os.getpid(), self._origin, tuple(flags(usage)), self.threads, self.max_pixels)


# Each takes some 30 MB, and the last ones are those that are in use.
@lru_cache(maxsize=4)
def _network(
    process: int, origin: UUID, usage: tuple[str, ...], threads: int | None, max_pixels: int | None
) -> _pomona.Network:
    """The network of an extractor in a process."""
    return _pomona.Network(usage, threads, max_pixels)


def _item(index: int, item: Any) -> Any:
    """An item as the network takes it: a path, bytes, or an array (h, w, 3)."""
    if isinstance(item, (str, bytes, os.PathLike)):
        return item
    if isinstance(item, (bytearray, memoryview)):
        return bytes(item)
    if hasattr(item, "convert") and hasattr(item, "getbands"):
        item = np.asarray(item.convert("RGB"))
    if not isinstance(item, np.ndarray):
        kind = type(item).__name__
        raise TypeError(f"item {index} is a {kind}; give a path, bytes, a picture of Pillow or a uint8 array")
    if item.dtype != np.uint8:
        raise TypeError(f"item {index} is an array of {item.dtype}; give uint8 from 0 to 255")
    if item.ndim == 2:
        item = item[:, :, np.newaxis]
    if item.ndim != 3 or item.shape[2] not in (1, 3):
        raise ValueError(f"item {index} is an array of shape {item.shape}; give (h, w), (h, w, 1) or (h, w, 3)")
    return np.ascontiguousarray(np.broadcast_to(item, (*item.shape[:2], 3)))


def _exception(items: list[Any], index: int, reason: str, detail: str) -> Exception:
    if reason == "missing":
        return FileNotFoundError(2, "No such file", os.fspath(items[index]))
    return ImageError(index, reason, detail)
