"""What a membership inference attack may know of every training and test point of a model."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn

from privrob import bounds, evaluate
from privrob.data import Split
from privrob.lab.spec import Membership, Targeted
from privrob.lab.tasks.base import Context, Output, resumed, trained
from privrob.membership import scores

BATCH = 100  # images at once: bounds of large networks take memory

VERIFIERS: dict[str, Callable[..., Tensor]] = {
    "interval": partial(bounds.worst_case_logits, method="interval"),
    "zonotope": partial(bounds.worst_case_logits, method="zonotope"),
    "dual": partial(bounds.worst_case_logits, method="dual", intermediate="dual"),
    "crown-interval": partial(bounds.worst_case_logits, method="dual", intermediate="interval"),
}


def membership(spec: Membership, upstream: Mapping[str, Output], context: Context) -> Output:
    """Arrays, (N,) for the parts 'train' (members) and 'test' (non-members), `<name>_<part>`.

    Of a model that was trained without a few of the images, these are in 'train' as well.

    `labels` int16. For the kinds of input `benign` and `adversarial` (PGD from the image, steps of
    2.5 eps / steps): `correct_<kind>` bool, `<score>_<kind>` float32 of every score and
    `logits_<kind>` (N, K) float16, from which tempered scores follow. With a
    verifier `verified` bool, and `confidence_verified` and `log_odds_verified` of the worst case.
    ValueError where an image is verified and wrong, or fooled: then a bound is not one.
    """
    found = _of_both(spec, upstream, context, _scores)
    return Output({name: torch.cat(column).numpy() for name, column in found.items()})


def targeted(spec: Targeted, upstream: Mapping[str, Output], context: Context) -> Output:
    """Arrays of the parts 'train' and 'test', for K labels: `log_odds_targeted_<part>` (K - 1, N)
    float32, of the true label where PGD led towards each wrong one, in ascending order; and
    `labels_<part>` (N,) int16.
    """
    found = _of_both(spec, upstream, context, _targeted)
    return Output({name: torch.cat(column, -1).numpy() for name, column in found.items()})


def _targeted(spec: Targeted, model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    g = scores.targeted_logits(model, x, y, eps=spec.eps, steps=spec.steps, batch_size=BATCH)
    odds = scores.targeted_scores(g, y, evaluate.log_odds)
    return {"labels": y.short(), "log_odds_targeted": odds.T}


def _of_both(
    spec: Membership | Targeted,
    upstream: Mapping[str, Output],
    context: Context,
    look: Callable[..., dict[str, Tensor]],
) -> dict[str, list[Tensor]]:
    """`<name>_<part>` -> what `look` gives of each batch of members, then of non-members."""
    model = trained(spec.train, upstream["train"]).to(context.device)
    parts = {part: context.split(spec.data, part) for part in ("train", "test")}

    def one(part: str, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {f"{name}_{part}": score for name, score in look(spec, model, x, y).items()}

    total = sum(map(len, parts.values()))
    return resumed(context, _batches(model, parts), one, total=total)


def _batches(model: nn.Module, parts: Mapping[str, Split]) -> Iterator[tuple[str, Tensor, Tensor]]:
    for part, split in parts.items():
        for x, y in evaluate.batches(model, split.x, split.y, batch_size=BATCH):
            yield part, x, y


def _scores(spec: Membership, model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    attack = {"eps": spec.eps, "steps": spec.steps, "batch_size": BATCH}
    inputs = {
        "benign": evaluate.logits(model, x),
        "adversarial": scores.adversarial_logits(model, x, y, **attack),  # type: ignore[arg-type]
    }
    found = {"labels": y.short()}
    for kind, g in inputs.items():
        found[f"correct_{kind}"] = g.argmax(1) == y
        found[f"logits_{kind}"] = g.half()
        for name, score in scores.SCORES.items():
            if name != "correctness":
                found[f"{name}_{kind}"] = score(g, y)
    if spec.verifier:
        found |= _verified(spec, model, x, y)
        require_sound(found)
    return found


@torch.no_grad()  # which bounds of large networks would keep gigabytes for
def _verified(spec: Membership, model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """In float64, as terms of a bound may cancel; the slack is that of the float32 network."""
    exact = deepcopy(model).double()
    bound = VERIFIERS[spec.verifier](exact, x.double(), y, eps=spec.eps, clip_input=True)
    worst = bound.to(x.dtype)
    return {
        "verified": bounds.verified(worst, y),
        "confidence_verified": scores.worst_case_confidence(worst, y),
        "log_odds_verified": scores.worst_case_log_odds(worst, y),
    }


def require_sound(found: Mapping[str, Tensor]) -> None:
    """ValueError unless every verified image is right, clean and under the attack."""
    for kind in ("benign", "adversarial"):
        wrong = found["verified"] & ~found[f"correct_{kind}"]
        if count := int(wrong.sum()):
            raise ValueError(f"{count} images are verified and wrong on {kind} inputs: no bound")
