"""The derivatives of all logits in all pixels, on which distances and curvature rest."""

import torch
from torch import Tensor, nn

from privrob.evaluate import check_logits


def jacobian(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, K) and their derivatives (N, K, D), D = C * H * W, at float images x.

    One backward pass a logit: on a CPU that beats vmap and batched gradients. The caller holds
    `eval_mode` and `frozen`. Raises ValueError where logits are not finite (N, K), or where a
    derivative is not finite.
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        g = model(x)
        check_logits(g, examples=len(x))
        columns = g.sum(0).unbind()
        last = len(columns) - 1
        rows = [
            torch.autograd.grad(column, x, retain_graph=k < last)[0].flatten(1)
            for k, column in enumerate(columns)
        ]
    j = torch.stack(rows, 1)
    if bad := int((~j.flatten(1).isfinite().all(1)).sum()):
        raise ValueError(f"model gave NaN or infinite derivatives for {bad} of {len(x)} images")
    return g.detach(), j
