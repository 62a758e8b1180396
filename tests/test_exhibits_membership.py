"""Figures and tables of the pages on losses and on the threshold attack, on made-up scores."""

from types import SimpleNamespace

import numpy as np
import pytest

from privrob import plot
from privrob.exhibits import losses, nulls, thresholds
from privrob.exhibits.leaks import Leak
from privrob.lab import registry
from privrob.membership import threshold

MANIFEST = {"created": "2026-01-02T00:00:00", "device": "cpu"}


def leak(
    *, shift=1.0, members=80, nonmembers=60, tier="executed", source="quick", data="faces"
) -> Leak:
    """A model whose members' log-odds lie `shift` higher; a negative one is a wrong answer."""
    rng, arrays = np.random.default_rng(5), {}
    for part, size, mean in (("train", members, shift), ("test", nonmembers, 0.0)):
        arrays[f"labels_{part}"] = np.arange(size, dtype=np.int16) % 3
        for k, kind in enumerate(("benign", "adversarial")):
            z = (rng.normal(mean + 1, 1, size) - k).astype(np.float32)
            arrays[f"log_odds_{kind}_{part}"] = z
            arrays[f"confidence_{kind}_{part}"] = 1 / (1 + np.exp(-z))
            arrays[f"correct_{kind}_{part}"] = z > 0
    train = SimpleNamespace(scale="paper", data=SimpleNamespace(name=data))
    variant = SimpleNamespace(model="pgd", note="", seed=0, train=train)
    result = SimpleNamespace(arrays=arrays, manifest=MANIFEST, key="abc", state="fresh")
    return Leak(SimpleNamespace(variant=variant, result=result), tier, source)


# -- losses -------------------------------------------------------------------------------------


def test_a_model_says_where_it_is_of_the_figures_images():
    assert losses.described(leak()) == "PGD, quick"
    recorded = {"tier": "recorded", "source": ""}
    assert losses.described(leak(**recorded)) == "PGD, recorded, seed 0"
    cifar = leak(**recorded, data="cifar10")
    assert losses.described(cifar) == "PGD, recorded (CIFAR-10), seed 0"
    cifar.row.variant.train.scale = "reduced"
    assert losses.described(cifar) == "PGD, recorded (CIFAR-10, reduced), seed 0"


def test_the_loss_is_minus_the_log_of_the_confidence():
    z = np.array([-30.0, -1.0, 0.0, 2.0, 40.0])
    assert losses.loss(z[:4]) == pytest.approx(-np.log(1 / (1 + np.exp(-z[:4]))))
    assert losses.loss(z)[4] == pytest.approx(np.exp(-40))  # where the confidence rounds to 1


def test_float32_rounds_a_loss_to_zero_where_the_mark_says():
    beside = 10 ** (losses.ROUNDED + np.array([-0.05, 0.05]))
    assert (np.float32(np.exp(-beside)) == 1).tolist() == [True, False]


def test_zero_losses_are_counted_on_either_side():
    one = leak()
    one.arrays["confidence_benign_train"][:20] = 1
    one.arrays["confidence_benign_test"][:6] = 1
    assert losses.zero_shares(one) == (25, 10)


def test_every_point_is_in_the_figure():
    one = leak()
    one.arrays["log_odds_benign_train"][:2] = (-60, 60)  # beyond both ends
    for panel in (*losses.loss_sides([one]), *losses.decade_sides([one])):
        assert sum(panel.members) == pytest.approx(100)
        assert sum(panel.nonmembers) == pytest.approx(100)


def test_distances_stand_beside_their_nulls():
    apart, same = losses.distances(leak(shift=2.0)), losses.distances(leak(shift=0.0))
    for key in losses.NAMES:
        assert apart[key][0] > apart[key][1].high, key
        assert same[key][0] < apart[key][0], key
        assert apart[key][1].mean < apart[key][1].high
    members, nonmembers = leak(shift=2.0).sides("log_odds_benign")
    limits = np.concatenate([members, nonmembers])
    best = max((members >= t).mean() - (nonmembers >= t).mean() for t in limits)
    assert apart["advantage"][0] == pytest.approx(best)
    assert len(losses.distance_rows([leak(), leak()])) == 2 * len(losses.NAMES)


def test_the_sentence_says_what_exceeds_chance():
    assert "above 95 % of chance by advantage, auc, jensen-shannon" in losses.told(leak(shift=2.0))
    assert "within chance by each" in losses.told(leak(shift=0.0))


def test_the_figures_numbers_are_printed_first():
    rows = losses.figure1_rows([leak()])
    assert [r["members: right, %"].tier for r in rows] == ["published", "published", "executed"]
    assert rows[0]["members:\nzero loss, %"] is None  # the paper says nothing of the robust one
    assert rows[1]["others:\nzero loss, %"].tier == "published"
    stamp = losses.printed_stamp([leak()], "command")
    assert stamp.tiers == ("published", "executed")


@pytest.mark.parametrize(
    ("shown", "published", "words"),
    [
        ([leak()], False, "Executed (quick)"),
        ([leak(tier="recorded", source=""), leak()], True,
         "Published, recorded and executed (quick)"),
    ],
)  # fmt: skip
def test_a_caption_begins_with_the_tiers(shown, published, words):
    assert losses.lead(shown, published=published) == words


# -- thresholds ---------------------------------------------------------------------------------


def test_scores_are_drawn_with_the_official_threshold():
    one = leak()
    figure, drawn, alt = thresholds.show_scores([one])
    assert len(figure.axes) == len(drawn) == 2
    for ax, inference in zip(figure.axes, thresholds.INPUTS, strict=True):
        cut = threshold.threshold_attack(*one.sides(f"log_odds_{inference}")).threshold
        assert any(np.allclose(line.get_xdata(), cut) for line in ax.lines)
        assert f"the threshold {cut:.1f} has" in alt


def test_three_attacks_each_with_chance_and_held_out():
    one = leak()
    rows = thresholds.rival_rows([one])
    assert [r["attack"] for r in rows[:3]] == ["one threshold", "one for each class", "gap"]
    by_attack = {r["attack"]: r for r in rows[:3]}
    right = [side.mean() for side in one.sides("correct_benign")]
    assert by_attack["gap"]["official"].mean == pytest.approx(50 * (1 + right[0] - right[1]))
    high = {name: row["95 % of chance"].mean for name, row in by_attack.items()}
    assert high["gap"] < high["one threshold"] < high["one for each class"]
    official = threshold.threshold_attack(*one.sides("log_odds_benign")).accuracy
    assert by_attack["one threshold"]["official"].mean == pytest.approx(100 * official)


def test_stored_outputs_stand_first_with_the_chance_of_their_numbers_of_points():
    rows = thresholds.inference_rows([leak()])
    assert [r["I_B"].tier for r in rows] == ["published", "published", "executed"]
    assert rows[1]["I_A"].mean == pytest.approx(68.8256)
    derived = rows[1]["I_A, 95 %\nof chance"]
    assert derived.tier == "derived"
    assert derived.mean == pytest.approx(100 * threshold.closed_form_null(1900, 514).high)
    assert rows[1]["I_A,\nheld out"] is None
    assert list(rows[0]) == list(rows[2])


def test_scores_that_are_kept_are_attacked_as_well():
    one = leak()
    for part in ("train", "test"):  # as if the answer were blind on one side, and exact on both
        one.arrays[f"entropy_benign_{part}"] = np.zeros(len(one.arrays[f"labels_{part}"]))
        one.arrays[f"modified_entropy_benign_{part}"] = one.arrays[f"log_odds_benign_{part}"]
    rows = {r["attack"]: r for r in thresholds.rival_rows([one])[:5]}
    assert list(rows)[2:4] == ["entropy", "modified entropy"]
    assert rows["entropy"]["official"].mean == 50
    for column in ("official", "95 % of chance", "held out"):
        assert rows["modified entropy"][column].mean == rows["one threshold"][column].mean
    assert len(thresholds.rival_rows([one])) == 5 + 3  # of adversarial inputs none is kept


def test_the_sentence_tells_chance_from_more():
    assert thresholds.told([leak(shift=3.0)]).count("is above the") == 2
    assert thresholds.told([leak(shift=0.0)]).count("is within the") == 2


def test_roc_lines_are_shares_of_either_side():
    one = leak()
    lines = thresholds.roc_lines([one])
    assert [line.label for line in lines] == ["PGD, I_B", "PGD, I_A"]
    members, nonmembers = one.sides("log_odds_benign")
    for fpr, tpr in list(zip(lines[0].fpr, lines[0].tpr, strict=True))[::15]:
        allowed = [t for t in nonmembers if 100 * (nonmembers >= t).mean() <= fpr + 1e-9]
        limit = min(allowed) if allowed else np.inf
        # The threshold may fall below that non-member, as far as the next one.
        below = max((t for t in nonmembers if t < limit), default=-np.inf)
        assert tpr == pytest.approx(100 * (members > below).mean())
    rows = thresholds.rare_rows([one])
    assert rows[0]["non-members at 1 %"] == 0
    assert rows[0]["TPR at 1 % FPR, %"].mean == pytest.approx(
        100 * (members > nonmembers.max()).mean()
    )


def test_chance_of_rare_false_alarms_is_that_of_dealt_memberships():
    one, nothing = (thresholds.rare_rows([leak(shift=s)])[0] for s in (3.0, 0.0))
    members, nonmembers = leak(shift=3.0).sides("log_odds_benign")
    rng, urn, found = np.random.default_rng(1), np.concatenate([members, nonmembers]), []
    for _ in range(1500):  # of 60 non-members none may be accused: who is above all of them
        dealt = rng.permutation(urn)
        found.append((dealt[:80] > dealt[80:].max()).mean())
    assert one["TPR, 95 %\nof chance"].mean == pytest.approx(100 * np.quantile(found, 0.95), abs=1)
    for name in ("TPR", "area"):
        row = next(k for k in one if k.startswith(name) and "chance" not in k)
        high = f"{name}, 95 %\nof chance"
        assert one[row].mean > one[high].mean
        assert 50 <= nothing[high].mean < 65 or name == "TPR"
    assert nothing["area under ROC, %"].mean < nothing["area, 95 %\nof chance"].mean


# -- nulls --------------------------------------------------------------------------------------


def test_dealt_accuracies_are_the_permutation_null():
    members, nonmembers = leak().sides("log_odds_benign")
    dealt = nulls.chance_accuracies(members, nonmembers, permutations=1500, seed=1)
    quick = threshold.permutation_null(members, nonmembers, permutations=1500, seed=0)
    assert dealt.mean() == pytest.approx(quick.mean, abs=0.003)
    assert np.quantile(dealt, 0.95) == pytest.approx(quick.high, abs=0.008)


def test_the_density_is_that_of_the_closed_form():
    grid = np.linspace(0.5, 1, 20001)
    density = nulls.chance_density(grid, 600, 240)
    closed = threshold.closed_form_null(600, 240)
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-6)
    assert np.trapezoid(density * grid, grid) == pytest.approx(closed.mean, abs=1e-6)
    below = grid <= closed.high
    assert np.trapezoid(density[below], grid[below]) == pytest.approx(0.95, abs=1e-3)


def test_the_null_is_drawn_with_what_was_found():
    one = leak(shift=2.0)
    panel = nulls.chance(one, "benign")
    figure, alt, rows = nulls.show_chance([panel])
    official = 100 * threshold.threshold_attack(*one.sides("log_odds_benign")).accuracy
    assert any(r["what"] == "official" and r["accuracy"] == official for r in rows)
    assert sum(r["what"] == "by chance" for r in rows) == len(panel.accuracies)
    assert f"official {official:.1f}" in alt
    # Nothing that was found lies outside the panel.
    assert figure.axes[0].get_xlim()[1] > official


def test_nothing_is_told_from_nothing():
    # Members far away: only non-members are split, so it must not matter.
    found = nulls.nothing(leak(shift=50.0), "benign", splits=60, seed=0)
    assert found.points == 30
    closed = threshold.closed_form_null(30, 30)
    assert found.official.mean() == pytest.approx(100 * closed.mean, abs=2)
    assert found.held_out.mean() == pytest.approx(50, abs=3)
    assert found.by_class.mean() > found.official.mean() + 2
    rows = nulls.nothing_rows(leak(), found)
    assert all(r["accuracy, %"].low <= r["accuracy, %"].mean <= r["accuracy, %"].high for r in rows)
    assert f"{found.official.mean() - 50:.1f} points on average" in nulls.nothing_told(found)


def test_closed_forms_stand_beside_deals():
    row = nulls.closed_form_rows([leak()])[0]
    assert row["points"] == "80 and 60"
    expected = 100 * threshold.closed_form_null(80, 60).high
    assert row["closed form:\n95 %"].mean == pytest.approx(expected)
    assert row["dealt anew:\n95 %"].mean == pytest.approx(expected, abs=1.5)


def test_two_of_the_seven_can_be_asked_for_alone():
    seven = registry.experiment("song2019/yale-membership")
    for profile in ("quick", "paper"):
        two = seven.variants(profile, seed=0, models=["pgd", "natural"])
        assert [v.model for v in two] == ["natural", "pgd"]
        assert set(two) < set(seven.variants(profile, seed=0))
    with pytest.raises(ValueError, match="no 'ibp'; there are diff"):
        seven.variants("quick", models=["ibp"])


def test_panels_are_shown_with_their_data():
    panels = losses.loss_sides([leak()])
    rows = plot.sides_rows(panels, "loss")
    assert sum(r["members_percent"] for r in rows) == pytest.approx(100)
    figure = losses.show_losses(panels, x="loss", zero=False)
    stamp = plot.Stamp(("executed",), "quick", "cpu", (0,), "", (), "fresh", "command")
    shown = plot.show(
        figure,
        alt=losses.losses_alt([leak()]),
        caption="Executed (quick): x",
        stamp=stamp,
        data=rows,
    )
    assert "non-members" in shown.html
