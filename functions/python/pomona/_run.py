"""Runs: making one, and what one left behind."""

from __future__ import annotations

import builtins
import html
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pomona import _pomona
from pomona._options import Location, ModelOptions, RunOptions, flags, place
from pomona._progress import Bars

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Hit", "Pca", "Report", "Run", "open", "run"]


def run(input: Location, output: Location, *, progress: bool = True, **options: Unpack[RunOptions]) -> Run:
    """Turn a folder of images into features, principal components and validated tables, as `pomona run` does.

    Ctrl-C stops the run and keeps what was computed; the same call goes on from there.

    Parameters
    ----------
    input
        The folder, s3://bucket/prefix or archive with the images; the name of an image's folder is its label.
    output
        The folder or s3://bucket/prefix for the results; made where it does not exist.
    progress
        Show a bar for each stage, and say what else there is to say.
    **options
        Those of the command line under the same names, such as ``components=50``, ``classify=True`` or
        ``extensions=["jpg"]``: `pomona run --help` describes them. None is the default.

    Returns
    -------
    Run
        The finished run.

    Raises
    ------
    Error
        One of its subclasses, such as `NoImages`, `TooManyRejects` or `Busy`.
    TypeError
        For an option that there is not, or a value of another type.
    KeyboardInterrupt
        After Ctrl-C.

    Examples
    --------
    >>> import pomona
    >>> run = pomona.run(images, results, components=4, untrained=True, progress=False)
    >>> run.components().matrix().shape[1]
    4
    """
    bars = Bars() if progress else None
    arguments = flags(options, place(input), place(output))
    try:
        run_id = _pomona.run(arguments, bars.show if bars else None)
    finally:
        if bars:
            bars.close()
    if run_id is None:
        raise KeyboardInterrupt
    return open(output, run_id)


def open(output: Location, run: str | None = None) -> Run:
    """Open the results of a run that has finished.

    Parameters
    ----------
    output
        The folder or s3://bucket/prefix with the results, or the folder of one of its runs.
    run
        A certain run's name; the newest successful one otherwise.

    Returns
    -------
    Run

    Raises
    ------
    BadInput
        Where there is no such run.

    Examples
    --------
    >>> import pomona
    >>> pomona.open(results).info["num_classes"]
    2
    """
    location, run_id = _pomona.find_run(flags({"run": run}, place(output)))
    return Run(location, run_id)


class Hit(NamedTuple):
    """An image that a search found."""

    path: str
    """Where the image is, relative to the input."""
    label: str
    """Its label."""
    distance: float
    """One minus the cosine of the angle between both images' vectors, from 0 to 2."""


class Report(str):
    """A run on one page, HTML; a notebook shows it."""

    def __repr__(self) -> str:
        return f"<pomona.Report of {len(self)} characters>"

    def _repr_html_(self) -> str:
        # A frame of its own, so that the page's styles are not the notebook's.
        page = html.escape(self, quote=True)
        return f'<iframe srcdoc="{page}" sandbox="" style="width: 100%; height: 40em; border: 0"></iframe>'


@dataclass(frozen=True)
class Run:
    """A finished run. It holds where the results are and reads them when it is asked, so it can be pickled.

    Attributes
    ----------
    output : str
        The folder or s3://bucket/prefix with the results.
    run_id : str
        The run's name.
    """

    output: str
    run_id: str

    def _flags(self) -> list[str]:
        return flags({"run": self.run_id}, self.output)

    def features(self) -> _pomona.Table:
        """Return the features of each usable image.

        Returns
        -------
        Table
            Columns path, label and features, a list of d float32; ``.matrix()`` is the (n, d) array of these.

        Raises
        ------
        BadInput
            Where the run keeps none (``keep_features``).

        Examples
        --------
        >>> pomona.open(results).features().matrix().shape[1]
        1280
        """
        return _pomona.table(self._flags(), "features")

    def components(self) -> _pomona.Table:
        """Return the principal components of each usable image.

        Returns
        -------
        Table
            Columns path, label, class_id, image_id and pca_features, a list of k float32; ``.matrix()`` is the (n, k)
            array of these.

        Examples
        --------
        >>> pomona.open(results).components().columns[-1]
        'pca_features'
        """
        return _pomona.table(self._flags(), "components")

    def metadata(self) -> _pomona.Table:
        """Return what each usable image is called, in the order of the other tables.

        Returns
        -------
        Table
            Columns path, label, class_id and image_id.

        Examples
        --------
        >>> pomona.open(results).metadata().columns
        ['path', 'label', 'class_id', 'image_id']
        """
        return _pomona.table(self._flags(), "metadata")

    def predictions(self) -> _pomona.Table:
        """Return what each usable image was classified as, in the order of the other tables.

        Returns
        -------
        Table
            Columns path, label, predicted, probability and is_training.

        Raises
        ------
        BadInput
            Where the run has no classifier (``classify=True``).

        Examples
        --------
        >>> pomona.open(classified).predictions().columns[2]
        'predicted'
        """
        return _pomona.table(self._flags(), "predictions")

    def errors(self) -> _pomona.Table:
        """Return each image that cannot be used, and why.

        Returns
        -------
        Table
            Columns path, label, reason and detail.

        Examples
        --------
        >>> len(pomona.open(results).errors())
        0
        """
        return _pomona.table(self._flags(), "errors")

    def classes(self) -> _pomona.Table:
        """Return the labels in the order of their ids.

        Returns
        -------
        Table
            Columns class_id, class and count, which is of listed images.

        Examples
        --------
        >>> len(pomona.open(results).classes())
        2
        """
        return _pomona.table(self._flags(), "classes")

    @property
    def info(self) -> dict[str, Any]:
        """The run in numbers, as model_info.json has them.

        Examples
        --------
        >>> pomona.open(results).info["original_dimensions"]
        1280
        """
        info: dict[str, Any] = json.loads(_pomona.document(self._flags(), "info"))
        return info

    @property
    def variance(self) -> npt.NDArray[np.float64]:
        """The share of the total variance that each component explains, (k,) float64.

        Examples
        --------
        >>> pomona.open(results).variance.shape
        (4,)
        """
        return np.asarray(self.info["variance_by_component"], dtype=np.float64)

    @property
    def metrics(self) -> dict[str, Any]:
        """How well images are classified, as metrics.json has it; `BadInput` where the run has no classifier.

        Examples
        --------
        >>> 0 <= pomona.open(classified).metrics["test"]["accuracy"] <= 1
        True
        """
        metrics: dict[str, Any] = json.loads(_pomona.document(self._flags(), "metrics"))
        return metrics

    @property
    def validation(self) -> dict[str, Any]:
        """What was checked before the run was declared successful, as validation.json has it.

        Examples
        --------
        >>> pomona.open(results).validation["passed"]
        True
        """
        validation: dict[str, Any] = json.loads(_pomona.document(self._flags(), "validation"))
        return validation

    @property
    def report(self) -> Report:
        """The run on one page; a notebook shows it.

        Examples
        --------
        >>> "<html" in pomona.open(results).report
        True
        """
        return Report(_pomona.document(self._flags(), "page"))

    def search(
        self, image: Location | bytes | bytearray | memoryview, n: int = 10, *, pca: bool = False, **model: Unpack[ModelOptions]
    ) -> list[Hit]:
        """Find the images that are most like a given one.

        Parameters
        ----------
        image
            A file, or its bytes.
        n
            How many to find, 1 or more.
        pca
            Compare principal components instead of features.
        **model
            The model that the run was made with, where that is not the usual one.

        Returns
        -------
        list of Hit
            Nearest first.

        Raises
        ------
        BadInput
            Where the image cannot be used, or the run was made with another model.
        FileNotFoundError
            Where there is no such file.

        Examples
        --------
        >>> hits = pomona.open(results).search(image, 3)
        >>> hits[0].label
        'apple'
        """
        if isinstance(image, (bytes, bytearray, memoryview)):
            name, content = "bytes", bytes(image)
        else:
            name = os.fspath(image)
            with builtins.open(image, "rb") as file:
                content = file.read()
        if n < 1:
            raise ValueError(f"n={n}: give 1 or more")
        hits = _pomona.search(self._flags(), flags(model), content, name, n, pca)
        return [Hit(*hit) for hit in hits]

    def pca(self) -> Pca:
        """Return the run's principal components, to project other features.

        Returns
        -------
        Pca

        Examples
        --------
        >>> run = pomona.open(results)
        >>> projected = run.pca().transform(run.features().matrix())
        >>> bool((projected == run.components().matrix()).all())
        True
        """
        return Pca(self)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


class Pca:
    """A run's principal components."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._model = _pomona.Pca(run._flags())

    def __reduce__(self) -> tuple[type[Pca], tuple[Run]]:
        return Pca, (self._run,)

    def transform(self, features: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Project features, exactly as the run's tables have them; a row with a NaN becomes NaN.

        Parameters
        ----------
        features
            (n, d), of the run's model.

        Returns
        -------
        ndarray
            (n, k) float32.

        Raises
        ------
        ValueError
            Where they are not (n, d).
        Inconsistent
            Where they have another width than the model.

        Examples
        --------
        >>> run = pomona.open(results)
        >>> run.pca().transform(run.features().matrix()[:3]).shape[0]
        3
        """
        rows = np.ascontiguousarray(features, dtype=np.float32)
        if rows.ndim != 2:
            raise ValueError(f"features have {rows.ndim} dimensions; give (n, d)")
        return self._model.transform(rows)
