"""Leaks made up here: scores of models that were never trained."""

from types import SimpleNamespace

import numpy as np

from privrob.exhibits.leaks import Leak

CLASSES = 3


def leak(
    members,
    others,
    *,
    model="pgd",
    note="",
    seed=0,
    tier="executed",
    source="quick",
    key="",
    data="digits",
    scale="reduced",
):
    """A model with these log-odds on benign and adversarial inputs; right where above 0."""
    arrays = {}
    for side, scores in (("train", members), ("test", others)):
        s = np.asarray(scores, dtype=np.float32)
        arrays[f"labels_{side}"] = (np.arange(len(s)) % CLASSES).astype(np.int16)
        for kind in ("benign", "adversarial"):
            arrays[f"log_odds_{kind}_{side}"] = s
            arrays[f"confidence_{kind}_{side}"] = 1 / (1 + np.exp(-s))
            arrays[f"correct_{kind}_{side}"] = s > 0
    train = SimpleNamespace(scale=scale, data=SimpleNamespace(name=data))
    variant = SimpleNamespace(model=model, note=note, seed=seed, train=train)
    manifest = {"created": "2025-01-31T00:00:00+00:00", "device": "a test"}
    key = key or f"{model} {note} {seed} {tier}"
    result = SimpleNamespace(arrays=arrays, key=key, manifest=manifest, state="fresh")
    return Leak(SimpleNamespace(variant=variant, result=result), tier, source)


def drawn(draw, *, shift=0.5, n=90, m=60, **about):
    """Members about `shift` above the others, rounded so that scores tie."""
    rng = np.random.default_rng(draw)
    return leak(rng.normal(shift, 1, n).round(1), rng.normal(0, 1, m).round(1), **about)
