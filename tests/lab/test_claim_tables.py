"""A table of claims is the claims that one would have written out, and a slip in it is refused."""

import pytest
import yaml

from privrob.lab.claim_tables import cells
from privrob.lab.statements import ClaimError, load

TABLE = """
table: tursynbek2020/table9
columns: [eps, sgd, dpsgd]
rows:
  - [Zoom Blur, 0.3, 98.02, 91.41]
  - [Fog, 0.1, 91.59, ~]
each:
  paper: tursynbek2020
  locus: Table 9
  kind: value
  unit: percent
  tolerance: {share: 0.2, least: 1.0, most: 10.0}
  reason: A fifth of the errors.
  not_attempted: {why: not trained, cost: minutes}
cells:
  sgd: {statement: 'SGD, {title}, eps {eps}, {{x}}.'}
  dpsgd: {statement: 'DP-SGD, {title}.', tolerance: {share: 0.2, least: 1.0, most: 1.5}}
  sum:
    kind: derived
    published: '{sgd}'
    unit: points
    statement: The sum.
    measure: {name: difference, minuend: '{table}/{row}/sgd', subtrahend: '{eps}'}
override:
  fog/s*: {locus: Table 9 below}
"""


@pytest.fixture
def table() -> dict:
    return yaml.safe_load(TABLE)


def test_a_cell_is_the_claim_written_out(table):
    found = {cell["id"].removeprefix("tursynbek2020/table9/"): cell for cell in cells(table)}
    assert list(found) == [
        "zoom-blur/sgd",
        "zoom-blur/dpsgd",
        "zoom-blur/sum",
        "fog/sgd",
        "fog/sum",
    ]
    assert found["zoom-blur/sgd"] == {
        "id": "tursynbek2020/table9/zoom-blur/sgd",
        "paper": "tursynbek2020",
        "locus": "Table 9",
        "kind": "value",
        "statement": "SGD, Zoom Blur, eps 0.3, {x}.",
        "published": 98.02,
        "unit": "percent",
        "tolerance": 1.0,
        "reason": "A fifth of the errors.",
        "not_attempted": {"why": "not trained", "cost": "minutes"},
    }
    assert found["fog/sgd"]["locus"] == "Table 9 below"


def test_a_tolerance_may_be_a_share_of_the_errors_within_bounds(table):
    found = {cell["id"].split("/", 2)[2]: cell.get("tolerance") for cell in cells(table)}
    assert found["zoom-blur/sgd"] == 1.0  # of 0.4
    assert found["fog/sgd"] == 1.7
    assert found["zoom-blur/dpsgd"] == 1.5  # of 1.7


def test_a_derived_cell_takes_paper_and_locus_alone(table):
    derived = next(cell for cell in cells(table) if cell["kind"] == "derived")
    assert derived.keys() == {
        "id",
        "paper",
        "locus",
        "kind",
        "statement",
        "published",
        "unit",
        "measure",
    }
    assert derived["published"] == 98.02
    assert derived["measure"] == {
        "name": "difference",
        "minuend": "tursynbek2020/table9/zoom-blur/sgd",
        "subtrahend": 0.3,
    }


def test_the_cell_of_a_dot_has_the_name_of_its_row(table):
    table["cells"] = {".": {"statement": "It.", "published": "{sgd}", "tolerance": 1}}
    table["override"] = {"fog/.": {"locus": "below"}}
    assert [(c["id"], c["locus"]) for c in cells(table)] == [
        ("tursynbek2020/table9/zoom-blur", "Table 9"),
        ("tursynbek2020/table9/fog", "below"),
    ]


def test_names_are_what_every_row_has(table):
    table["names"] = {"data": "MNIST"}
    table["cells"]["sgd"]["statement"] = "{data}: {title}."
    assert next(iter(cells(table)))["statement"] == "MNIST: Zoom Blur."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": [["Fog", 0.3, 98.02]]}, "row 'Fog' has 2 values for 3 columns"),
        ({"rows": [["Fog", 0.3, 98.02, 1, 2]]}, "row 'Fog' has 4 values for 3 columns"),
        ({"colums": []}, "no 'colums'; did you mean 'columns'"),
        ({"cells": {"sgd": None}, "override": {}}, "the fields of cell 'sgd' must have names"),
        ({"override": {"frog/*": {}}}, "override: no cell matches 'frog/*'"),
        ({"cells": {"sgf": {"statement": "x"}}, "override": {}}, "no 'sgf'; did you mean 'sgd'"),
        ({"cells": {"sgd": {"statement": "x {epsilon} y"}}, "override": {}}, "no column 'epsilon'"),
        ({"rows": [["Fog", 0.1, "9l.59", 3]]}, "row 'Fog': no number '9l.59'"),
        ({"rows": [["Fog", 0.1, 1, 2], ["fog", 0.1, 1, 2]]}, "there are two of this id"),
    ],
)
def test_a_slip_in_a_table_is_refused_with_its_file_and_id(tmp_path, table, change, message):
    (tmp_path / "tursynbek2020.yml").write_text(yaml.safe_dump([table | change]))
    with pytest.raises(ClaimError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith("tursynbek2020.yml: tursynbek2020/table9")
    assert message in str(caught.value)


def test_a_table_that_lacks_a_part_is_refused(tmp_path, table):
    del table["rows"]
    (tmp_path / "a.yml").write_text(yaml.safe_dump([table]))
    with pytest.raises(ClaimError, match="a.yml: tursynbek2020/table9: a table lacks rows"):
        load(tmp_path)
