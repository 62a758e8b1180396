"""Claims, verdicts and the ledger, on records made up so that the answer is known."""

import json
from collections import Counter
from dataclasses import replace
from math import nan

import numpy as np
import pytest
import yaml

from privrob.lab import (
    claims,
    costs,
    questions,
    registry,
    statements,
    verdict_bars,
    verdicts,
)
from privrob.lab import spec as specs
from privrob.lab.arithmetic import ARITHMETIC
from privrob.lab.claims import ClaimError, Evidence, load
from privrob.lab.measures import MEASURES
from privrob.lab.run import fingerprint_of, key_of
from privrob.lab.store import Store, StoreError

N = 10_000  # as MNIST has, so that the printed percentages are whole numbers of images


@pytest.fixture(scope="module")
def by_id() -> dict:
    return {claim.id: claim for claim in load()}


# -- made-up records ----------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "records")


def save(store: Store, spec: specs.Spec, arrays: dict, *, stale: bool = False):
    kind = specs.kind(spec)
    manifest = {
        "key": key_of(spec),
        "kind": kind,
        "spec": specs.plain(spec, labels=True),
        "seconds": 60.0,
        "fingerprint": "of old code" if stale else fingerprint_of(spec),
    }
    return store.save(kind, manifest, arrays)


def right(percent) -> np.ndarray:
    """Masks of N images of which so many percent are right, the same ones for both models."""
    return np.arange(N) < np.round(np.asarray(percent) * N / 100)[..., None]


def fill_base(store: Store, accuracies: dict, *, reading: str = "literal", stale: bool = False):
    """A trained model's record for each accuracy: model -> one a seed (None: no record)."""
    for variant in registry.experiment("tursynbek2020/base").variants("paper"):
        found = accuracies.get(variant.model, ())
        if variant.reading == reading and variant.seed < len(found):
            percent = found[variant.seed]
            if percent is not None:
                save(store, variant.spec, {"correct_test": right(percent)}, stale=stale)


def fgsm_curve(model: str, shift: float) -> np.ndarray:
    """99.14 and 96.53 at 0, a gap of 15.4 at 0.12 and less elsewhere, half at 0.2 or before."""
    eps = np.array(questions.FGSM_EPS)
    sgd = 99.14 - 240 * eps
    gap = 15.4 - np.abs(eps - 0.12) * (15.4 - 2.61) / 0.18 + np.where(eps > 0, 0.5, -1.63)
    curve = sgd if model == "sgd" else sgd - gap
    return np.clip(np.where(eps == 0, 99.14 if model == "sgd" else 96.53, curve) + shift, 0, 100)


def pgd_arrays(model: str, shift: float) -> dict:
    """Table 1 as printed, moved by `shift` points."""
    table = {"sgd": [[80.63, 80.44], [15.84, 10.15], [3.06, 1.0]]}
    table["dpsgd"] = [[61.1, 60.89], [7.88, 4.36], [1.38, 0.23]]
    clean = {"sgd": 99.14, "dpsgd": 96.53}[model]
    correct = right(np.clip(np.array(table[model]) + shift, 0, 100))
    first = np.where(right([clean] * 3), 1, 0)
    first[correct[:, 1]] = -1
    grid = {"eps": np.array(questions.PGD_EPS), "steps": np.array(questions.PGD_STEPS)}
    return grid | {"correct": correct, "first_success": first.astype(np.int16)}


def fill_attacks(store: Store, *, seeds=(0, 1, 2), readings=("literal", "matched")):
    """FGSM and PGD records that agree with the paper, a little different from seed to seed."""
    for name in ("fgsm", "pgd"):
        for v in registry.experiment(f"tursynbek2020/{name}").variants("paper"):
            if v.seed in seeds and v.reading in readings:
                shift = 0.1 * v.seed + (0.05 * v.seed if v.model == "sgd" else 0)
                arrays = (
                    {"eps": np.array(v.spec.eps), "correct": right(fgsm_curve(v.model, shift))}
                    if name == "fgsm"
                    else pgd_arrays(v.model, shift)
                )
                save(store, v.spec, arrays)


def assess(monkeypatch, store: Store, claim) -> claims.Entry:
    """The entry of one claim alone."""
    monkeypatch.setattr(claims, "load", lambda: [claim])
    [entry] = claims.ledger(store)
    return entry


def cost(*, sgd: int = 0, dpsgd: int = 0) -> float:
    """Minutes that so many trainings at the paper's settings are estimated to take."""
    pair = registry.pair(*registry.READINGS["literal"], reading="literal", seed=0)
    one = {model: costs.minutes(spec, images=(60000, 10000)) for model, spec in pair.items()}
    return sgd * one["sgd"] + dpsgd * one["dpsgd"]


def evidence(value: float, low: float, high: float, **others) -> Evidence:
    seeds = others.pop("seeds", (0, 1, 2))
    common = {"reading": "literal", "basis": "seeds", "seeds": seeds, "planned": len(seeds)}
    return Evidence(value=value, low=low, high=high, **(common | others))


# -- the committed claims -----------------------------------------------------------------------


def test_every_claim_names_a_measure_or_why_it_is_not_attempted(by_id):
    for claim in by_id.values():
        if claim.measure or claim.not_attempted is None:
            assert claim.measure in (ARITHMETIC if claim.kind == "derived" else MEASURES)


def test_printed_differences_are_judged_against_the_printed_accuracies(by_id):
    rows = [i.rsplit("/", 1)[0] for i in by_id if i.endswith("/arithmetic")]
    assert len(rows) == 6 + 33
    for row in rows:
        arithmetic = by_id[f"{row}/arithmetic"]
        assert arithmetic.published == by_id[f"{row}/difference"].published
        if not row.endswith("/baseline"):  # whose accuracies stand under 'clean'
            given = arithmetic.arguments
            assert given == {"minuend": f"{row}/sgd", "subtrahend": f"{row}/dpsgd"}


def test_the_gap_grows_in_the_rows_where_the_paper_reads_it_so(by_id):
    grows = {
        i.split("/")[2].split("-")[0] for i in by_id if i.endswith("/gap-grows") and "eps" in i
    }
    assert grows == {"eps0.1", "eps0.2"}
    clean_gap = by_id["tursynbek2020/clean/gap"].published
    for claim in by_id.values():
        if claim.measure == "pgd_gap":
            assert (claim.published > clean_gap) == (claim.arguments["eps"] < 0.3)


# -- bad claims ---------------------------------------------------------------------------------

VALUE = {
    "id": "tursynbek2020/clean/sgd",
    "paper": "tursynbek2020",
    "locus": "Table 2",
    "kind": "value",
    "statement": "Test accuracy.",
    "published": 99.14,
    "unit": "percent",
    "tolerance": 0.3,
    "reason": "Spread over seeds.",
    "experiment": "tursynbek2020/base",
    "measure": {"name": "clean_accuracy", "model": "sgd"},
}
ORDERING = {k: v for k, v in VALUE.items() if k not in ("tolerance", "reason")} | {
    "kind": "ordering",
    "published": "grows",
    "measure": {"name": "clean_gap"},
}
DERIVED = {k: v for k, v in ORDERING.items() if k != "experiment"} | {
    "kind": "derived",
    "published": 5,
    "measure": {"name": "eq1_budget", "delta": 1e-6},
}
COST = {"why": "it is not trained", "cost": "an hour on a GPU"}
WAITING = {k: v for k, v in VALUE.items() if k not in ("measure", "experiment")} | {
    "not_attempted": COST
}


def write(folder, *entries, name: str = "tursynbek2020.yml"):
    (folder / name).write_text(yaml.safe_dump(list(entries)))
    return folder


@pytest.mark.parametrize(
    "entry", [VALUE, ORDERING, DERIVED, WAITING, VALUE | {"not_attempted": COST}]
)
def test_the_samples_are_good(tmp_path, entry):
    [claim] = load(write(tmp_path, entry))
    assert claim.kind == entry["kind"]


@pytest.mark.parametrize(
    ("entry", "change", "message"),
    [
        (VALUE, {"tolerence": 1}, "no 'tolerence'; did you mean 'tolerance'"),
        (VALUE, {"arguments": {}}, "no 'arguments'"),
        (VALUE, {"unit": None}, "unit must be text, got None"),
        (VALUE, {"locus": 2}, "locus must be text, got 2"),
        (VALUE, {"paper": "tursynbek2021"}, "did you mean 'tursynbek2020'"),
        (VALUE, {"id": "song2019/clean/sgd"}, "id must begin with tursynbek2020/"),
        (VALUE, {"id": "tursynbek2020/sgd"}, "id must be paper/exhibit/name"),
        (VALUE, {"kind": "number"}, "kind: no 'number'"),
        (VALUE, {"published": "99.14"}, "published of kind value cannot be '99.14'"),
        (VALUE, {"published": True}, "cannot be True"),
        (VALUE, {"tolerance": 0}, "tolerance must be above 0"),
        (VALUE, {"tolerance": "0.3"}, "tolerance must be above 0"),
        (VALUE, {"tolerance": None}, "kind value needs tolerance"),
        (VALUE, {"reason": None}, "kind value needs reason"),
        (VALUE, {"reason": ""}, "reason must be text"),
        (VALUE, {"direction": "up"}, "direction: no 'up'"),
        (VALUE, {"direction": "below"}, "direction: no 'below'"),
        (VALUE, {"experiment": "tursynbek2020/bases"}, "did you mean 'tursynbek2020/base'"),
        (VALUE, {"measure": {"name": "clean_acuracy"}}, "did you mean 'clean_accuracy'"),
        (VALUE, {"measure": "clean_gap"}, "measure must have a name"),
        (VALUE, {"measure": {"name": "clean_accuracy"}}, "missing a required argument: 'model'"),
        (VALUE, {"measure": {"name": "clean_accuracy", "model": "dp"}}, "model: no 'dp'"),
        (VALUE, {"measure": {"name": "clean_gap", "eps": 1}}, "unexpected keyword argument 'eps'"),
        (VALUE, {"measure": {"name": "difference"}}, "measure: no 'difference'"),
        (VALUE, {"measure": None}, "needs a measure, or not_attempted with why and cost"),
        (VALUE, {"not_attempted": COST, "experiment": None}, "kind value needs experiment"),
        (
            VALUE,
            {"not_attempted": COST, "measure": None},
            "a claim that is not attempted takes no experiment",
        ),
        (DERIVED, {"not_attempted": COST}, "kind derived is computed at once"),
        (VALUE, {"corrected": "99"}, "corrected must be a number"),
        (VALUE, {"decimals": 1.5}, "decimals must be a count"),
        (VALUE, {"words": "qoute"}, "words: no 'qoute'"),
        (VALUE, {"words": "quote"}, "only a text can be a quote"),
        (VALUE, {"sets": {"members": 5}}, "sets must have counts of members and nonmembers"),
        (VALUE, {"sets": {"members": 5, "nonmembers": 0}}, "sets must have counts"),
        (ORDERING, {"sets": {"members": 5, "nonmembers": 5}}, "kind ordering takes no sets"),
        (VALUE, {"above": 0.5}, "kind value takes no above"),
        (ORDERING, {"above": "half"}, "above must be a number, got 'half'"),
        (WAITING, {"not_attempted": {"why": "no time"}}, "must have why and cost"),
        (WAITING, {"not_attempted": {"why": "no time", "cost": ""}}, "cost must be text"),
        (WAITING, {"not_attempted": "no time"}, "must have why and cost"),
        (WAITING, {"tolerance": None}, "kind value needs tolerance"),
        (WAITING, {"reason": None}, "kind value needs reason"),
        (ORDERING, {"corrected": 2.0}, "kind ordering takes no corrected"),
        (DERIVED, {"measure": None, "not_attempted": COST}, "kind derived is computed at once"),
        (ORDERING, {"tolerance": 1.0}, "kind ordering takes no tolerance"),
        (ORDERING, {"published": 3.0}, "published of kind ordering cannot be 3.0"),
        (ORDERING, {"experiment": None}, "kind ordering needs experiment"),
        (DERIVED, {"experiment": "tursynbek2020/base"}, "kind derived takes no experiment"),
    ],
)
def test_a_bad_claim_is_refused_with_its_file_and_id(tmp_path, entry, change, message):
    bad = entry | change
    with pytest.raises(ClaimError) as caught:
        load(write(tmp_path, bad))
    assert str(caught.value).startswith(f"tursynbek2020.yml: {bad['id']}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("field", ["locus", "statement", "published", "id"])
def test_a_claim_that_lacks_a_field_is_refused(tmp_path, field):
    entry = {name: value for name, value in VALUE.items() if name != field}
    with pytest.raises(ClaimError, match=f"lacks {field}"):
        load(write(tmp_path, entry))


def test_an_id_is_used_once_over_all_files(tmp_path):
    write(tmp_path, VALUE, name="a.yml")
    with pytest.raises(ClaimError, match=r"b.yml: tursynbek2020/clean/sgd: there are two"):
        load(write(tmp_path, DERIVED | {"id": VALUE["id"]}, name="b.yml"))


@pytest.mark.parametrize("text", ["a: [1", "just text", "- text"])
def test_a_file_that_is_no_list_of_claims_is_named(tmp_path, text):
    (tmp_path / "song2019.yml").write_text(text)
    with pytest.raises(ClaimError, match=r"^song2019.yml: "):
        load(tmp_path)


# -- verdicts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "low", "high", "direction", "word"),
    [
        (15.4, 14, 17, None, "reproduced"),
        (20.4, 14, 27, "positive", "reproduced"),  # the boundary is within
        (10.4, -5, 25, "positive", "reproduced"),  # the interval plays no part within
        (20.41, 14, 27, "positive", "reproduced in direction"),
        (20.41, 14, 27, None, "not reproduced"),
        (20.41, 14, 27, "negative", "not reproduced"),
        (-9.0, -12, -6, "negative", "reproduced in direction"),
        (-9.0, -12, -6, "positive", "not reproduced"),
        (9.0, -1, 19, "positive", "undecided"),
        (9.0, 0, 18, "positive", "undecided"),  # an interval includes its ends
    ],
)
def test_verdicts_of_values(mean, low, high, direction, word):
    found = verdicts.judge_value(
        evidence(mean, low, high), published=15.4, tolerance=5.0, direction=direction
    )
    assert found.word == word
    assert word in verdicts.WORDS


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.1, 5, "reproduced"),
        (-5, -0.1, "not reproduced"),
        (-1, 5, "undecided (n = 3)"),
        (0, 5, "undecided (n = 3)"),
    ],
)
def test_verdicts_of_contrasts(low, high, text):
    assert str(verdicts.judge_contrast(evidence(2, low, high))) == text
    moved = evidence(2.5, low + 0.5, high + 0.5)
    assert str(verdicts.judge_contrast(moved, above=0.5)) == text


@pytest.mark.parametrize(
    ("value", "published", "decimals", "direction", "word"),
    [
        (0.77, 0.77, 2, None, "reproduced"),
        (0.775, 0.78, 2, None, "reproduced"),  # half away from zero, as printed
        (6.84, 13.33, 2, None, "not reproduced"),
        (6.61, 6.55, 2, None, "not reproduced"),
        (6.61, 6.55, 0, None, "reproduced"),
        (2.04, 2, 0, None, "reproduced"),
        (2.04, 2, 1, None, "reproduced"),
        (2.06, 2, 1, None, "not reproduced"),
        (4.08, 5, 0, "below", "reproduced"),
        (5.0, 5, 0, "below", "not reproduced"),
    ],
)
def test_verdicts_of_arithmetic(value, published, decimals, direction, word):
    found = evidence(value, nan, nan, basis="arithmetic", seeds=())
    given = {"published": published, "direction": direction, "decimals": decimals}
    assert verdicts.judge_arithmetic(found, **given).word == word


@pytest.mark.parametrize(
    ("published", "decimals", "printed"),
    [(19.55, None, 2), (61.1, None, 1), (5, None, 0), (10.0, 2, 2), (1.0, None, 1)],
)
def test_the_printed_precision_is_that_of_the_number_or_told(
    tmp_path, published, decimals, printed
):
    entry = DERIVED | {"published": published, "decimals": decimals}
    [claim] = load(write(tmp_path, entry))
    assert claim.printed_decimals == printed


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "reproduced"), (-0.1, "not reproduced"), (0.0, "undecided")],
)
def test_arithmetic_on_a_statement_is_judged_by_its_sign(tmp_path, value, text):
    [claim] = load(write(tmp_path, DERIVED | {"published": "it grows"}))
    found = evidence(value, nan, nan, basis="arithmetic", seeds=())
    assert str(claims.judge(claim, found)) == text


def test_arithmetic_with_a_margin_is_judged_by_it_and_shows_the_number(tmp_path):
    [claim] = load(write(tmp_path, DERIVED | {"published": "it grows"}))
    found = evidence(0.8, nan, nan, basis="arithmetic", seeds=(), margin=-0.1, why="8 of 10")
    assert str(claims.judge(claim, found)) == "not reproduced (8 of 10)"
    assert claims.judge(claim, replace(found, margin=0.1)).word == "reproduced"


def test_arithmetic_with_an_interval_is_judged_by_it(tmp_path):
    [claim] = load(write(tmp_path, DERIVED | {"published": "it grows"}))
    inside = evidence(0.1, -1, 1.2, basis="set sizes", seeds=())
    assert str(claims.judge(claim, inside)) == (
        "undecided (interval from the sizes of the two sets)"
    )


def test_a_known_slip_is_judged_against_its_correction(tmp_path):
    [claim] = load(write(tmp_path, VALUE | {"published": 88.05, "corrected": 99.14}))
    assert claims.judge(claim, evidence(99.2, 99, 99.4)).word == "reproduced"
    assert claims.judge(claim, evidence(88.05, 88, 89)).word == "not reproduced"
    assert claim.published == 88.05


def test_a_verdict_says_what_it_rests_on():
    one = evidence(2, 1, 3, seeds=(0,), basis="examples", states=("stale", "fresh"))
    text = "reproduced (n = 1, interval over examples; rests on a stale record)"
    assert str(verdicts.judge_contrast(one)) == text
    checked = evidence(2, 1, 3, states=("verified", "fresh"))
    assert str(verdicts.judge_contrast(checked)) == "reproduced"
    part = evidence(2, 1, 3, seeds=(0, 1), planned=3)
    assert str(verdicts.judge_contrast(part)) == "reproduced (n = 2)"


# -- from records to the ledger -----------------------------------------------------------------


def test_seeds_give_students_interval_of_their_mean(monkeypatch, store, by_id):
    fill_base(store, {"sgd": [99.0, 99.1, 99.2]})
    entry = assess(monkeypatch, store, by_id["tursynbek2020/clean/sgd"])
    found = entry.headline.evidence
    assert (found.n, found.basis, found.seeds) == (3, "seeds", (0, 1, 2))
    assert found.values == pytest.approx((99.0, 99.1, 99.2))
    assert found.value == pytest.approx(99.1)
    half = 4.302653 * 0.1 / 3**0.5
    assert (found.low, found.high) == pytest.approx((99.1 - half, 99.1 + half), abs=1e-5)
    assert str(entry.headline.verdict) == "reproduced (n = 3)"  # of the five that are planned
    assert len(found.records) == 3


def test_the_literal_reading_is_the_headline_and_the_matched_stands_beside(
    monkeypatch, store, by_id
):
    fill_base(store, {"sgd": [99.1] * 5, "dpsgd": [92.5, 92.7, 92.6, 92.5, 92.7]})
    dp = [96.4, 96.5, 96.6, 96.4, 96.6]
    fill_base(store, {"sgd": [99.1] * 5, "dpsgd": dp}, reading="matched")
    entry = assess(monkeypatch, store, by_id["tursynbek2020/clean/gap"])
    assert entry.headline.reading == "literal"
    assert str(entry.headline.verdict) == "reproduced in direction"
    assert str(entry.matched.verdict) == "reproduced"
    dp = assess(monkeypatch, store, by_id["tursynbek2020/clean/dpsgd"])
    assert str(dp.headline.verdict) == "not reproduced"


def test_a_gap_is_paired_over_seeds(monkeypatch, store, by_id):
    # Seeds differ by 40 points, the gap by less than one: unpaired, it could not be told from 0.
    fill_base(store, {"sgd": [50, 70, 90.5], "dpsgd": [40, 60, 80]})
    entry = assess(monkeypatch, store, by_id["tursynbek2020/clean/gap"])
    assert entry.headline.evidence.values == pytest.approx((10, 10, 10.5))
    assert entry.headline.evidence.low > 9
    assert entry.headline.verdict.word == "reproduced in direction"


def test_a_seed_with_one_model_is_no_evidence_of_a_gap(monkeypatch, store, by_id):
    fill_base(store, {"sgd": [99.0, 99.1, 99.2], "dpsgd": [96.0, None, 96.3]})
    gap = assess(monkeypatch, store, by_id["tursynbek2020/clean/gap"]).headline
    assert gap.evidence.seeds == (0, 2)
    assert str(gap.verdict) == "reproduced (n = 2)"
    assert gap.evidence.planned == 5
    assert gap.minutes == pytest.approx(cost(sgd=2, dpsgd=3))
    sgd = assess(monkeypatch, store, by_id["tursynbek2020/clean/sgd"]).headline
    assert sgd.evidence.n == 3


def test_two_seeds_have_one_degree_of_freedom(monkeypatch, store, by_id):
    fill_base(store, {"sgd": [99, 98], "dpsgd": [90, 91]})
    gap = assess(monkeypatch, store, by_id["tursynbek2020/clean/gap"]).headline
    assert gap.evidence.low == pytest.approx(8 - 12.7062, abs=1e-3)
    assert str(gap.verdict) == "undecided (n = 2)"


def test_one_seed_has_an_interval_over_examples(monkeypatch, store, by_id):
    fill_base(store, {"sgd": [99.0], "dpsgd": [92.0]})
    gap = assess(monkeypatch, store, by_id["tursynbek2020/clean/gap"]).headline
    assert (gap.evidence.basis, gap.evidence.n) == ("examples", 1)
    assert (gap.evidence.low, gap.evidence.high) == pytest.approx((6.5, 7.5), abs=0.1)
    assert str(gap.verdict) == "reproduced in direction (n = 1, interval over examples)"


def test_a_stale_record_is_flagged_and_the_word_stays(monkeypatch, store, by_id):
    fill_base(store, {"sgd": [99.1] * 3}, stale=True)
    found = assess(monkeypatch, store, by_id["tursynbek2020/clean/sgd"]).headline
    assert found.verdict.word == "reproduced"
    assert str(found.verdict) == "reproduced (n = 3; rests on a stale record)"


def test_a_tally_counts_what_rests_on_stale_records(monkeypatch, store, by_id):
    fill_base(store, {"sgd": [99.1] * 3}, stale=True)
    entry = assess(monkeypatch, store, by_id["tursynbek2020/clean/sgd"])
    literal, _ = verdict_bars.bars([entry])
    assert (literal.words["reproduced"], literal.total, literal.stale) == (1, 1, 1)


def test_an_attack_on_a_stale_model_is_stale(monkeypatch, store, by_id):
    fill_base(store, {"sgd": [99.1] * 3, "dpsgd": [96.5] * 3}, stale=True)
    fill_attacks(store, readings=("literal",))
    claim = by_id["tursynbek2020/figure2/gap-at-0.12"]
    assert assess(monkeypatch, store, claim).headline.verdict.stale


def test_without_records_nothing_is_attempted_and_the_cost_is_told(monkeypatch, store, by_id):
    found = assess(monkeypatch, store, by_id["tursynbek2020/clean/gap"]).headline
    assert found.verdict.word == "not attempted"
    assert "10 runs are missing" in str(found.verdict)
    assert found.evidence is None
    assert found.minutes == pytest.approx(cost(sgd=5, dpsgd=5))


def test_the_cost_of_an_attack_counts_its_model_once_and_only_if_missing(monkeypatch, store, by_id):
    claim = by_id["tursynbek2020/figure2/gap-at-0.12"]
    before = assess(monkeypatch, store, claim).headline
    assert "20 runs are missing" in str(before.verdict)
    fill_base(store, {"sgd": [99.1] * 5, "dpsgd": [96.5] * 5})
    after = assess(monkeypatch, store, claim).headline
    assert "10 runs are missing" in str(after.verdict)
    assert before.minutes - after.minutes == pytest.approx(cost(sgd=5, dpsgd=5))


def test_runs_of_reduced_scale_give_no_verdict(monkeypatch, store, by_id):
    full = registry.BASES["paper"]
    small = {"paper": lambda seed: ((m, replace(t, scale="reduced")) for m, t in full(seed))}
    monkeypatch.setattr(registry, "BASES", registry.BASES | small)
    fill_base(store, {"sgd": [99.1] * 3})
    found = assess(monkeypatch, store, by_id["tursynbek2020/clean/sgd"]).headline
    assert str(found.verdict) == "not attempted (nothing of the paper's scale)"


def test_a_measure_that_records_cannot_give_is_blocked(monkeypatch, store, by_id):
    for v in registry.experiment("tursynbek2020/fgsm").variants("paper"):
        save(store, v.spec, {"eps": np.array(v.spec.eps), "correct": right([90.0] * 31)})
    found = assess(monkeypatch, store, by_id["tursynbek2020/figure2/weaker-adversary"]).headline
    assert str(found.verdict) == "blocked (accuracy stays above one half up to eps 0.3)"


def test_an_eps_that_no_record_has_is_an_error_that_names_the_claim(monkeypatch, store, by_id):
    fill_attacks(store, readings=("literal",))
    claim = replace(by_id["tursynbek2020/figure2/gap-at-0.12"], arguments={"eps": 0.125})
    with pytest.raises(ClaimError, match=r"figure2/gap-at-0.12: no eps 0.125 in the record"):
        assess(monkeypatch, store, claim)


@pytest.mark.parametrize("name", ["manifest.json", "arrays.npz"])
def test_a_broken_record_is_an_error_and_not_a_missing_one(monkeypatch, store, by_id, name):
    fill_base(store, {"sgd": [99.1] * 3})
    path = sorted(store.root.glob(f"train/*/{name}"))[0]
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match=name):
        assess(monkeypatch, store, by_id["tursynbek2020/clean/sgd"])


TESTED = {f"tursynbek2020/{name}" for name in ("clean", "figure2", "section3.1", "table1")}


@pytest.mark.parametrize("seeds", [(0, 1, 2), (0,)])
def test_records_that_agree_with_the_paper_reproduce_all_of_it(store, seeds):
    full = [99.14, 99.16, 99.18], [96.53, 96.6, 96.5]
    for reading in registry.READINGS:
        sgd, dpsgd = (values[: len(seeds)] for values in full)
        fill_base(store, {"sgd": sgd, "dpsgd": dpsgd}, reading=reading)
    fill_attacks(store, seeds=seeds)
    ledger = [e for e in claims.ledger(store, exhibits=TESTED) if e.tier == "recorded"]
    words = {a.verdict.word for entry in ledger for a in entry.assessments}
    assert words == {"reproduced"}
    counted = {
        (exhibit, bar.name): (bar.words["reproduced"], bar.total)
        for _, exhibit, group in verdict_bars.by_exhibit(ledger)
        for bar in verdict_bars.bars(group)
    }
    readings = registry.READINGS
    assert counted == {
        **{("clean", reading): (3, 3) for reading in readings},
        **{("figure2", reading): (5, 5) for reading in readings},
        **{("table1", reading): (22, 22) for reading in readings},
    }
    lines = json.loads(json.dumps(claims.to_json(ledger), allow_nan=False))
    assert len(lines) == 30 * 2
    assert Counter(line["tier"] for line in lines) == {"recorded": 60}


def test_arithmetic_needs_no_records(store):
    ledger = claims.ledger(store, exhibits=TESTED)
    derived = [entry for entry in ledger if entry.tier == "derived"]
    assert {str(entry.headline.verdict) for entry in derived} == {"reproduced"}
    literal, _, arithmetic = verdict_bars.bars(ledger)
    assert (literal.words["not attempted"], literal.total) == (30, 30)
    assert (arithmetic.words["reproduced"], arithmetic.total) == (11, 11)
    line = next(x for x in claims.to_json(ledger) if x["id"].endswith("/privacy-budget"))
    assert (line["reading"], line["n"], line["low"]) == (None, None, None)
    assert line["value"] == pytest.approx(4.076, abs=5e-4)
    assert line["direction"] == "below"


def test_json_has_the_fields_of_a_claim_and_of_its_verdict(monkeypatch, store, by_id):
    fill_base(store, {"sgd": [99.0, 99.1, 99.2]})
    entry = assess(monkeypatch, store, by_id["tursynbek2020/clean/sgd"])
    literal, matched = claims.to_json([entry])
    named = ("id", "paper", "locus", "kind", "published", "direction", "tolerance", "reason")
    rest = ("verdict", "reading", "value", "low", "high", "n", "tier", "records")
    assert set(named + rest) <= literal.keys()
    assert literal["published"] == 99.14
    assert (literal["verdict"], literal["reading"], literal["n"]) == ("reproduced", "literal", 3)
    assert len(literal["records"]) == 3
    assert (matched["verdict"], matched["value"], matched["tier"]) == ("not attempted", None, None)
    assert literal["exhibit"] == "clean"
    assert literal["command"] == "privrob run tursynbek2020/base --profile paper"


def test_what_is_not_attempted_says_why_and_what_it_would_cost(monkeypatch, store, tmp_path):
    [claim] = load(write(tmp_path, WAITING))
    entry = assess(monkeypatch, store, claim)
    assert [a.reading for a in entry.assessments] == ["literal"]
    text = "not attempted (it is not trained; an hour on a GPU)"
    assert str(entry.headline.verdict) == text
    assert (entry.headline.evidence, entry.matched, entry.command) == (None, None, None)
    [line] = claims.to_json([entry])
    assert (line["verdict"], line["text"], line["tier"]) == ("not attempted", text, None)


def test_a_reason_is_said_until_a_record_is_there(monkeypatch, store, tmp_path):
    [claim] = load(write(tmp_path, VALUE | {"not_attempted": COST}))
    entry = assess(monkeypatch, store, claim)
    assert str(entry.headline.verdict) == "not attempted (it is not trained; an hour on a GPU)"
    assert entry.headline.minutes > 0
    fill_base(store, {"sgd": [99.0], "dpsgd": [92.0]})
    entry = assess(monkeypatch, store, claim)
    assert entry.headline.verdict.word == "reproduced"


def test_a_number_that_no_claim_prints_is_an_error_that_names_the_claim(
    monkeypatch, store, tmp_path
):
    lost = {
        "name": "difference",
        "minuend": "tursynbek2020/clean/sgd",
        "subtrahend": "tursynbek2020",
    }
    [claim] = load(write(tmp_path, DERIVED | {"measure": lost}))
    with pytest.raises(ClaimError, match=r"clean/sgd: no printed number 'tursynbek2020/clean/sgd'"):
        assess(monkeypatch, store, claim)


def test_what_stands_beside_the_claims(store):
    fill_attacks(store, seeds=(0,), readings=("literal",))
    other = claims.beside(store, of="pgd_accuracy", note="step size 2/255")
    assert len(other) == 12
    assert {e.note for found in other.values() for e in found} == {"step size 2/255"}
    ever = claims.beside(store, of="pgd_accuracy", measure="pgd_ever_fooled_accuracy")
    [found] = ever["tursynbek2020/table1/eps0.1-steps40/sgd"]
    assert found.value == pytest.approx(80.44)


def test_papers_are_those_that_claims_may_name():
    assert {e.paper for e in registry.EXPERIMENTS.values()} <= set(statements.PAPERS)
