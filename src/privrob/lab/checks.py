"""What every spec refuses: a value out of range, a name that is not there."""

from difflib import get_close_matches
from math import isfinite
from typing import Any


def require(condition: bool, message: str) -> None:
    """ValueError with `message` unless `condition`."""
    if not condition:
        raise ValueError(message)


def known(what: str, name: str, names: Any) -> None:
    """ValueError naming the nearest of `names` unless `name` is one of them."""
    if name not in names:
        near = get_close_matches(str(name), list(names), n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(names))}"
        raise ValueError(f"{what}: no {name!r}; {hint}")


def check_eps(eps: tuple[float, ...]) -> None:
    """Every eps finite and 0 or more, and at least one."""
    require(len(eps) > 0, "eps must name at least one value")
    bad = [e for e in eps if not (e >= 0 and isfinite(e))]
    require(not bad, f"eps must be 0 or more and finite, got {bad}")
