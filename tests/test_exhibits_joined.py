"""Sentences that join verdicts, and networks that were not attacked, on ledgers made up here."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from privrob import exhibits
from privrob.exhibits import bottom_line, unattacked
from privrob.lab import registry
from privrob.lab.claims import Assessment, Entry
from privrob.lab.run import open_store
from privrob.lab.summary import IN_PART
from privrob.lab.verdicts import Evidence, Verdict
from record_specimens import keep_diverged


def entry(id, word, seeds=(0, 1)):
    numbers = {"value": 1.0, "low": 0.5, "high": 1.5}
    evidence = Evidence(reading="matched", basis="seeds", seeds=seeds, **numbers)
    claim = SimpleNamespace(id=f"tursynbek2020/{id}", exhibit=id.split("/")[0])
    return Entry(claim, (Assessment("matched", Verdict(word), evidence),))


def together(monkeypatch, control, plateau):
    """The sentence where the comparisons have these verdicts, and the plateau this one."""
    found = [entry(f"controls/{i}", word) for i, word in enumerate(control)]
    found += [entry("section4/robust-to-every-attack", plateau, seeds=(0, 1, 2))]
    found += [entry("section4/due-to-noise", "undecided")]  # which says nothing here
    monkeypatch.setattr(bottom_line.claims, "ledger", lambda *, exhibits: found)
    return bottom_line.together().text


def test_the_two_verdicts_are_joined_with_what_follows(monkeypatch):
    told = together(monkeypatch, ["reproduced"] * 3, "not reproduced")
    assert told.startswith("At equal accuracy DP-SGD is less robust than SGD (n = 2); the plateau")
    assert "is no robustness (n = 3). So DP-SGD is easier to fool than its accuracy" in told


@pytest.mark.parametrize(
    ("control", "plateau", "words"),
    [
        (["reproduced"], "reproduced", "is robustness (n = 3). So it is the setting"),
        (["not reproduced"], "not reproduced", "is not less robust than SGD (n = 2); "),
        (["not reproduced"], "reproduced", "something for a gain"),
        (["undecided"], "not reproduced", "is open (n = 2); "),
        (["reproduced", "not reproduced"], "undecided", "by some comparisons and not by all"),
    ],
)
def test_each_pair_of_verdicts_has_its_words(monkeypatch, control, plateau, words):
    assert words in together(monkeypatch, control, plateau)


def test_nothing_follows_where_a_verdict_is_open(monkeypatch):
    assert "So " not in together(monkeypatch, ["undecided"], "not reproduced")
    assert "So " not in together(monkeypatch, ["reproduced"], "undecided")


def test_every_answer_has_words():
    assert set(bottom_line._CONTROL) == {*bottom_line._PLATEAU, IN_PART}  # one claim is not in part


# -- networks that were not attacked --------------------------------------------------------------


@pytest.fixture
def records(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path))
    keep_diverged(open_store("paper"), "no clipping, noise 13")


def test_what_is_not_attacked_is_named_with_its_cost(records):
    told = exhibits.unattacked_told().text
    assert told.startswith("Not attempted, with the estimate for two CPU cores: the attacks on")
    for note in ("sigma 1.3, C 5", "sigma 1.3, C 20", "C 1, noise 13"):
        assert f"DP-SGD, {note} (about " in told
    assert "C 10" not in told  # asked for, in the sweep and as a cell of the grid
    assert "no clipping" not in told  # there is no network


def test_a_network_that_is_to_be_attacked_is_not_named(records, monkeypatch):
    masking = registry.EXPERIMENTS[unattacked.MASKING]
    more = registry.EXPERIMENTS[unattacked.FIGURE_7]
    grid = registry.EXPERIMENTS[unattacked.NAME]
    assert {v.note for v in unattacked.unattacked()} == {
        *(f"sigma 1.3, C {c}" for c in (5, 7, 20, 40)), "C 1, noise 13",
    }  # fmt: skip
    monkeypatch.setitem(registry.EXPERIMENTS, masking.name, replace(masking, family=more.family))
    assert [v.note for v in unattacked.unattacked()] == ["C 1, noise 13"]
    monkeypatch.setitem(registry.EXPERIMENTS, more.name, replace(more, family=grid.family))
    monkeypatch.setitem(registry.EXPERIMENTS, masking.name, replace(masking, family=grid.family))
    assert exhibits.unattacked_told().text.startswith("Every network")
