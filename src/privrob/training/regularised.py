"""Adversarial regularisation: a network that infers membership learns beside the classifier.

min over f of  L(f) + weight * max over h of  G(f, h)   (Nasr, Shokri and Houmansadr 2018)

h sees the classifier's answer and the true label of a point, and says how likely it is a member.
Its gain G is the mean of log h over members and of log(1 - h) over reference points, half of each:
0 where it knows, -log 2 where it guesses. The classifier is updated on members alone, as in their
Algorithm 1: reference points teach h and nothing else.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob import evaluate
from privrob.training import loop

_NETWORK, _LEARNING = "adversary/", "learning/"  # in a state, beside the classifier's step


def told(g: Tensor, y: Tensor) -> Tensor:
    """What h is told of each point, (N, 2K): softmax of the logits g (N, K), then one-hot y (N,).

    Differentiable in g.
    """
    return torch.cat([g.softmax(1), F.one_hot(y, g.shape[1]).to(g.dtype)], 1)


def gain(members: Tensor, reference: Tensor) -> Tensor:
    """G of h's logits on members (N,) and on reference points (M,): a scalar, at most 0."""
    return (F.logsigmoid(members).mean() + F.logsigmoid(-reference).mean()) / 2


class Adversary:
    """The inference network h, dense layers of `hidden` units, with the optimiser it learns by.

    Adam at the rate `lr`, `updates` of them at most. Drawn from `seed`, on `device`; the global
    generator is left as it was.
    """

    def __init__(
        self,
        *,
        classes: int,
        hidden: tuple[int, ...],
        lr: float,
        updates: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.network = _network((2 * classes, *hidden, 1), seed).to(device)
        self.learning = loop.ScheduledStep(
            self.network,
            optimizer=loop.adam(self.network, weight_decay=0.0, decay_biases=False),
            lr=lambda progress: lr,
            loss=_lost,
            updates=updates,
            clip_grad_norm=None,
            zero_nan=False,
        )

    def scores(self, g: Tensor, y: Tensor) -> Tensor:
        """The logit of h, (N,): above 0 means member."""
        scores: Tensor = self.network(told(g, y)).squeeze(1)
        return scores

    def learn(self, members: tuple[Tensor, Tensor], reference: tuple[Tensor, Tensor]) -> None:
        """One update up the gain, on logits (N, K) and labels (N,) of either side."""
        seen = torch.cat([told(*members), told(*reference)])
        inside = torch.arange(len(seen), device=seen.device) < len(members[1])
        self.learning(seen, inside)

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on: flat names, tensors alone, copies."""
        network = {n: value.detach().clone() for n, value in self.network.state_dict().items()}
        return _under(_NETWORK, network) | _under(_LEARNING, self.learning.state())

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state`, bit for bit; other names in it are passed over."""
        self.network.load_state_dict(_of(_NETWORK, state))
        self.learning.load(_of(_LEARNING, state))


class MinMaxStep(loop.ScheduledStep):
    """The step of `plain`, its loss with `weight` times the mean of log h over the members.

    Called on batches whose first half are members and whose second half, as many, are reference
    points; `plain` sees the first. Before each update h learns `inner_steps` times, from answers
    in eval mode. A weight of 0 leaves h out: the updates are those of `plain` on the members, bit
    for bit.
    """

    def __init__(
        self, plain: loop.ScheduledStep, *, adversary: Adversary, weight: float, inner_steps: int
    ) -> None:
        if not weight >= 0:
            raise ValueError(f"weight must be 0 or more, got {weight}")
        if inner_steps < 1:
            raise ValueError(f"inner_steps must be at least 1, got {inner_steps}")
        super().__init__(
            plain.model,
            optimizer=plain.optimizer,
            lr=plain.lr,
            loss=self._penalised if weight else plain.loss,
            updates=plain.updates,
            clip_grad_norm=plain.clip_grad_norm,
            zero_nan=plain.zero_nan,
        )
        self.plain, self.adversary = plain, adversary
        self.weight, self.inner_steps = weight, inner_steps

    def __call__(self, x: Tensor, y: Tensor) -> None:
        if len(x) % 2:
            raise ValueError(f"a batch needs as many reference points as members, got {len(x)}")
        half = len(x) // 2
        if self.weight:
            with evaluate.eval_mode(self.model), torch.no_grad():
                g = self.model(x)
            for _ in range(self.inner_steps):
                self.adversary.learn((g[:half], y[:half]), (g[half:], y[half:]))
        super().__call__(x[:half], y[:half])

    def _penalised(self, model: nn.Module, x: Tensor, y: Tensor, progress: float) -> Tensor:
        with evaluate.frozen(self.adversary.network):
            found = F.logsigmoid(self.adversary.scores(model(x), y)).mean()
        return self.plain.loss(model, x, y, progress) + self.weight * found

    def require_finite(self) -> None:
        """ValueError if a loss of either was NaN or infinite so far; waits for the device."""
        super().require_finite()
        self.adversary.learning.require_finite()

    def state(self) -> dict[str, Tensor]:
        """That of the classifier's step and of the adversary."""
        return super().state() | self.adversary.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state`, bit for bit, with the classifier's weights of the same moment."""
        self.adversary.load(state)
        ours = (_NETWORK, _LEARNING)
        super().load({n: value for n, value in state.items() if not n.startswith(ours)})


def _network(widths: tuple[int, ...], seed: int) -> nn.Sequential:
    if min(widths) < 1:
        raise ValueError(f"every layer needs a unit, got widths {widths}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    between = [layer for one in layers for layer in (one, nn.ReLU())]
    return nn.Sequential(*between[:-1])


def _lost(network: nn.Module, seen: Tensor, inside: Tensor, progress: float) -> Tensor:
    scores = network(seen).squeeze(1)
    within = F.logsigmoid(torch.where(inside, scores, -scores))  # of the right answer
    sides = [(within * side).sum() / side.sum() for side in (inside, ~inside)]
    return -(sides[0] + sides[1]) / 2


def _under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in state.items()}


def _of(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
