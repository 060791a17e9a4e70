"""The places that tests/world/breaks.py breaks are there, each once: else a break would be none."""

import runpy
from pathlib import Path

import pytest

WORKSPACE = Path(__file__).resolve().parents[2]
BREAKS = runpy.run_path(str(WORKSPACE / "tests/world/breaks.py"))["BREAKS"]


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_has_its_place(name):
    file, sound, wrong = BREAKS[name]
    assert (WORKSPACE / file).read_text().count(sound) == 1
    assert sound != wrong
