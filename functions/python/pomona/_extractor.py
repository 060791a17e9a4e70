"""Features of single images, in any Python program."""

from __future__ import annotations

import inspect
import os
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from pomona import _pomona
from pomona._images import NoPicture, item, size
from pomona._options import Location, flags, place
from pomona.errors import ImageError, ImageWarning

if sys.version_info >= (3, 11):
    from typing import Self
elif TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Extractor"]

# So many images are handed over at once: enough that all threads have work to the end.
BATCH = 512
# Pictures that are decoded already are copied, of a batch no more bytes than this and one picture.
BATCH_BYTES = 128 << 20


class Extractor:
    """Images to features, on all cores; the same numbers as in the tables of a run.

    It is a transformer of scikit-learn. It can be pickled, and loads its model when it is first used: all that are alike
    share one in a process, and the last one that was used is kept. Threads may share an extractor.

    Parameters
    ----------
    model
        The ONNX model; MobileNetV2, fetched once and checked, otherwise.
    threads
        Threads that compute; one per core otherwise.
    untrained, preset, exif_orientation, decode, channels, crop, preprocess, mean, std, layer, engine, max_pixels
        As on the command line. ``decode`` is for paths and bytes; pictures of Pillow are decoded whole, unless their
        `draft` was called before.

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
        decode: Literal["full", "scaled"] | None = None,
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
        self.decode = decode
        self.channels = channels
        self.crop = crop
        self.preprocess = preprocess
        self.mean = mean
        self.std = std
        self.layer = layer
        self.engine = engine
        self.max_pixels = max_pixels

    def features(
        self, items: Iterable[Any], errors: Literal["raise", "nan", "skip"] = "raise"
    ) -> npt.NDArray[np.float32]:
        """Compute the features of images.

        Parameters
        ----------
        items
            Paths, bytes of image files, pictures of Pillow, or uint8 arrays (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), RGB
            and RGBA; also mixed. Pictures and arrays are turned into RGB as Pillow does, alpha dropped; those of Pillow
            stay decoded afterwards, so paths take less memory.
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
        TypeError, ValueError
            For an item that is no image, or an array of another shape.
        BadInput
            Where there is no such model, or an option has a value that there is not.

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
        _refuse_single(items)
        items, network = list(items), self._loaded()
        rows = np.full((len(items), network.width), np.nan, np.float32)
        failed: list[tuple[int, str, str]] = []
        for batch in _batches(items, network.turns, failed):
            computed, failures = network.features(list(batch.values()))
            places = list(batch)
            rows[places] = computed
            failed += [(places[at], reason, detail) for at, reason, detail in failures]
            if failed and errors == "raise":
                raise _exception(items, *min(failed))
        if failed:
            failed.sort()
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

    def transform(self, X: Iterable[Any]) -> Any:
        """Compute features, as `features` does.

        Parameters
        ----------
        X
            Images, as `features` takes them.

        Returns
        -------
        ndarray
            (n, d) float32, or what `set_output` says.

        Examples
        --------
        >>> pomona.Extractor(untrained=True).transform([image]).shape
        (1, 1280)
        """
        rows = self.features(X)
        container = self._container()
        if container == "pandas":
            import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]

            return pandas.DataFrame(rows, columns=self.get_feature_names_out())
        if container == "polars":
            import polars  # type: ignore[import-not-found,unused-ignore]

            return polars.DataFrame(rows, schema=self.get_feature_names_out().tolist())
        return rows

    def set_output(self, *, transform: Literal["default", "pandas", "polars"] | None = None) -> Self:
        """Choose what `transform` returns, as scikit-learn has it.

        Parameters
        ----------
        transform
            An array by default, or a table of pandas or Polars; None changes nothing.

        Returns
        -------
        Extractor
            Itself.

        Examples
        --------
        >>> extractor = pomona.Extractor(untrained=True).set_output(transform="pandas")
        >>> extractor.transform([image]).columns[0]
        'feature0'
        """
        if transform not in (None, "default", "pandas", "polars"):
            raise ValueError(f"transform={transform!r}: give 'default', 'pandas' or 'polars'")
        if transform is not None:
            # Under the name that clone looks for.
            self._sklearn_output_config = {"transform": transform}
        return self

    def _container(self) -> str:
        """What `transform` returns: as was chosen here, or for all of scikit-learn."""
        chosen: str | None = vars(self).get("_sklearn_output_config", {}).get("transform")
        sklearn = sys.modules.get("sklearn")
        if chosen is None and sklearn is not None:
            chosen = sklearn.get_config()["transform_output"]
        return chosen or "default"

    def fit_transform(self, X: Iterable[Any], y: Any = None) -> Any:
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
            (n, d) float32, or what `set_output` says.

        Examples
        --------
        >>> pomona.Extractor(untrained=True).fit_transform([image]).shape
        (1, 1280)
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

        Examples
        --------
        >>> pomona.Extractor(untrained=True).get_feature_names_out()[:2].tolist()
        ['feature0', 'feature1']
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
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in names}

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
        chosen = {name: value for name, value in self.get_params().items() if value is not None and value is not False}
        return f"Extractor({', '.join(f'{name}={value!r}' for name, value in chosen.items())})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_network"}

    def _loaded(self) -> _pomona.Network:
        """The network of this process with the parameters as they are now."""
        # Held, as _networks does not.
        self._network = _network(flags(self.get_params()), self.model)
        return self._network


# By process, because a child of fork has no threads of its parent's; what nobody holds is dropped.
_networks: WeakValueDictionary[tuple[object, ...], _pomona.Network] = WeakValueDictionary()
_latest: _pomona.Network | None = None
_loading = threading.Lock()


def _renew_lock() -> None:
    # A thread of the parent may have held it.
    global _loading
    _loading = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def _network(usage: list[str], model: Location | None) -> _pomona.Network:
    """The network that is used like this, loaded where it is not there or its file is another one by now."""
    global _latest
    file = os.environ.get("POMONA_MODEL") if model is None else place(model)
    try:
        identity = file and (file, os.stat(file).st_mtime_ns, os.stat(file).st_ino)
    except OSError:
        identity = None
    key = (os.getpid(), os.getcwd(), identity, *usage)
    with _loading:
        network = _networks.get(key)
        if network is None:
            network = _networks[key] = _pomona.Network(usage)
        _latest = network
    return network


def _refuse_single(items: Any) -> None:
    """Says what was meant where a single image or a table was given for a list of images."""
    if isinstance(items, (str, bytes, bytearray, memoryview, os.PathLike)) or hasattr(items, "getbands"):
        raise TypeError("items is a single image; give a list of images")
    if isinstance(items, np.ndarray) and items.dtype == np.uint8 and items.ndim == 3 and items.shape[2] in (1, 3, 4):
        raise TypeError(f"items is a single image of shape {items.shape}; give a list of images")
    if hasattr(items, "columns"):
        raise TypeError("items is a table; give one of its columns")


def _batches(items: list[Any], turns: bool, failed: list[tuple[int, str, str]]) -> Iterator[dict[int, Any]]:
    """Items as the network takes them by their places; of those that cannot be decoded, `failed` is told."""
    batch: dict[int, Any] = {}
    taken = 0
    for index, each in enumerate(items):
        try:
            batch[index] = item(index, each, turns)
        except NoPicture as problem:
            failed.append((index, "unreadable", str(problem)))
            continue
        taken += size(batch[index])
        if len(batch) == BATCH or taken >= BATCH_BYTES:
            yield batch
            batch, taken = {}, 0
    yield batch


def _exception(items: list[Any], index: int, reason: str, detail: str) -> Exception:
    if reason == "missing":
        return FileNotFoundError(2, "No such file", os.fspath(items[index]))
    return ImageError(index, reason, detail)
