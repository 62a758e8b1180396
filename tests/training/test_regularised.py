"""Adversarial regularisation: the gain, an adversary that learns, updates and going on."""

from math import exp, log

import pytest
import torch
from torch import nn

from privrob.evaluate import log_odds
from privrob.membership.threshold import cross_fitted
from privrob.training import loop, losses
from privrob.training.regularised import Adversary, MinMaxStep, gain, told

CPU = torch.device("cpu")


def network(seed=4):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 12), nn.ReLU(), nn.Linear(12, 3))


def batch(seed, pairs=6):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(2 * pairs, 1, 3, 3, generator=generator)
    return x, torch.randint(3, (2 * pairs,), generator=generator)


def adversary(updates=100, *, classes=3, lr=0.01, hidden=(8,), seed=1):
    return Adversary(classes=classes, hidden=hidden, lr=lr, updates=updates, seed=seed, device=CPU)


def plain(model, updates=12):
    return loop.ScheduledStep(
        model,
        optimizer=loop.adam(model, weight_decay=0.01, decay_biases=False),
        lr=lambda progress: 0.02 * (1 - progress / 2),
        loss=lambda model, x, y, progress: losses.natural(model, x, y),
        updates=updates,
        clip_grad_norm=1.0,
        zero_nan=False,
    )


def minmax(model, *, weight, inner_steps=2, updates=12, **about):
    h = adversary(updates * inner_steps, **about)
    return MinMaxStep(plain(model, updates), adversary=h, weight=weight, inner_steps=inner_steps)


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# -- the gain -----------------------------------------------------------------------------------


def slow_gain(members, reference):
    """Point by point, from probabilities."""
    total = 0.0
    for side, of_member in ((members, True), (reference, False)):
        logs = []
        for s in side:
            h = 1 / (1 + exp(-s))
            logs.append(log(h if of_member else 1 - h))
        total += sum(logs) / len(logs) / 2
    return total


def test_the_gain_is_the_slow_one():
    generator = torch.Generator().manual_seed(0)
    for n, m in ((5, 5), (7, 3), (1, 9)):
        members = 3 * torch.randn(n, generator=generator, dtype=torch.float64)
        reference = 3 * torch.randn(m, generator=generator, dtype=torch.float64)
        expected = slow_gain(members.tolist(), reference.tolist())
        assert float(gain(members, reference)) == pytest.approx(expected, abs=1e-12)


def test_guessing_gains_minus_log_2_and_knowing_gains_0():
    assert float(gain(torch.zeros(4), torch.zeros(2))) == pytest.approx(-log(2))
    sure = float(gain(torch.full((4,), 200.0), torch.full((4,), -200.0)))
    assert sure == 0.0
    assert torch.isfinite(gain(torch.full((4,), -1e4), torch.full((4,), 1e4)))  # sure and wrong


def test_h_is_told_the_answer_and_the_label():
    g = torch.tensor([[0.0, log(3.0)], [5.0, 5.0]])
    seen = told(g, torch.tensor([1, 0]))
    torch.testing.assert_close(seen, torch.tensor([[0.25, 0.75, 0, 1], [0.5, 0.5, 1, 0]]))


# -- the adversary ------------------------------------------------------------------------------


def answers(seed, *, sharp):
    """Logits and labels of 64 points; the label's logit is higher by `sharp`."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(3, (64,), generator=generator)
    g = torch.randn(64, 3, generator=generator)
    return g + sharp * nn.functional.one_hot(y, 3), y


def learned(h, sharp):
    """The share of new points that h tells rightly after it learned."""
    for k in range(100):
        h.learn(answers(2 * k, sharp=sharp), answers(2 * k + 1, sharp=0.0))
    with torch.no_grad():
        inside, outside = h.scores(*answers(1001, sharp=sharp)), h.scores(*answers(1002, sharp=0.0))
    return float(((inside > 0).float().mean() + (outside <= 0).float().mean()) / 2)


def test_an_adversary_learns_a_planted_leak_and_nothing_where_there_is_none():
    assert learned(adversary(), 4.0) > 0.85
    assert abs(learned(adversary(), 0.0) - 0.5) < 0.15


def test_one_update_of_the_adversary_is_adam_on_the_slow_gain():
    h, slow = adversary(), adversary()
    members, reference = answers(0, sharp=2.0), answers(1, sharp=0.0)
    optimizer = torch.optim.Adam(slow.network.parameters(), lr=0.01)
    seen = [slow.network(told(*side)).squeeze(1) for side in (members, reference)]
    right = [torch.sigmoid(seen[0]).log().mean(), (1 - torch.sigmoid(seen[1])).log().mean()]
    (-(right[0] + right[1]) / 2).backward()
    optimizer.step()
    h.learn(members, reference)
    torch.testing.assert_close(flat(h.network), flat(slow.network))


def test_the_network_is_drawn_from_its_seed_alone():
    state = torch.get_rng_state()
    first, again, other = (adversary(seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(flat(first.network), flat(again.network))
    assert not torch.equal(flat(first.network), flat(other.network))


# -- the step -----------------------------------------------------------------------------------


def test_weight_0_is_natural_training_bit_for_bit():
    alone, beside = network(), network()
    step, both = plain(alone), minmax(beside, weight=0.0)
    for k in range(12):
        x, y = batch(k)
        step(x[:6], y[:6])
        both(x, y)
    assert torch.equal(flat(alone), flat(beside))


def test_one_update_minimises_loss_and_weighted_log_answer_on_members_alone():
    model, slow = network(), network()
    x, y = batch(0)
    step = minmax(model, weight=0.7, inner_steps=3)
    step(x, y)
    h = adversary(36)  # learns the same, then answers about members
    with torch.no_grad():
        g = slow(x)
    for _ in range(3):
        h.learn((g[:6], y[:6]), (g[6:], y[6:]))
    p = torch.softmax(slow(x[:6]), 1)
    seen = torch.cat([p, nn.functional.one_hot(y[:6], 3)], 1)
    answered = torch.sigmoid(h.network(seen)).log().mean()
    expected = -p[torch.arange(6), y[:6]].log().mean() + 0.7 * answered
    expected.backward()
    optimizer = torch.optim.Adam(
        [
            {"params": [p for p in slow.parameters() if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in slow.parameters() if p.ndim == 1]},
        ],
        lr=0.02,
    )
    nn.utils.clip_grad_norm_(slow.parameters(), 1.0)
    optimizer.step()
    torch.testing.assert_close(flat(model), flat(slow))
    assert torch.equal(flat(step.adversary.network), flat(h.network))  # the penalty moved it not


def test_reference_points_reach_the_classifier_through_the_adversary_alone():
    """With an adversary that cannot move, other reference points change nothing."""
    results = []
    for other in (7, 8):
        model = network()
        step = minmax(model, weight=1.0, lr=0.0)
        x, y = batch(0)
        x2, y2 = batch(other)
        step(torch.cat([x[:6], x2[6:]]), torch.cat([y[:6], y2[6:]]))
        results.append(flat(model))
    assert torch.equal(*results)


def test_a_run_that_stopped_goes_on_with_its_bits():
    whole, model = network(), network()
    first, one = minmax(whole, weight=1.0), minmax(model, weight=1.0)
    for k in range(12):
        first(*batch(k))
    for k in range(5):
        one(*batch(k))
    kept = one.state()
    weights = {n: v.clone() for n, v in model.state_dict().items()}
    one(*batch(9))  # copies are left as they are
    again = network(seed=5)
    again.load_state_dict(weights)
    other = minmax(again, weight=1.0, seed=2)
    other.load(kept)
    for k in range(5, 12):
        other(*batch(k))
    assert torch.equal(flat(whole), flat(again))
    assert torch.equal(flat(first.adversary.network), flat(other.adversary.network))
    assert all(torch.equal(v, other.state()[n]) for n, v in first.state().items())


def test_the_model_keeps_its_mode_and_no_gradient_is_left_in_the_adversary():
    model = nn.Sequential(network(), nn.BatchNorm1d(3))
    model.train()
    step = minmax(model, weight=1.0, inner_steps=1)
    x, y = batch(0)
    step(x, y)
    assert model.training
    assert int(model[1].num_batches_tracked) == 2  # members twice: the loss and the penalty
    assert all(p.requires_grad for p in step.adversary.network.parameters())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: minmax(network(), weight=-1.0), "weight must be 0 or more, got -1"),
        (
            lambda: MinMaxStep(plain(network()), adversary=adversary(), weight=1.0, inner_steps=0),
            "inner_steps must be at least 1, got 0",
        ),
        (lambda: adversary(hidden=(8, 0)), r"a unit, got widths \(6, 8, 0, 1\)"),
        (
            lambda: minmax(network(), weight=1.0)(torch.rand(5, 1, 3, 3), torch.zeros(5).long()),
            "as many reference points as members, got 5",
        ),
    ],
)
def test_bad_settings_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_loss_that_is_not_finite_is_told():
    step = minmax(network(), weight=1.0)
    x, y = batch(0)
    step(x * float("nan"), y)
    with pytest.raises(ValueError, match="NaN or infinite at 1 of 1 updates"):
        step.require_finite()


# -- what it is for -----------------------------------------------------------------------------


def points(count, seed):
    """One pixel says the class of a point, but a quarter of the labels is wrong."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 1, 3, 3, generator=generator)
    y = (x.flatten(1)[:, 0] > 0).long()
    wrong = torch.rand(count, generator=generator) < 0.25
    return x, torch.where(wrong, 1 - y, y)


def overfitted(weight, seed):
    """(held-out inference accuracy, accuracy on others) after learning 60 points by heart."""
    torch.manual_seed(seed)
    layers = nn.Flatten(), nn.Linear(9, 64), nn.ReLU(), nn.Linear(64, 2)
    model = nn.Sequential(*layers)
    step = minmax(model, weight=weight, updates=400, inner_steps=3, classes=2, hidden=(32,))
    x, y = (torch.cat(both) for both in zip(points(60, seed), points(60, 100 + seed), strict=True))
    for _ in range(400):
        step(x, y)
    others, labels = points(500, 200 + seed)
    with torch.no_grad():
        inside, outside = log_odds(model(x[:60]), y[:60]), log_odds(model(others), labels)
    found = cross_fitted(inside.numpy(), outside.numpy(), seed=0)
    return found.accuracy, float((outside > 0).float().mean())


def test_a_model_that_learns_by_heart_leaks_less_and_generalises_as_well():
    with_it, without = ([overfitted(w, seed) for seed in range(3)] for w in (0.5, 0.0))
    for (leak, right), (leak_before, right_before) in zip(with_it, without, strict=True):
        assert leak < leak_before - 0.02
        assert right > right_before - 0.03
