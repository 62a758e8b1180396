"""What a DP-SGD run costs in privacy: opacus' accountants, and the papers' own formula beside them.

All but `eq1` assume that each update takes every example with probability q independently (Poisson
sampling), and neighbouring data sets that differ in one example present or absent.
"""

import warnings
from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache
from math import inf, log, sqrt

import numpy as np

# Orders of the Renyi divergence. Fine where the optimum lies for a budget of 1 to 10 (orders 3 to
# 15), wide for the small budgets of much noise; opacus' binomials overflow above 1029.
_ORDERS = (
    *(1 + i / 20 for i in range(1, 300)),
    *range(16, 64),
    *(int(order) for order in np.geomspace(64, 1024, 40)),
)


def epsilon(
    *, noise_multiplier: float, sample_rate: float, updates: int, delta: float, accountant: str
) -> float:
    """The epsilon of (epsilon, delta)-DP after `updates` steps of DP-SGD, in [0, inf].

    `noise_multiplier` is the noise's standard deviation over the clipping norm, sigma / C where
    the two are set apart; `sample_rate` is the expected batch over the size of the data. Each
    `accountant` gives an upper bound but the last:

    - `prv`: numerical composition (Gopi et al. 2021), at most 0.02 above the truth. Usually the
      tightest; takes a second, but minutes where the result is in the hundreds;
    - `rdp`: Renyi divergences (Mironov et al. 2019);
    - `eq1`: sqrt(2 ln(1.25 / delta)) / sigma, Eq. (1) of tursynbek2020 solved for epsilon. It is
      about one release of all the data: it ignores `sample_rate` and `updates`, and is no bound.

    0 updates cost 0; without noise the cost is inf. Raises ValueError for noise_multiplier < 0,
    sample_rate outside (0, 1], updates that are no count, delta outside (0, 1), and an unknown
    accountant.
    """
    _check(noise_multiplier, sample_rate, updates, delta)
    if accountant not in ACCOUNTANTS:
        near = get_close_matches(str(accountant), ACCOUNTANTS, n=1, cutoff=0.0)[0]
        raise ValueError(f"no accountant {accountant!r}; did you mean {near!r}?")
    if updates == 0:
        return 0.0
    if noise_multiplier == 0:
        return inf
    return ACCOUNTANTS[accountant](noise_multiplier, sample_rate, updates, delta)


def _check(noise_multiplier: float, sample_rate: float, updates: int, delta: float) -> None:
    if not 0 <= noise_multiplier < inf:
        raise ValueError(f"noise_multiplier must be finite and >= 0, got {noise_multiplier}")
    if not 0 < sample_rate <= 1:
        raise ValueError(f"sample_rate must lie in (0, 1], got {sample_rate}")
    if isinstance(updates, bool) or not isinstance(updates, int) or updates < 0:
        raise ValueError(f"updates must be an integer >= 0, got {updates!r}")
    if not 0 < delta < 1:
        raise ValueError(f"delta must lie in (0, 1), got {delta}")


@lru_cache(maxsize=1024)
def _prv(sigma: float, q: float, updates: int, delta: float) -> float:
    from opacus.accountants import PRVAccountant  # opacus takes seconds to import

    accountant = PRVAccountant()
    accountant.history = [(sigma, q, updates)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # densities underflow to 0 at the rim, as they should
        return float(accountant.get_epsilon(delta, eps_error=0.01))


@lru_cache(maxsize=1024)
def _rdp(sigma: float, q: float, updates: int, delta: float) -> float:
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(sigma, q, updates)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "optimal order at the rim": still a bound, less tight
        return float(accountant.get_epsilon(delta, alphas=list(_ORDERS)))


def _eq1(sigma: float, q: float, updates: int, delta: float) -> float:
    return sqrt(2 * log(1.25 / delta)) / sigma


ACCOUNTANTS: dict[str, Callable[[float, float, int, float], float]] = {
    "prv": _prv,
    "rdp": _rdp,
    "eq1": _eq1,
}
