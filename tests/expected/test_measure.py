"""The tolerances of the expected numbers follow their rule, and say something."""

import importlib.util
import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("measure", HERE / "measure.py")
measure = importlib.util.module_from_spec(spec)
spec.loader.exec_module(measure)


def test_value_and_tolerance_follow_the_rule():
    runs = [{"one": {"a": value}} for value in (90.0, 90.5, 91.0)]
    assert measure.summarise(runs) == {"one": {"a": {"value": 90.5, "tolerance": 3.5}}}


def test_a_number_that_threads_move_far_is_refused():
    with pytest.raises(SystemExit, match="range too far"):
        measure.summarise([{"one": {"a": 50.0}}, {"one": {"a": 60.0}}])


def test_no_committed_tolerance_is_wider_than_allowed():
    notebooks = json.loads((HERE / "quick.json").read_text())["notebooks"]
    tolerances = [entry["tolerance"] for one in notebooks.values() for entry in one.values()]
    assert measure.IMAGE <= min(tolerances) <= max(tolerances) <= measure.WIDEST
