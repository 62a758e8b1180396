"""Adversarial robustness against training-set privacy: a companion to two papers."""

__version__ = "0.1.0"
