"""Logits, log-odds and robust accuracy, with what they refuse."""

from math import inf, log, nan

import pytest
import torch
from torch import Tensor, nn

from privrob import attacks, evaluate

# -- eval mode ----------------------------------------------------------------------------------


def test_eval_mode_restores_each_submodule_after_an_error():
    norm = nn.BatchNorm1d(2)
    model = nn.Sequential(nn.Dropout(), nn.Sequential(norm, nn.Dropout())).train()
    norm.eval()
    before = [m.training for m in model.modules()]

    def fail() -> None:
        with evaluate.eval_mode(model):
            assert not any(m.training for m in model.modules())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [m.training for m in model.modules()] == before == [True, True, True, False, True]


def test_frozen_restores_each_flag_after_an_error():
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)

    def fail() -> None:
        with evaluate.frozen(model):
            assert not any(p.requires_grad for p in model.parameters())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [p.requires_grad for p in model.parameters()] == [True, False]


def test_logits_ignore_dropout_and_leave_batch_statistics(tiny):
    norm = nn.BatchNorm2d(1)
    model = nn.Sequential(norm, nn.Dropout(0.9), tiny.model).train()
    assert torch.equal(evaluate.logits(model, tiny.x), evaluate.logits(model, tiny.x))
    assert norm.running_mean is not None
    assert norm.running_mean.abs().max() == 0  # as it began
    assert all(m.training for m in model.modules())


# -- logits and accuracy ------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_logits_do_not_depend_on_the_batch(tiny, batch_size):
    model, x, _ = tiny.to(torch.float64)
    g = evaluate.logits(model, x, batch_size=batch_size)
    assert not g.requires_grad
    torch.testing.assert_close(g, model.eval()(x).detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uint8_is_divided_by_255_in_the_models_dtype(tiny, dtype):
    model, x, _ = tiny.to(dtype)
    pixels = x.mul(255).round().to(torch.uint8)
    g = evaluate.logits(model, pixels)
    assert g.dtype == dtype
    assert torch.equal(g, evaluate.logits(model, pixels.to(dtype) / 255))


def test_accuracy_counts(tiny):
    model, x, y = tiny
    right = (evaluate.logits(model, x).argmax(1) == y).sum().item()
    assert 0.8 < right / 64 < 1
    assert evaluate.accuracy(model, x, y, batch_size=10) == right / 64
    first = evaluate.logits(model, x).argmax(1)
    assert evaluate.accuracy(model, x, first) == 1


def test_batches_cover_all_in_order(tiny):
    model, x, y = tiny
    parts = list(evaluate.batches(model, x, y, batch_size=30))
    assert [len(labels) for _, labels in parts] == [30, 30, 4]
    assert torch.equal(torch.cat([images for images, _ in parts]), x)
    assert torch.equal(torch.cat([labels for _, labels in parts]), y)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        list(evaluate.batches(model, x, y, batch_size=0))


# -- log-odds -----------------------------------------------------------------------------------


def test_log_odds_equal_their_definition():
    g, y = torch.randn(50, 6, dtype=torch.float64), torch.randint(6, (50,))
    p = g.softmax(1).gather(1, y[:, None]).squeeze(1)
    torch.testing.assert_close(evaluate.log_odds(g, y), (p / (1 - p)).log())


def test_log_odds_of_two_classes_are_the_margin_even_when_saturated():
    g = torch.tensor([[90.0, -40.0], [3000.0, 1000.0], [0.0, 0.0], [-500.0, 500.0]])
    y = torch.zeros(4, dtype=torch.int64)
    assert evaluate.log_odds(g, y).tolist() == [130.0, 2000.0, 0.0, -1000.0]


def test_log_odds_of_uniform_logits():
    odds = evaluate.log_odds(torch.full((1, 10), 5.0), torch.tensor([3]))
    assert odds.item() == pytest.approx(-log(9))


# -- robust accuracy ----------------------------------------------------------------------------


def step_up(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return (x + 0.25).clamp(max=1)


def test_robust_accuracy_counts(tiny):
    model, x, y = tiny
    result = evaluate.robust_accuracy(model, x, y, attack=step_up, batch_size=10)
    clean = evaluate.logits(model, x).argmax(1) == y
    moved = evaluate.logits(model, step_up(model, x, y)).argmax(1) == y
    assert torch.equal(result.clean_correct, clean)
    assert torch.equal(result.correct, moved)
    assert result.accuracy == moved.double().mean() < result.clean_accuracy
    assert result.clean_accuracy == clean.double().mean()
    assert result.repaired_share == (moved & ~clean).double().mean()
    assert result.max_perturbation == pytest.approx(0.25)
    assert result.zero_gradient_share == 0


def test_an_attack_that_repairs_is_seen(tiny):
    model, x, y = tiny
    wrong = (y + 1) % 4

    def towards(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return attacks.fgsm(model, x, y, eps=0.5, targeted=True)

    result = evaluate.robust_accuracy(model, x, wrong, attack=towards)
    right = result.clean_correct
    assert result.repaired_share == (result.correct & ~right).double().mean() > 0.2


def test_masked_gradients_are_seen(tiny):
    """Logits times 1e4 saturate the float32 softmax of every image that is right."""

    class Sharp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = tiny.model

        def forward(self, x: Tensor) -> Tensor:
            return 1e4 * self.model(x)

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return attacks.fgsm(model, x, y, eps=0.3)

    honest = evaluate.robust_accuracy(tiny.model, tiny.x, tiny.y, attack=attack)
    masked = evaluate.robust_accuracy(Sharp(), tiny.x, tiny.y, attack=attack)
    assert honest.zero_gradient_share == 0
    assert masked.zero_gradient_share > 0.8
    assert masked.accuracy > honest.accuracy + 0.3


def test_unclipped_attacks_may_leave_the_range(tiny):
    result = evaluate.robust_accuracy(*tiny, attack=lambda m, x, y: x + 0.9)
    assert result.max_perturbation == pytest.approx(0.9)


def test_bad_attacks_are_refused(tiny):
    with pytest.raises(ValueError, match="attack returned"):
        evaluate.robust_accuracy(*tiny, attack=lambda m, x, y: x[1:])
    with pytest.raises(ValueError, match="a pixel of nan"):
        evaluate.robust_accuracy(*tiny, attack=lambda m, x, y: x * nan)


# -- diagnosis of a curve -----------------------------------------------------------------------


def test_an_honest_curve():
    found = evaluate.diagnose({0.2: 0.1, 0.0: 0.9, 0.1: 0.5}, pgd={0.1: 0.5, 0.2: 0.05})
    assert found.monotone
    assert found.fgsm_weaker
    assert found == evaluate.Diagnosis(0.0, None, 0.0)


def test_a_curve_that_rises_and_falls_below_pgd():
    curve = {0.0: 0.9, 0.1: 0.25, 0.2: 0.5, 3 * 0.1: 0.375}
    found = evaluate.diagnose(curve, pgd={0.1: 0.75, 0.3: 0.25})
    assert found == evaluate.Diagnosis(0.25, 0.2, 0.5)
    assert not found.monotone
    assert not found.fgsm_weaker


def test_diagnosis_without_pgd_and_of_nothing():
    assert evaluate.diagnose({0.1: 0.5}).fgsm_weaker is None
    with pytest.raises(ValueError, match="no eps"):
        evaluate.diagnose({})
    with pytest.raises(ValueError, match=r"no eps 0\.3"):
        evaluate.diagnose({0.1: 0.5}, pgd={0.3: 0.1})


# -- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 12, 12), r"\(N, C, H, W\) with N > 0, got shape \(2, 12, 12\)"),
        (torch.zeros(0, 1, 12, 12), r"got shape \(0, 1, 12, 12\)"),
        (torch.zeros(2, 1, 12, 12, dtype=torch.int64), "uint8 or floating, got torch.int64"),
        (torch.full((2, 1, 12, 12), 1.25), "<= 1, got a pixel of 1.25"),
        (torch.full((2, 1, 12, 12), -0.5), ">= 0, got a pixel of -0.5"),
        (torch.full((2, 1, 12, 12), nan), "a pixel of nan"),
        (torch.full((2, 1, 12, 12), inf), "a pixel of inf"),
    ],
)
def test_bad_images_are_refused(tiny, x, message):
    with pytest.raises(ValueError, match=message):
        evaluate.logits(tiny.model, x)


@pytest.mark.parametrize("bad", [nan, inf])
def test_unbounded_images_must_still_be_finite(tiny, bad):
    assert evaluate.logits(tiny.model, tiny.x * 5, bounded=False).isfinite().all()
    with pytest.raises(ValueError, match=f"a pixel of {bad}"):
        evaluate.logits(tiny.model, tiny.x + bad, bounded=False)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.zeros(64), "int64, got torch.float32"),
        (torch.zeros(63, dtype=torch.int64), r"shape \(64,\), got \(63,\)"),
        (torch.zeros(64, 1, dtype=torch.int64), r"shape \(64,\), got \(64, 1\)"),
        (torch.full((64,), 4), r"lie in 0\.\.3, got 4"),
        (torch.full((64,), -1), r"lie in 0\.\.3, got -1"),
    ],
)
def test_bad_labels_are_refused(tiny, y, message):
    model, x, _ = tiny
    with pytest.raises(ValueError, match=message):
        evaluate.accuracy(model, x, y)
    with pytest.raises(ValueError, match=message):
        evaluate.robust_accuracy(model, x, y, attack=step_up)
    with pytest.raises(ValueError, match=message):
        evaluate.log_odds(evaluate.logits(model, x), y)


class Broken(nn.Module):
    """Returns what `make` makes of the images."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x: Tensor) -> Tensor:
        return self.make(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: x[:, 0, :3, 0].log().masked_fill(x[:, 0, :3, 0] > 0, nan), "NaN for 64 of 64"),
        (lambda x: torch.full((len(x), 3), inf), "infinity for 64 of 64 images"),
        (lambda x: x, r"must return \(20, K\) logits, K >= 2, got \(20, 1, 12, 12\)"),
        (lambda x: x[1:, 0, 0], r"must return \(20, K\) logits, K >= 2, got \(19, 12\)"),
        (lambda x: x[:, 0, 0, :1], r"got \(20, 1\)"),
        (lambda x: (x, x), "got tuple"),
    ],
)
def test_broken_models_are_refused(tiny, make, message):
    with pytest.raises(ValueError, match=message):
        evaluate.logits(Broken(make), tiny.x.clamp(min=0.01), batch_size=20)


def test_a_shape_that_the_model_does_not_take_is_named(tiny):
    with pytest.raises(ValueError, match=r"does not take images of shape \(1, 16, 16\), .*[0-9]x"):
        evaluate.logits(tiny.model, torch.zeros(2, 1, 16, 16))


def test_a_softmax_at_the_end_is_refused(tiny):
    sure = nn.Sequential(tiny.model, nn.Softmax(1))
    with pytest.raises(ValueError, match="probabilities, not logits: leave out its softmax"):
        evaluate.logits(sure, tiny.x)
    shifted = nn.Sequential(tiny.model, nn.LogSoftmax(1))  # log p are logits like any others
    assert torch.equal(
        evaluate.logits(shifted, tiny.x).argmax(1), evaluate.logits(tiny.model, tiny.x).argmax(1)
    )


def test_want_of_memory_is_not_taken_for_a_wrong_shape(tiny):
    def make(x: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("no memory left")

    with pytest.raises(torch.OutOfMemoryError, match="no memory left"):
        evaluate.logits(Broken(make), tiny.x)


def test_nan_for_some_is_counted(tiny):
    x = tiny.x.clamp(min=0.01)
    x[[4, 40, 63], 0, 0, 0] = 0

    def some(x: Tensor) -> Tensor:
        return x[:, 0, 0].masked_fill(x[:, 0, 0, :1] == 0, nan)

    with pytest.raises(ValueError, match="model returned NaN for 3 of 64 images"):
        evaluate.logits(Broken(some), x, batch_size=10)


# -- GPU ----------------------------------------------------------------------------------------


@pytest.mark.gpu
def test_gpu_agrees(tiny):
    """float32 logits to 1e-5 of their size, without TF32; float64 to 1e-12."""
    for dtype, tolerance in [(torch.float32, 1e-5), (torch.float64, 1e-12)]:
        model, x, y = tiny.to(dtype)
        expected = evaluate.logits(model.cpu(), x)
        model.cuda()
        torch.backends.cudnn.allow_tf32 = False
        g = evaluate.logits(model, x)
        assert g.is_cuda
        torch.testing.assert_close(g.cpu(), expected, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(
            evaluate.log_odds(g, y).cpu(), evaluate.log_odds(expected, y), rtol=0, atol=1e-4
        )
