"""The kept budgets, each computed again: privacy losses composed by FFT, and a bound by formula."""

from math import comb, exp, inf, log

import numpy as np
import pytest
from scipy import optimize, stats

from privrob import privacy
from privrob.lab import adjacencies, statements
from privrob.lab.adjacencies import Budget

TABLE = adjacencies.load()
ROWS = {row.id: row for row in TABLE.rows}
T = TABLE.training
STEP, BINS = 5e-4, 2**17


def composed(draws: str, *, sigma: float) -> float:
    """Epsilon of T updates from the losses log(P / Q) of outputs of P, rounded without bias."""
    q = T["sample_rate"]
    x = np.linspace(-1 - 10 * sigma, 1 + 10 * sigma, 400_001)
    noise = {m: stats.norm.pdf(x, m, sigma) for m in (-1, 0, 1)}
    density = {m: (1 - q) * noise[0] + q * noise[m] for m in noise}
    p, other = {"with": (1, 0), "without": (0, 1), "replaced": (1, -1)}[draws]
    place = np.log(density[p] / density[other]) / STEP
    low = np.floor(place).astype(int)
    mass, share = density[p] / density[p].sum(), place - low
    one = np.bincount(low % BINS, mass * (1 - share), BINS)
    one += np.bincount((low + 1) % BINS, mass * share, BINS)
    total = np.fft.irfft(np.fft.rfft(one) ** T["updates"], BINS)
    losses = STEP * ((np.arange(BINS) + BINS // 2) % BINS - BINS // 2)

    def excess(eps: float) -> float:
        return float((total * np.clip(-np.expm1(eps - losses), 0, None)).sum()) - T["delta"]

    return float(optimize.brentq(excess, 0.01, 20))


def without_replacement(*, sigma: float) -> float:
    """Theorem 9 of Wang, Balle and Kasiviswanathan 2019, converted as Balle et al. 2020 do."""
    q, best = T["sample_rate"], inf
    for a in range(2, 64):
        second = min(4 * (exp(1 / sigma**2) - 1), 2 * exp(1 / sigma**2))
        terms = 1 + comb(a, 2) * q**2 * second
        for j in range(3, a + 1):
            exponent = j * (j - 1) / (2 * sigma**2) + j * log(q)
            terms += 2 * comb(a, j) * exp(min(exponent, 600))
        renyi = T["updates"] * log(terms) / (a - 1)
        best = min(best, renyi + log((a - 1) / a) - (log(T["delta"]) + log(a)) / (a - 1))
    return best


def test_poisson_budgets_by_composition():
    sigma = T["noise_multiplier"]
    both = max(composed(d, sigma=sigma) for d in ("with", "without"))
    assert both == pytest.approx(ROWS["poisson-add-remove"].dp_epsilon, abs=0.01)
    assert composed("replaced", sigma=sigma) == pytest.approx(
        ROWS["poisson-replace-one"].dp_epsilon, abs=0.01
    )
    half = max(composed(d, sigma=sigma / 2) for d in ("with", "without"))
    assert ROWS["poisson-add-remove-half-noise"].noise == sigma / 2
    assert half == pytest.approx(ROWS["poisson-add-remove-half-noise"].dp_epsilon, abs=0.02)


def test_ours_agrees_where_it_has_the_same_assumptions():
    for name, factor in (("poisson-add-remove", 1), ("poisson-add-remove-half-noise", 2)):
        run = T | {"noise_multiplier": T["noise_multiplier"] / factor}
        assert run["noise_multiplier"] == ROWS[name].noise
        ours, kept = privacy.epsilon(**run, accountant="prv"), ROWS[name].dp_epsilon
        assert kept - 0.01 <= ours <= kept + 0.03


@pytest.mark.parametrize(
    ("name", "moves"), [("fixed-replace-one-optimistic", 1), ("fixed-replace-one", 2)]
)
def test_fixed_batches_by_the_bound_for_sampling_without_replacement(name, moves):
    row = ROWS[name]
    assert row.moves == moves
    bound = without_replacement(sigma=T["noise_multiplier"] / moves)
    # The library refines the terms of third and higher order, so it is a little below.
    assert row.dp_epsilon - 0.05 <= bound <= 1.1 * row.dp_epsilon


def test_the_settings_are_those_of_the_ledger():
    by_id = {c.id: c for c in statements.load()}
    given = dict(by_id["tursynbek2020/section2.2/eq1-covers-mnist"].arguments)
    given.pop("delta")
    assert {k: v for k, v in TABLE.settings.items() if k != "delta"} == given


def test_what_is_no_bound_and_what_cannot_be_is_said():
    assert [row.id for row in TABLE.rows if not row.bounds] == ["fixed-replace-one-optimistic"]
    good = {f: getattr(TABLE.rows[0], f) for f in Budget.__dataclass_fields__}
    with pytest.raises(ValueError, match="moves must be 1 or 2, got 3"):
        Budget(**good | {"moves": 3})
    with pytest.raises(ValueError, match="dp_epsilon must be above 0, got -1"):
        Budget(**good | {"dp_epsilon": -1.0})
