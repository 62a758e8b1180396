"""Records made up here: the arrays of probes, manifests, and groups that no store holds."""

from types import SimpleNamespace

import numpy as np
import torch

from privrob import geometry
from privrob.exhibits.groups import Group
from privrob.lab import registry, run
from privrob.lab import spec as specs

IMAGES, CLASSES = 120, 10


def distance_arrays(rng, scale):
    l2 = rng.normal(1.5 * scale, 0.4, IMAGES).astype(np.float32)
    arrays = {"l2": l2, "linf": l2 / 13}
    for norm in ("l2", "linf"):
        arrays[f"deepfool_{norm}"] = np.where(l2 > 0, 1.1 * arrays[norm], 0).astype(np.float32)
    arrays["deepfool_linf"][np.argmax(l2)] = np.nan
    return arrays


def curvature_arrays(rng, scale):
    """Of a Jacobian (K, D) and logits that are made up, through the core's own spectra."""
    jacobian = torch.from_numpy(rng.normal(size=(IMAGES, CLASSES, 30)))
    jacobian = jacobian - jacobian.mean(1, keepdim=True)
    gram, logits = jacobian @ jacobian.mT, torch.from_numpy(rng.normal(size=(IMAGES, CLASSES)))
    logits = 6 * scale * logits
    hessian = geometry.spectrum(gram, logits.softmax(1)).T.numpy()
    return {
        "hessian": hessian,
        "jacobian": torch.linalg.eigvalsh(gram).flip(-1).T.numpy(),
        "logits": logits.float().T.numpy(),
        "gram": gram.float().permute(1, 2, 0).numpy(),
        "correct": np.ones(IMAGES, bool),
    }


def manifest(spec, kind):
    return {
        "key": run.key_of(spec),
        "kind": kind,
        "spec": specs.plain(spec, labels=True),
        "fingerprint": run.fingerprint_of(spec),
        "device": "a test",
        "created": "2025-01-31T00:00:00+00:00",
        "seconds": 1.0,
        "versions": {"torch": "2"},
    }


def group(arrays, variants, *, tier="recorded", source=""):
    """A group of these variants, whose arrays a function of the variant gives."""
    models = tuple(dict.fromkeys(v.model for v in variants))
    return Group(
        tier, source, variants[0].reading, "", tuple(_row(v, arrays(v)) for v in variants), models
    )


def _row(variant, arrays):
    told = {"device": "a test", "created": "2025-01-31T00:00:00+00:00"}
    result = SimpleNamespace(
        arrays=arrays, key=f"{variant.model}{variant.seed}", manifest=told, state="fresh"
    )
    return SimpleNamespace(variant=variant, result=result)


def keep_diverged(store, note):
    """What is kept of a training of the grid where it diverged in its eleventh epoch."""
    cells = registry.experiment("tursynbek2020/grid").variants("paper", seed=0)
    spec = next(v for v in cells if v.note == note and v.model == "dpsgd").train
    store.keep_diverged(manifest(spec, "train") | {"error": "NaN", "done": 10})
