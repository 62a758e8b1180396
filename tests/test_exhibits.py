"""Groups, figures, tables and checks of the notebooks, on stores made here."""

import json
import re
from dataclasses import fields, replace

import jupytext
import numpy as np
import pytest
import torch

from privrob import exhibits, models, paths, plot
from privrob.exhibits import check, notes, tables, values
from privrob.lab import book, measures, questions, recompute, registry, run, study
from record_specimens import manifest

IMAGES = 40


def fgsm_arrays(seed, *, fooled=0.0):
    draws = np.random.default_rng(seed).random(IMAGES)
    eps = np.array(questions.FGSM_EPS)
    correct = draws[None] + eps[:, None] * (2 + fooled) < 0.95
    flat = np.zeros(IMAGES, bool)
    return {
        "eps": eps,
        "correct": correct,
        "correct_unclipped": correct,
        "zero_gradient": flat,
    }


def pgd_arrays(seed):
    steps = questions.PGD_STEPS
    fgsm = fgsm_arrays(seed)
    at = np.flatnonzero(np.isin(fgsm["eps"], questions.PGD_EPS))
    correct = np.repeat(fgsm["correct"][at][:, None], len(steps), 1)
    first = np.where(correct[:, -1], -1, 5)
    first[:, ~fgsm["correct"][0]] = 0
    return {
        "eps": np.array(questions.PGD_EPS),
        "steps": np.array(steps),
        "correct": correct,
        "log_odds": correct.astype(np.float16),
        "first_success": first.astype(np.int16),
    }


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty records and an empty quick store."""
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("PRIVROB_STORE", str(tmp_path / "store"))
    return tmp_path


def record(name, seeds, *, profile="paper"):
    """Made-up records of an attack for these seeds, in every reading."""
    store = run.open_store("paper" if profile == "paper" else "quick")
    for variant in registry.experiment(name).variants(profile):
        if variant.seed in seeds:
            kind = name.rpartition("/")[2]
            arrays = pgd_arrays if kind == "pgd" else fgsm_arrays
            worse = {} if kind == "pgd" else {"fooled": float(variant.model == "dpsgd")}
            found = arrays(variant.seed, **worse)
            store.save(kind, manifest(variant.spec, kind), found)


# -- groups -------------------------------------------------------------------------------------


def test_without_records_there_is_nothing_and_it_is_said(folders):
    assert exhibits.gather("tursynbek2020/fgsm") == []
    said = repr(exhibits.held("tursynbek2020/fgsm"))
    assert "literal reading: 0 of 10 runs recorded, 0 of the 2 models of seed 0 in the zoo" in said


def test_a_group_holds_the_seeds_that_have_both_models(folders):
    record("tursynbek2020/fgsm", seeds=(0, 2))
    found = exhibits.gather("tursynbek2020/fgsm")
    assert [g.reading for g in found] == list(registry.READINGS)
    assert all(g.seeds == (0, 2) and g.tier == "recorded" and not g.source for g in found)
    assert [g.name for g in exhibits.pick(found, reading="literal")] == ["recorded, literal"]


def test_an_estimate_over_seeds_is_students_and_one_seed_is_over_images(folders):
    record("tursynbek2020/fgsm", seeds=(0, 1, 2))
    group = exhibits.gather("tursynbek2020/fgsm")[0]
    many = group.estimate(lambda pair: measures.fgsm_gap(pair, eps=0.12))
    by_hand = [measures.fgsm_gap(pair, eps=0.12) for pair in group.pairs]
    assert many.mean == pytest.approx(np.mean(by_hand))
    assert many.n == 3
    one = replace(group, rows=group.rows[:2])
    single = one.estimate(lambda pair: measures.fgsm_gap(pair, eps=0.12))
    assert single.mean == by_hand[0]
    whole = measures.interval_over_images("fgsm_gap", one.pairs[0], eps=0.12)
    assert (single.low, single.high) == pytest.approx((whole.low, whole.high))


def test_the_interval_of_a_share_ends_where_percentages_do(folders):
    record("tursynbek2020/fgsm", seeds=(0, 1, 2))
    group = exhibits.gather("tursynbek2020/fgsm")[0]
    found = iter([98.0, 100.0, 90.0] * 2)
    free = group.estimate(lambda pair: next(found))
    cut = group.share(lambda pair: next(found))
    assert free.high > 100
    assert (cut.mean, cut.low, cut.high) == (free.mean, free.low, 100)


def test_what_the_results_cannot_give_is_none(folders):
    record("tursynbek2020/fgsm", seeds=(0,))
    group = exhibits.gather("tursynbek2020/fgsm")[0]

    def refuse(pair):
        raise measures.MeasureError("never falls to a half")

    assert group.estimate(refuse) is None


def test_profile_paper_computes_records_and_not_a_quick_group(folders):
    record("tursynbek2020/fgsm", seeds=(0,))
    rows = study.recorded("tursynbek2020/fgsm")
    assert exhibits.quick(rows) == []
    assert {g.tier for g in exhibits.gather("tursynbek2020/fgsm", rows)} == {"recorded"}


# -- figures ------------------------------------------------------------------------------------


def test_curves_keep_tiers_apart_and_the_caption_names_them(folders):
    record("tursynbek2020/fgsm", seeds=(0, 1))
    record("tursynbek2020/fgsm", seeds=(0,), profile="quick")
    computed = study.study("tursynbek2020/fgsm", profile="quick", seed=0, device="cpu")
    found = exhibits.pick(exhibits.gather("tursynbek2020/fgsm", computed), reading="literal")
    curves = exhibits.accuracy_curves(found)
    assert [c.label for c in curves] == [
        "SGD, recorded",
        "DP-SGD, recorded",
        "SGD, quick",
        "DP-SGD, quick",
    ]
    assert exhibits.lead(found) == "Published, recorded and executed (quick)"
    assert exhibits.lead([], derived=True) == "Published and derived"
    stamp = exhibits.stamp(found, "a command")
    assert stamp.tiers == ("published", "recorded", "executed")
    assert stamp.seeds == (0, 1)
    assert stamp.state == "fresh"
    figure, (top, bottom) = plot.panels(2)
    plot.accuracy_curves(top, curves, anchors=exhibits.clean_anchors())
    plot.gap_panel(bottom, exhibits.gap_curves(found), anchors=exhibits.gap_anchors())
    shown = plot.show(
        figure, alt="two panels", caption=f"{exhibits.lead(found)}: x", stamp=stamp, data=[]
    )
    assert "svg" in shown.html


def test_printed_values_come_from_the_claims():
    assert exhibits.printed("clean/sgd") == 99.14
    assert [a.value for a in exhibits.gap_anchors()] == [2.6, 15.4]


# -- tables -------------------------------------------------------------------------------------


def test_values_stand_beside_the_published_ones(folders):
    record("tursynbek2020/pgd", seeds=(0, 1))
    found = exhibits.gather("tursynbek2020/pgd")
    said = exhibits.measured("tursynbek2020/pgd")
    rows = exhibits.beside_published(said, exhibits.pick(found))
    assert len(rows) == 18
    assert list(rows[0]) == ["what", "unit", "published", "recorded\nliteral", "recorded\nmatched"]
    assert rows[0]["what"].replace("\N{NO-BREAK SPACE}", " ") == "ε = 0.3, 40 steps: SGD"
    assert rows[0]["published"].mean == 1.0
    assert rows[0]["recorded\nliteral"].n == 2
    columns = exhibits.pgd_variants(found)
    assert "recorded\nliteral\nstep size 2/255,\nlast iterate" in columns
    beside = exhibits.beside_one_another(said[:2], columns)
    assert all(isinstance(v, plot.Value) for k, v in beside[0].items() if k != "what")


def test_diagnostics_show_the_worst_seed_and_compare_with_pgd(folders):
    record("tursynbek2020/fgsm", seeds=(0, 1))
    record("tursynbek2020/pgd", seeds=(0,))
    fgsm, pgd = (exhibits.gather(f"tursynbek2020/{kind}") for kind in ("fgsm", "pgd"))
    row = exhibits.diagnostics(fgsm, pgd)[0]
    assert row["FGSM beats PGD\nby, points"].mean == 0
    assert row["at ε"] == "never"
    alone = exhibits.diagnostics(fgsm, [])[0]
    assert alone["FGSM beats PGD\nby, points"] is None


def test_budgets_agree_with_the_published_accounting():
    rows = exhibits.budgets(seed=0)
    first = rows[0]
    assert (first["run"], first["updates"], first["δ"]) == (
        "literal",
        "11,750",
        "1e\N{NON-BREAKING HYPHEN}5",
    )
    assert first["RDP"].mean == pytest.approx(1.805, abs=0.005)
    assert 1.653 <= first["PRV"].mean <= 1.673
    assert first["RDP"].tier == "derived"
    assert rows[-1]["RDP"].source == "quick"
    with pytest.raises(ValueError, match="has no budget"):
        tables._budget("x", registry.quick_pair(seed=0)["sgd"], 1e-5)


def test_verdicts_are_the_ledgers(folders):
    shown = exhibits.verdicts("tursynbek2020/table1", command="privrob claims")
    assert "not attempted" in shown.text
    assert "reproduced" in shown.text  # the arithmetic needs no record
    assert "steps: arithmetic" in shown.text


def test_a_verdict_against_a_corrected_number_shows_it(folders):
    shown = exhibits.verdicts("tursynbek2020/table2", rows=["gaussian-noise/"], command="x")
    slip, *others = shown.text.split("claim gaussian")[1:]
    assert re.search(r"88\.05; judged\s+against derived 94\.54", slip)
    assert not any("judged" in other for other in others)


def test_verdicts_of_some_rows_alone(folders):
    exhibit, asked = "tursynbek2020/section3.6", {"command": "privrob claims"}
    shown = exhibits.verdicts(exhibit, rows=["accuracy/", "uninf"], **asked)
    names = re.findall("^claim (.*?);", shown.text, re.MULTILINE)
    private = "accuracy: DP\N{NON-BREAKING HYPHEN}SGD"
    gaps = ["accuracy: gap", "accuracy: gap as printed"]
    assert names == ["uninformative", "accuracy: SGD", private, *gaps]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0001216, "0.000122"),
        (-0.00523, "−0.00523"),
        (0.268, "0.268"),
        (1.9653, "1.965"),
        (0, "0.000"),
    ],
)
def test_a_small_distance_keeps_its_figures(value, shown):
    digits = values.digits_of("pixels", value)
    assert plot.Value(value, tier="recorded", digits=digits).text() == f"recorded {shown}"
    assert values.digits_of("percent", value) == 2
    assert values.digits_of("pixels", value, -2.0, 2.0) == 3  # of its interval, where that is wide


def test_settings_of_both_models_stand_side_by_side():
    line = next(
        line
        for line in exhibits.settings_of_both("tursynbek2020/cifar-base").text.splitlines()
        if line.startswith("setting augment;")
    )
    expected = "matched, SGD 4; quick, SGD 0; literal, DP-SGD 4; matched, DP-SGD 0"
    assert expected in line
    halves = exhibits.settings_of_both("tursynbek2020/cifar-halves", note="half 0").text
    assert "candidate, DP-SGD 0.008" in halves


def test_settings_say_what_quick_replaces():
    shown = exhibits.settings("tursynbek2020/fgsm")
    assert "train.data.name" in shown.text
    assert "glyphs" in shown.text
    assert "train.data.type" not in shown.text


def test_the_settings_of_an_attack_are_those_of_its_spec():
    lines = exhibits.attack_settings("tursynbek2020/masking").text.splitlines()
    asked = registry.experiment("tursynbek2020/masking").variants("paper")[0].spec
    full = {line.split("; ")[0]: line.split("; ")[1] for line in lines}
    assert full["setting queries"] == f"paper {asked.queries}"
    assert full["setting eps"] == "paper " + ", ".join(f"{e:g}" for e in asked.eps)
    assert full["setting test images"] == f"paper {asked.data.test}"
    # Whatever is no model and no data is there.
    assert len(full) == len(fields(asked)) - 2
    assert exhibits.attack_settings("tursynbek2020/distance").text.startswith(
        "setting test images; paper all"
    )


# -- checks -------------------------------------------------------------------------------------


EPS = (0.0, 0.04, 0.1)


@pytest.fixture
def zoo(folders, monkeypatch):
    """Untrained networks as the paper's models of seed 0, and a short grid of eps."""
    monkeypatch.setattr(questions, "FGSM_EPS", EPS)
    store = run.open_store("paper")
    for variant in registry.experiment("tursynbek2020/base").variants("paper", seed=0):
        network = models.build(variant.train.model.name, seed=3, **variant.train.model.settings)
        done = manifest(variant.spec, "train")
        store.save("train", done, {"history": np.zeros(1)}, dict(network.state_dict()))
    return folders


def keep_as_record(row, correct):
    """What a live attack found, as if it were the record, with these answers."""
    experiment = registry.experiment("tursynbek2020/fgsm")
    mine = (row.variant.model, row.variant.reading)
    paper = experiment.variants("paper", seed=0)
    spec = next(v.spec for v in paper if (v.model, v.reading) == mine)
    arrays = row.result.arrays | {"correct": correct}
    run.open_store("paper").save("fgsm", manifest(spec, "fgsm"), arrays)


def test_a_zoo_model_agrees_with_its_record_and_a_wrong_record_is_found(zoo):
    rows = exhibits.live("tursynbek2020/fgsm", device="cpu")
    assert [r.variant.reading for r in rows[::2]] == list(registry.READINGS)
    good, bad = rows[:2]
    keep_as_record(good, good.result.arrays["correct"])
    margins = check.margins_under_attack(bad, np.arange(100))
    near = np.abs(margins[2]).argmin()
    assert abs(margins[2, near]) < recompute.ATTACK_SLACK
    wrong = bad.result.arrays["correct"].copy()
    wrong[2, near] ^= True
    keep_as_record(bad, wrong)
    first, second = exhibits.agreements("tursynbek2020/fgsm", device="cpu")
    assert (first.images, first.differ, first.holds) == (1000, 0, True)
    assert (second.differ, second.beyond, second.holds) == (1, [], True)
    shown = exhibits.agreement_table([first, second], exhibits.gather("tursynbek2020/fgsm"))
    assert "answers compared 3000" in shown.text


def test_an_answer_far_from_the_boundary_may_not_differ(zoo, monkeypatch):
    row = exhibits.live("tursynbek2020/fgsm", device="cpu")[0]
    wrong = row.result.arrays["correct"].copy()
    wrong[1, 7] ^= True
    keep_as_record(row, wrong)
    monkeypatch.setattr(check, "ATTACK_SLACK", 0.0)  # the networks are untrained: margins are small
    (found,) = exhibits.agreements("tursynbek2020/fgsm", device="cpu")
    assert found.beyond == [(7, 0.04)]
    assert not found.holds


def test_margins_are_positive_where_the_answer_is_right():
    g = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 5.0]])
    assert recompute.margin(g, torch.tensor([0, 1])).tolist() == [1.0, -2.0]


def test_nothing_to_compare_is_said(folders):
    assert exhibits.agreements("tursynbek2020/fgsm") == []
    assert "nothing was compared" in exhibits.agreement_table([], []).text


# -- notes --------------------------------------------------------------------------------------


def test_the_headline_is_the_one_that_the_book_reads():
    assert notes.HEADLINE == book.HEADLINE
    bundle = exhibits.headline(sgd_clean=97.12345)._repr_mimebundle_()
    assert json.loads(bundle[book.HEADLINE]) == {"sgd_clean": 97.123}
    assert bundle["text/plain"] == "headline: sgd_clean=97.123"


# -- the notebooks themselves -------------------------------------------------------------------

NOTEBOOKS = sorted((paths.repository() / "notebooks").glob("*.md"))
SECTIONS = [
    "By hand",
    "At scale",
    "What differs from the paper",
    "Checks",
    "Exercises",
    "References",
]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_has_the_skeleton_and_short_cells(path):
    notebook = jupytext.read(path)
    prose = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    heads = re.findall(r"^## (.+)$", "\n".join(prose), re.MULTILINE)
    assert [h for h in heads if h in SECTIONS] == SECTIONS
    exhibit = r"Figures? \d+( and \d+)?|Table \d+|Equation \d+|section \d\.\d|not in the paper"
    exhibit += "|(beyond the )?stored outputs"  # of song2019's authors, whose tables were not read
    assert re.match(rf"# .+ \(({exhibit})\)\n", prose[0])
    code = [c.source for c in notebook.cells if c.cell_type == "code"]
    assert all(len(c.splitlines()) <= 25 for c in code)
    assert book.declared(notebook).keys() >= {"profile", "seed", "device"}
    assert "\n".join(prose).count("{exercise-start}") == 3
    assert "\n".join(prose).count("{solution-start}") == 3


def test_unclipped_values_are_those_of_the_unclipped_answers():
    eps = np.array([0.0, 0.12])
    clipped = {"sgd": [[1, 1, 1, 1], [1, 1, 1, 0]], "dpsgd": [[1, 1, 1, 1], [1, 1, 0, 0]]}
    free = {"sgd": [[1, 1, 1, 1], [1, 1, 0, 0]], "dpsgd": [[1, 1, 1, 1], [0, 0, 0, 0]]}
    pair = {
        m: {
            "eps": eps,
            "correct": np.array(clipped[m], bool),
            "correct_unclipped": np.array(free[m], bool),
        }
        for m in clipped
    }
    [claim] = [c for c in exhibits.measured("tursynbek2020/fgsm") if c.measure == "fgsm_gap"]
    assert tables._without_clip(claim, pair) == 50.0
    assert measures.fgsm_gap(pair, eps=0.12) == 25.0
    pair["dpsgd"]["correct_unclipped"][1] = [1, 1, 1, 1]
    assert tables._without_clip(claim, pair) == -50.0
    assert tables._without_clip(claim, measures.resampled(pair)).shape == (measures.RESAMPLES,)
