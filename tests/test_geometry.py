"""Curvature against torch.func.hessian and Lanczos; cross-sections against known boundaries."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from privrob import geometry, models


def full_spectrum(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Eigenvalues of the input Hessian of the cross-entropy, largest first, by brute force."""
    # vmap knows no memory order
    layers = [m for m in model if not isinstance(m, models.ChannelsLast)]
    model = nn.Sequential(*layers).double().eval()

    def loss(flat, label):
        return F.cross_entropy(model(flat.view(1, *x.shape[1:])), label[None])

    rows = [
        torch.func.hessian(loss)(xi.flatten(), yi) for xi, yi in zip(x.double(), y, strict=True)
    ]
    return torch.linalg.eigvalsh(torch.stack(rows)).flip(-1)


def test_the_exact_spectrum_is_the_hessian_s(either):
    model, x, y = either
    x, y = x[:6], y[:6]
    slow = full_spectrum(model, x, y)
    fast = geometry.curvature(model, x).hessian
    torch.testing.assert_close(fast, slow[:, :4], rtol=1e-9, atol=1e-12)
    assert slow[:, 4:].abs().max() < 1e-12  # rank K - 1 at most: nothing else is there


def test_the_label_does_not_enter(either):
    model, x, y = either
    other = (y[:3] + 1) % 4
    torch.testing.assert_close(
        full_spectrum(model, x[:3], y[:3]), full_spectrum(model, x[:3], other), atol=1e-12, rtol=0
    )


def test_the_factors_one_image_at_a_time(either):
    model, x, _ = either.to(torch.float64)
    found = geometry.curvature(model, x[:3])
    p = found.logits.softmax(1)
    for i in range(3):
        a = torch.diag(p[i]) - torch.outer(p[i], p[i])
        torch.testing.assert_close(
            found.confidence[i], torch.linalg.eigvalsh(a).flip(0), atol=1e-12, rtol=1e-9
        )
        j = torch.autograd.functional.jacobian(lambda v: model(v)[0], x[i : i + 1].double())
        j = j.flatten(1) - j.flatten(1).mean(0)
        values = torch.linalg.svdvals(j).square()
        torch.testing.assert_close(found.jacobian[i], values, atol=1e-10, rtol=1e-9)


def test_each_channel_s_deviation_divides_its_derivatives():
    """Of logits W (x - mean) / std: the spectrum of (W / std)^T A (W / std), by hand."""
    weight, std = torch.randn(3, 12, dtype=torch.float64), (0.25, 0.5, 2.0)
    layer = nn.Linear(12, 3).double()
    layer.weight.data = weight
    front = models.NormalizeChannels((0.0, 0.0, 0.0), std)
    model = nn.Sequential(front, nn.Flatten(), layer)
    x = torch.rand(2, 3, 2, 2, dtype=torch.float64)
    found = geometry.curvature(model, x)
    scaled = weight / torch.tensor(std).double().repeat_interleave(4)
    p = model(x).softmax(1).detach()
    a = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    slow = torch.linalg.eigvalsh(scaled.T @ a @ scaled).flip(-1)[:, :3]
    torch.testing.assert_close(found.hessian, slow, rtol=1e-9, atol=1e-9)


def test_a_common_shift_of_the_logits_is_not_curvature():
    class Shifted(nn.Module):
        def forward(self, x):
            return x.flatten(1).sum(1, keepdim=True).expand(-1, 3) * 5

    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    with torch.no_grad():
        model[1].weight.copy_(torch.ones(3, 4))
    found = geometry.curvature(model, torch.rand(2, 1, 2, 2))
    assert found.jacobian.abs().max() < 1e-20
    assert found.hessian.abs().max() < 1e-20


@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 2, 2)])
def test_lanczos_agrees_on_a_smooth_network(shape):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3))
    x, y = torch.rand(3, *shape), torch.tensor([0, 1, 2])
    slow = full_spectrum(model, x, y)
    torch.testing.assert_close(
        geometry.lanczos(model, x, y, top=4), slow[:, :4], rtol=1e-8, atol=1e-12
    )


def test_a_smooth_network_is_refused_by_name():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Tanh())
    with pytest.raises(ValueError, match="Tanh is not piecewise linear: use lanczos"):
        geometry.curvature(model, torch.rand(1, 1, 2, 2))


@pytest.mark.parametrize("shape", [(1, 1, 3, 3), (1, 3, 2, 2)])
def test_images_of_another_size_are_refused(shape):
    model, x = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), torch.rand(shape)
    with pytest.raises(ValueError, match="does not take images of shape"):
        geometry.curvature(model, x)
    with pytest.raises(ValueError, match="does not take images of shape"):
        geometry.lanczos(model, x, torch.tensor([0]), top=2)


class Root(nn.Module):
    """Logits that are finite and, at a pixel of 0, have no finite derivative."""

    def forward(self, x):
        return x.flatten(1).sqrt()


def test_lanczos_refuses_what_is_not_finite():
    x = torch.tensor([0.5, 0.5, 0.5, 0.0]).view(1, 1, 2, 2)
    with pytest.raises(ValueError, match="NaN or infinite derivatives"):
        geometry.lanczos(Root(), x, torch.tensor([0]), top=2)
    broken = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    broken[1].bias.data[1] = torch.nan
    with pytest.raises(ValueError, match="model returned NaN for 1 of 1 images"):
        geometry.lanczos(broken, x, torch.tensor([0]), top=2)


def test_the_model_is_left_as_it_was(tiny):
    geometry.curvature(tiny.model, tiny.x[:2])
    assert next(tiny.model.parameters()).dtype == torch.float32
    assert tiny.model.training


# -- cross-sections -----------------------------------------------------------------------------


class Disc(nn.Module):
    """Class 0 inside a disc of `radius` around (0.5, 0.5), class 1 outside."""

    def __init__(self, radius: float) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, x):
        far = (x.flatten(1) - 0.5).square().sum(1)
        return torch.stack([self.radius**2 - far, far - self.radius**2], 1)


def section(model, x, *, extent, resolution=101, y=0):
    y = torch.tensor([y])
    generator = torch.Generator().manual_seed(0)
    through = geometry.plane(model, x, y, steps=50, generator=generator)
    return through, geometry.cross_section(
        model, x, y, through, extent=extent, resolution=resolution
    )


def straight() -> tuple[nn.Module, torch.Tensor]:
    """The boundary 3 a + 4 b = 1, from (0.6, 0.5): 0.56 away."""
    layer = nn.Linear(2, 2)
    layer.weight.data = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    layer.bias.data = torch.tensor([-1.0, 0.0])
    return nn.Sequential(nn.Flatten(), layer), torch.tensor([0.6, 0.5]).view(1, 1, 1, 2)


def test_a_straight_boundary_has_its_normal_its_distance_and_no_bend():
    model, x = straight()
    through, seen = section(model, x, extent=1.0)
    torch.testing.assert_close(through.normal.flatten(), -torch.tensor([3.0, 4.0]) / 5)
    assert abs((through.normal * through.tangent).sum().item()) < 1e-6
    assert through.tangent.norm().item() == pytest.approx(1)
    assert through.distance.item() == pytest.approx(0.56 * 1.02, rel=1e-4)
    heights = geometry.boundary_heights(seen)
    torch.testing.assert_close(heights, torch.full_like(heights, 0.56), atol=1e-4, rtol=0)
    assert geometry.bend(seen).item() < 1e-4


def test_rows_run_along_the_normal_and_columns_along_the_tangent():
    model, x = straight()
    _, seen = section(model, x, extent=0.97)
    assert (seen.label[0, -1] == 1).all()
    assert (seen.label[0, 0] == 0).all()
    assert seen.label[0, 50, 50] == 0
    assert torch.equal(seen.label[0] == 0, seen.margin[0] > 0)


def test_a_disc_bends_as_its_arc_does():
    radius = 0.4
    _, seen = section(Disc(radius), torch.full((1, 1, 1, 2), 0.5) + 0.05, extent=0.2)
    offset = 0.05 * math.sqrt(2)
    s = seen.offsets
    # From a point `offset` off the centre, looking outward through it.
    arc = (radius**2 - s.square()).sqrt() - offset
    torch.testing.assert_close(
        geometry.boundary_heights(seen)[0].where(arc < 0.2, torch.nan),
        arc.where(arc < 0.2, torch.nan),
        atol=1e-3,
        rtol=0,
        equal_nan=True,
    )
    assert geometry.bend(section(Disc(0.3), torch.full((1, 1, 1, 2), 0.55), extent=0.25)[1]) > 0.01


def test_a_plane_without_a_boundary_says_so():
    layer = nn.Linear(2, 2)
    layer.weight.data, layer.bias.data = torch.eye(2) * 1e-6, torch.tensor([5.0, 0.0])
    model = nn.Sequential(nn.Flatten(), layer)
    _, seen = section(model, torch.full((1, 1, 1, 2), 0.5), extent=1.0)
    assert geometry.bend(seen).isnan().all()
    assert geometry.boundary_heights(seen).isnan().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"resolution": 10}, "resolution must be odd"), ({"extent": 0.0}, "extent must be above 0")],
)
def test_cross_section_refuses(change, message):
    model, x = straight()
    with pytest.raises(ValueError, match=message):
        section(model, x, **{"extent": 1.0} | change)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.full((1, 1, 1, 2), 0.5), torch.tensor([9]), r"labels must lie in 0\.\.1, got 9"),
        (torch.full((1, 1, 1, 2), 0.5), torch.tensor([0, 0]), r"shape \(1,\), got \(2,\)"),
        (torch.full((1, 3, 1, 2), 0.5), torch.tensor([0]), r"does not take .* \(3, 1, 2\)"),
        (torch.full((2, 1, 1, 2), 0.5), torch.tensor([0, 0]), r"\(1, 1, 1, 2\) for \(2, 1, 1, 2\)"),
    ],
)
def test_a_plane_is_looked_at_with_its_own_images_and_labels(x, y, message):
    model, own = straight()
    through, _ = section(model, own, extent=1.0)
    with pytest.raises(ValueError, match=message):
        geometry.cross_section(model, x, y, through, extent=1.0, resolution=11)
