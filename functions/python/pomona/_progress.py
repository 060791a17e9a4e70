"""A run's progress as bars of tqdm, in a terminal or a notebook."""

from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    # In a notebook without widgets it warns, and shows its bars as text.
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]

__all__ = ["Bars"]


class Bars:
    """A bar for each stage, one after the other."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._bar: Any = None

    def show(self, stage: str | None, unit: str, done: int, total: int, notices: list[str]) -> None:
        """Show how far a stage is, and what else there is to say.

        Parameters
        ----------
        stage
            Its name; None between stages.
        unit
            What its items are called.
        done, total
            Its items; a total of 0 is not known.
        notices
            Sentences for the user.
        """
        for notice in notices:
            tqdm.write(notice)
        if stage != self._stage:
            # Somebody looks now and then only, so the last items of a stage have not been seen.
            if self._bar is not None and self._bar.total:
                self._bar.update(self._bar.total - self._bar.n)
            self.close()
            self._stage = stage
            if stage is not None and unit:
                # A fit may take a hundred passes over the features.
                leave = total > 0 and stage != "sweep"
                self._bar = tqdm(total=total or None, desc=stage, unit=" " + unit, leave=leave)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the bar that is shown."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
