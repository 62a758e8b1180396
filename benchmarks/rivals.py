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


def _foolbox(model: nn.Module):
    import foolbox

    return foolbox.PyTorchModel(model, bounds=(0, 1), device=next(model.parameters()).device)


def fooled(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """(N,) bool: the model says something else than y."""
    with torch.no_grad():
        return model(x).argmax(1) != y
