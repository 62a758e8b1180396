"""Epsilons against another library's, closed forms, and what is refused."""

import warnings
from math import exp, inf, log, sqrt

import pytest
from scipy import optimize, stats

from privrob import privacy

MNIST, CIFAR = 256 / 60000, 200 / 50000

# From dp-accounting 0.6.0 (RdpAccountant; PLDAccountant, which prv-accountant 0.2.0 confirms):
# noise multiplier, sample rate, updates, delta, epsilon by RDP, epsilon by PLD.
DP_ACCOUNTING = [
    (1.3, MNIST, 11750, 1e-5, 1.805, 1.653),
    (1.3, MNIST, 11750, 1e-6, 2.027, 1.881),
    (1.3, MNIST, 11750, 1.667e-5, 1.752, 1.599),
    (1.3, MNIST, 11700, 1e-5, 1.801, 1.649),
    (0.7, MNIST, 11750, 1e-5, 6.649, 5.958),
    (0.7, MNIST, 11750, 1e-6, 7.483, 6.773),
    (1.0, MNIST, 11750, 1e-5, 2.796, 2.559),
    (1.0, MNIST, 11750, 1e-6, 3.130, 2.900),
    (1.5, MNIST, 11750, 1e-5, 1.469, 1.344),
    (1.5, MNIST, 11750, 1e-6, 1.653, 1.534),
    (1.0, CIFAR, 50000, 1e-5, 5.782, 5.344),
    (1.0, CIFAR, 50000, 1e-6, 6.382, 5.962),
]


def epsilon(accountant: str, **changes) -> float:
    base = {"noise_multiplier": 1.3, "sample_rate": MNIST, "updates": 1000, "delta": 1e-5}
    return privacy.epsilon(accountant=accountant, **base | changes)


@pytest.mark.parametrize(("sigma", "q", "updates", "delta", "rdp", "pld"), DP_ACCOUNTING)
def test_dp_accounting_agrees(sigma, q, updates, delta, rdp, pld):
    run = {"noise_multiplier": sigma, "sample_rate": q, "updates": updates, "delta": delta}
    assert privacy.epsilon(accountant="rdp", **run) == pytest.approx(rdp, abs=0.005)
    assert pld <= privacy.epsilon(accountant="prv", **run) <= pld + 0.02


def exact_gaussian(sigma: float, delta: float) -> float:
    """One release without sampling: Theorem 8 of Balle and Wang 2018, solved for epsilon."""

    def excess(eps: float) -> float:
        a, b = 1 / (2 * sigma), eps * sigma
        return stats.norm.cdf(a - b) - stats.norm.sf(a + b) * exp(eps) - delta

    return optimize.brentq(excess, 0, 50)


@pytest.mark.parametrize("sigma", [0.7, 1.3, 4.0])
def test_one_full_batch_release_is_the_gaussian_mechanism(sigma):
    exact = exact_gaussian(sigma, 1e-5)
    release = {"noise_multiplier": sigma, "sample_rate": 1.0, "updates": 1}
    assert exact <= epsilon("prv", **release) <= exact + 0.02
    assert exact <= epsilon("rdp", **release) <= 1.2 * exact


def test_t_full_batch_releases_are_one_of_noise_over_root_t():
    many = epsilon("prv", noise_multiplier=8.0, sample_rate=1.0, updates=16)
    assert many == pytest.approx(exact_gaussian(2.0, 1e-5), abs=0.02)


def test_the_papers_formula():
    assert epsilon("eq1") == pytest.approx(sqrt(2 * log(1.25e5)) / 1.3)
    assert epsilon("eq1", delta=1e-6) == pytest.approx(4.076, abs=5e-4)  # the paper's "E < 5"
    assert epsilon("eq1", sample_rate=1.0, updates=1) == epsilon("eq1")


@pytest.mark.parametrize("accountant", ["prv", "rdp"])
def test_more_noise_fewer_updates_and_smaller_batches_cost_less(accountant):
    base = epsilon(accountant)
    assert epsilon(accountant, noise_multiplier=1.4) < base
    assert epsilon(accountant, updates=900) < base
    assert epsilon(accountant, sample_rate=MNIST * 0.9) < base
    assert epsilon(accountant, delta=1e-4) < base


@pytest.mark.parametrize("accountant", ["prv", "rdp", "eq1"])
def test_ends(accountant):
    assert epsilon(accountant, noise_multiplier=0.0) == inf
    assert epsilon(accountant, updates=0) == 0


@pytest.mark.parametrize("accountant", ["prv", "rdp"])
@pytest.mark.parametrize("sigma", [0.43, 13.0])
def test_accountants_are_quiet(accountant, sigma):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0 < epsilon(accountant, noise_multiplier=sigma, updates=5000) < inf


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_multiplier": -1.0}, "noise_multiplier .* got -1.0"),
        ({"noise_multiplier": float("nan")}, "noise_multiplier .* got nan"),
        ({"sample_rate": 0.0}, "sample_rate .* got 0.0"),
        ({"sample_rate": 1.1}, "sample_rate .* got 1.1"),
        ({"updates": -1}, "updates .* got -1"),
        ({"updates": 10.0}, "updates .* got 10.0"),
        ({"updates": True}, "updates .* got True"),
        ({"delta": 0.0}, "delta .* got 0.0"),
        ({"delta": 1.0}, "delta .* got 1.0"),
    ],
)
def test_bad_numbers_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        epsilon("eq1", **changes)


def test_an_unknown_accountant_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="no accountant 'rpd'; did you mean 'rdp'"):
        epsilon("rpd")
