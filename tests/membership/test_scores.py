"""Scores against plain formulas in float64, and the walks behind the adversarial ones."""

from math import inf, log

import numpy as np
import pytest
import torch

from privrob import attacks, evaluate
from privrob.membership import scores, targeted
from privrob.membership.threshold import permutation_null, threshold_attack
from privrob.membership.threshold.chance import deal


@pytest.fixture
def answers():
    g = torch.randn(50, 5, dtype=torch.float64) * 3
    return g, torch.randint(5, (50,))


def by_hand(g, y):
    """One row of logits: each score by its definition, in numpy."""
    p = np.exp(g) / np.exp(g).sum()
    others = [j for j in range(len(p)) if j != y]
    entropy = -(p * np.log(p)).sum()
    modified = -(1 - p[y]) * log(p[y]) - sum(p[j] * log(1 - p[j]) for j in others)
    return {
        "confidence": p[y],
        "log_odds": log(p[y] / (1 - p[y])),
        "entropy": -entropy,
        "modified_entropy": -modified,
        "correctness": float(p.argmax() == y),
    }


def test_every_score_is_its_formula(answers):
    g, y = answers
    rows = [by_hand(row, int(label)) for row, label in zip(g.numpy(), y, strict=True)]
    assert set(rows[0]) == set(scores.SCORES)
    for name, score in scores.SCORES.items():
        found = score(g, y)
        expected = torch.tensor([row[name] for row in rows], dtype=torch.float64)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_a_sure_answer_in_float32_gives_finite_scores():
    g = torch.tensor([[200.0, 0.0, -50.0], [100.0, 0.0, 0.0], [30.0, 0.0, 0.0]])
    right, wrong = torch.tensor([0, 0, 0]), torch.tensor([2, 1, 1])
    for name, score in scores.SCORES.items():
        assert score(g, right).isfinite().all(), name
        assert score(g, wrong).isfinite().all(), name
    assert (scores.confidence(g, right) == 1).all()
    assert (scores.log_odds(g, right).diff() < 0).all()  # still in order
    # Sure and wrong: -log p_y - p_j log(1 - p_j) is the sum of the two gaps, and small terms.
    expected = torch.tensor([-(250.0 + 200), -(100 + 100 - log(2)), -(30 + 30 - log(2))])
    torch.testing.assert_close(scores.modified_entropy(g, wrong), expected)


def test_confidence_and_log_odds_attack_alike_where_nothing_saturates(answers):
    g, y = answers
    sides = [
        (score(g[:30], y[:30]).numpy(), score(g[30:], y[30:]).numpy())
        for score in (scores.confidence, scores.log_odds)
    ]
    by_confidence, by_log_odds = (threshold_attack(*side) for side in sides)
    assert by_confidence.accuracy == by_log_odds.accuracy


@pytest.mark.parametrize("name", sorted(scores.SCORES))
def test_bad_logits_and_labels_are_named(name, answers):
    g, y = answers
    score = scores.SCORES[name]
    with pytest.raises(ValueError, match="labels must lie in 0..4, got 5"):
        score(g, y.clone().fill_(5))
    with pytest.raises(ValueError, match=r"labels must have shape \(50,\), got \(3,\)"):
        score(g, y[:3])
    g[7, 2] = torch.nan
    with pytest.raises(ValueError, match="NaN for 1 of 50 images"):
        score(g, y)


# -- the worst case -----------------------------------------------------------------------------


def test_worst_case_scores_are_the_softmax_of_the_bounds():
    y = torch.tensor([0, 2, 1])
    bounds = torch.randn(3, 4, dtype=torch.float64) * 4
    bounds[torch.arange(3), y] = 0
    p = bounds.softmax(1)[torch.arange(3), y]
    torch.testing.assert_close(scores.worst_case_confidence(bounds, y), p)
    torch.testing.assert_close(scores.worst_case_log_odds(bounds, y), (p / (1 - p)).log())


def test_without_a_ball_the_worst_case_is_the_benign_score(answers):
    g, y = answers
    bounds = g - g.gather(1, y[:, None])
    torch.testing.assert_close(scores.worst_case_log_odds(bounds, y), scores.log_odds(g, y))
    torch.testing.assert_close(scores.worst_case_confidence(bounds, y), scores.confidence(g, y))


def test_a_bound_that_proves_nothing_gives_the_lowest_score():
    bounds, y = torch.tensor([[0.0, inf, -3.0], [0.0, 800.0, -inf]]), torch.tensor([0, 0])
    assert scores.worst_case_log_odds(bounds, y).tolist() == [-inf, -800]
    assert scores.worst_case_confidence(bounds, y).tolist() == [0, 0]


def test_wrong_worst_case_logits_are_named():
    y = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="must be 0 at the true label, got 2.5"):
        scores.worst_case_log_odds(torch.tensor([[0.0, 1.0], [1.0, 2.5]]), y)
    with pytest.raises(ValueError, match="must not hold NaN, got it for 1 images"):
        scores.worst_case_confidence(torch.tensor([[0.0, torch.nan], [1.0, 0.0]]), y)
    with pytest.raises(ValueError, match="labels must lie in 0..1, got 2"):
        scores.worst_case_log_odds(torch.zeros(2, 2), y + 1)


# -- adversarial inputs -------------------------------------------------------------------------


def test_adversarial_logits_are_those_of_the_official_walk(tiny):
    found = scores.adversarial_logits(tiny.model, tiny.x, tiny.y, eps=0.1, steps=20, batch_size=24)
    x_adv = attacks.pgd(
        tiny.model, tiny.x, tiny.y, eps=0.1, step_size=0.0125, steps=20, random_start=False
    )
    expected = evaluate.logits(tiny.model, x_adv)
    torch.testing.assert_close(found, expected)
    benign = evaluate.logits(tiny.model, tiny.x)
    assert (scores.confidence(found, tiny.y) < scores.confidence(benign, tiny.y)).all()


def test_no_radius_gives_the_benign_logits(tiny):
    found = scores.adversarial_logits(tiny.model, tiny.x, tiny.y, eps=0, steps=3, batch_size=24)
    torch.testing.assert_close(found, evaluate.logits(tiny.model, tiny.x))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"eps": -0.1, "steps": 3}, "eps must be finite and at least 0, got -0.1"),
        ({"eps": float("nan"), "steps": 3}, "eps must be finite and at least 0, got nan"),
        ({"eps": 0.1, "steps": 0}, "steps must be an integer of at least 1, got 0"),
    ],
)
def test_a_wrong_ball_is_named(tiny, settings, words):
    for ask in (scores.adversarial_logits, scores.targeted_logits):
        with pytest.raises(ValueError, match=words):
            ask(tiny.model, tiny.x, tiny.y, **settings, batch_size=64)


@pytest.mark.parametrize("eps", [0, 0.1])
def test_a_label_outside_the_classes_is_named(tiny, eps):
    for ask in (scores.adversarial_logits, scores.targeted_logits):
        with pytest.raises(ValueError, match="labels must lie in 0..3, got 4"):
            ask(tiny.model, tiny.x, tiny.y + 1, eps=eps, steps=2, batch_size=64)


def test_targeted_logits_belong_to_each_wrong_label_in_order(tiny):
    found = scores.targeted_logits(tiny.model, tiny.x, tiny.y, eps=0.1, steps=5, batch_size=40)
    assert found.shape == (64, 3, 4)
    for i in range(0, 64, 9):
        wrong = [k for k in range(4) if k != tiny.y[i]]
        for rank, target in enumerate(wrong):
            x_adv = attacks.pgd(
                tiny.model, tiny.x[i : i + 1], torch.tensor([target]), eps=0.1, step_size=0.05,
                steps=5, random_start=False, targeted=True,
            )  # fmt: skip
            expected = evaluate.logits(tiny.model, x_adv)[0]
            torch.testing.assert_close(found[i, rank], expected, rtol=1e-4, atol=1e-4)


def test_targeted_scores_are_the_true_labels_at_each_example():
    g, y = torch.randn(6, 3, 4), torch.randint(4, (6,))
    found = scores.targeted_scores(g, y, scores.log_odds)
    for rank in range(3):
        torch.testing.assert_close(found[:, rank], scores.log_odds(g[:, rank], y))
    with pytest.raises(ValueError, match=r"must be \(N, K - 1, K\), got shape \(6, 4\)"):
        scores.targeted_scores(g[:, 0], y, scores.log_odds)


# -- several scores a point ---------------------------------------------------------------------


def test_the_null_of_one_column_is_that_of_its_threshold_attack():
    rng = np.random.default_rng(0)
    members, nonmembers = rng.integers(0, 9, (40, 1)), rng.integers(0, 9, (25, 1))  # with ties
    dealt = {"permutations": 4000, "seed": 3}  # the mean has an error of 0.0007
    found = targeted.best_column_null(members, nonmembers, **dealt)
    expected = permutation_null(members[:, 0], nonmembers[:, 0], **dealt)
    assert found.mean == pytest.approx(expected.mean, abs=0.004)
    assert found.high == pytest.approx(expected.high, abs=0.012)


def test_the_null_of_several_columns_deals_them_together():
    rng = np.random.default_rng(1)
    members, nonmembers = rng.integers(0, 5, (12, 3)), rng.integers(0, 5, (9, 3))
    found = targeted.best_column_null(members, nonmembers, permutations=20, seed=5)
    pooled, best = np.concatenate([members, nonmembers]), []
    for inside in deal(20, 12, 9, np.random.default_rng(5)):
        sides = pooled[inside], pooled[~inside]
        best.append(targeted.best_column(*sides, seed=0).official.accuracy)
    assert found.mean == pytest.approx(np.mean(best), abs=1e-12)
    assert found.high == pytest.approx(np.sort(best)[-1 - 20 // 20], abs=1e-12)


def test_the_best_column_is_the_one_that_tells():
    rng = np.random.default_rng(0)
    members, nonmembers = rng.normal(0, 1, (400, 3)), rng.normal(0, 1, (200, 3))
    members[:, 1] += 2
    found = targeted.best_column(members, nonmembers, seed=1)
    assert found.column == 1
    assert found.official == threshold_attack(members[:, 1], nonmembers[:, 1])
    assert found.held_out == pytest.approx(0.84, abs=0.04)  # the normal's value at a shift of 2
    nothing = rng.normal(0, 1, (400, 9)), rng.normal(0, 1, (200, 9))
    assert targeted.best_column(*nothing, seed=1).held_out == pytest.approx(0.5, abs=0.06)


def classes_of(rng, n, m):
    return {
        "member_labels": rng.permutation(np.arange(n) % 2),
        "nonmember_labels": rng.permutation(np.arange(m) % 2),
    }


def test_class_classifiers_find_what_no_single_column_and_no_common_rule_shows():
    """The sum of two noisy columns tells, and in the other class its negative."""
    rng = np.random.default_rng(2)
    labels = classes_of(rng, 600, 400)
    noise = [rng.normal(0, 3, n) for n in (600, 400)]
    sign = [1 - 2 * labels[name] for name in ("member_labels", "nonmember_labels")]
    members = np.stack([noise[0], sign[0] * 2 - noise[0] + rng.normal(0, 1, 600)], axis=1)
    nonmembers = np.stack([noise[1], rng.normal(0, 1, 400) - noise[1]], axis=1)
    found = targeted.class_classifiers(members, nonmembers, **labels, classes=2, seed=3)
    assert found.accuracy == pytest.approx(0.84, abs=0.04)  # the normal's value at a shift of 2
    assert found.accuracy == pytest.approx(0.5 + 0.5 * (found.tpr - found.fpr))
    assert targeted.best_column(members, nonmembers, seed=3).held_out < 0.65
    again = targeted.class_classifiers(members, nonmembers, **labels, classes=2, seed=3)
    assert (again.tpr, again.fpr) == (found.tpr, found.fpr)


def test_class_classifiers_find_nothing_where_nothing_is():
    """The mean of 20 draws, of which one has a deviation of 0.02."""
    rng = np.random.default_rng(4)
    found = []
    for seed in range(20):
        sides = rng.normal(0, 1, (500, 4)), rng.normal(0, 1, (300, 4))
        labels = classes_of(rng, 500, 300)
        found.append(targeted.class_classifiers(*sides, **labels, classes=2, seed=seed).accuracy)
    assert np.mean(found) == pytest.approx(0.5, abs=0.02)


def test_bad_features_are_named():
    good = np.zeros((4, 2))
    cases = {
        "members must be (points, scores), got shape (4,)": (good[:, 0], good),
        "nonmembers must be (points, scores), got shape (0, 2)": (good, good[:0]),
        "nonmembers must be finite, got 8 scores that are not": (good, good + inf),
        "must have as many scores, got 2 and 1": (good, good[:, :1]),
    }
    for words, sides in cases.items():
        with pytest.raises(ValueError, match="members must") as error:
            targeted.best_column(*sides, seed=0)
        assert words in str(error.value)
    few = {"member_labels": [0, 0, 1, 1], "nonmember_labels": [0, 0, 0, 1], "classes": 2}
    with pytest.raises(ValueError, match="class 1 needs .* got 2 members and 1 non-members"):
        targeted.class_classifiers(good, good, **few, seed=0)
    with pytest.raises(ValueError, match="labels must lie in 0..0, got 1"):
        targeted.class_classifiers(good, good, **(few | {"classes": 1}), seed=0)


# -- temperatures -------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0, 25.0])
def test_a_tempered_answer_is_the_power_of_the_answer(answers, temperature):
    g, _ = answers
    found = scores.tempered(g, temperature=temperature).softmax(1).numpy()
    for row, p in zip(found, g.softmax(1).numpy(), strict=True):
        powers = [q ** (1 / temperature) for q in p]
        np.testing.assert_allclose(row, [q / sum(powers) for q in powers], rtol=1e-10)
    back = scores.untempered(torch.from_numpy(found), temperature=temperature)
    torch.testing.assert_close(back, g.softmax(1))


def order(values):
    return values.argsort().tolist()


def test_a_temperature_moves_the_order_between_margin_and_centred_logit(answers):
    g, y = answers
    own = g.gather(1, y[:, None]).squeeze(1)
    rest = g.scatter(1, y[:, None], -inf).amax(1)
    at = {t: evaluate.log_odds(scores.tempered(g, temperature=t), y) for t in (1e-3, 1.0, 1e6)}
    assert order(at[1e-3]) == order(own - rest)
    assert order(at[1e6]) == order(own - g.mean(1))
    assert order(at[1.0]) not in (order(at[1e-3]), order(at[1e6]))


def test_of_two_classes_a_temperature_divides_the_log_odds(answers):
    g, y = answers[0][:, :2], answers[1] % 2
    warm = evaluate.log_odds(scores.tempered(g, temperature=7.0), y)
    torch.testing.assert_close(warm, evaluate.log_odds(g, y) / 7)


def test_a_temperature_changes_no_label(answers):
    g, y = answers
    warm = scores.tempered(g, temperature=9.0)
    assert torch.equal(scores.correctness(warm, y), scores.correctness(g, y))


@pytest.mark.parametrize("temperature", [0.0, -1.0, inf, float("nan")])
def test_a_temperature_that_is_none_is_named(answers, temperature):
    words = f"temperature must be finite and above 0, got {temperature}"
    with pytest.raises(ValueError, match=words):
        scores.tempered(answers[0], temperature=temperature)
    with pytest.raises(ValueError, match=words):
        scores.untempered(answers[0].softmax(1), temperature=temperature)
