"""The attack libraries that ours are measured beside; imported only when one is asked for."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Attack = Callable[[Tensor, Tensor], Tensor]


def torchattacks_fgsm(model: nn.Module, eps: float) -> Attack:
    import torchattacks

    return torchattacks.FGSM(model, eps=eps)


def torchattacks_pgd(model: nn.Module, *, eps: float, step_size: float, steps: int) -> Attack:
    import torchattacks

    return torchattacks.PGD(model, eps=eps, alpha=step_size, steps=steps, random_start=False)


def torchattacks_square(
    model: nn.Module, *, eps: float, queries: int, first_share: float
) -> Attack:
    import torchattacks

    return torchattacks.Square(model, eps=eps, n_queries=queries, p_init=first_share, loss="margin")


def foolbox_fgsm(model: nn.Module) -> Callable[[Tensor, Tensor, list[float]], list[Tensor]]:
    """One call for the whole grid, as foolbox offers."""
    import foolbox

    wrapped = _foolbox(model)
    attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    return lambda x, y, eps: attack(wrapped, x, y, epsilons=eps)[1]


def foolbox_pgd(model: nn.Module, *, eps: float, step_size: float, steps: int) -> Attack:
    import foolbox

    wrapped = _foolbox(model)
    attack = foolbox.attacks.LinfPGD(abs_stepsize=step_size, steps=steps, random_start=False)
    return lambda x, y: attack(wrapped, x, y, epsilons=eps)[1]


def foolbox_deepfool(model: nn.Module, *, steps: int, overshoot: float) -> Attack:
    """In l2, free to leave the range of pixels, as ours."""
    import foolbox

    wrapped = _foolbox(model, bounds=(-1000, 1000))
    attack = foolbox.attacks.L2DeepFoolAttack(steps=steps, overshoot=overshoot)
    return lambda x, y: attack(wrapped, x, y, epsilons=None)[1]


def _foolbox(model: nn.Module, bounds: tuple[float, float] = (0, 1)):
    import foolbox

    return foolbox.PyTorchModel(model, bounds=bounds, device=next(model.parameters()).device)


def fooled(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """(N,) bool: the model says something else than y."""
    with torch.no_grad():
        return model(x).argmax(1) != y
