"""The command `privrob`: a thin face over the package, in the words of the book."""

from privrob.cli import assets, bench, compute, pages  # noqa: F401  (each adds its commands)
from privrob.cli.base import app

__all__ = ["app"]
