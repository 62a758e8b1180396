"""Devices by name."""

import pytest
import torch

from privrob import device


def test_auto_takes_cuda_where_there_is_one(monkeypatch):
    assert device.resolve("cpu") == torch.device("cpu")
    assert device.resolve(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.resolve("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert device.resolve("auto") == torch.device("cuda")


def test_cuda_turns_tf32_off(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    device.resolve("cuda")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("name", ["gpu", "", "CPU", "mps", "cuda:x"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match=f"no device '{name}'; there are auto, cpu, cuda"):
        device.resolve(name)


def test_absent_cuda_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="sees no CUDA GPU; use 'cpu'"):
        device.resolve("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="'cuda:2' was asked for, but there are 2 GPUs"):
        device.resolve("cuda:2")


def test_hardware_has_a_name():
    assert device.describe(torch.device("cpu")).strip()


@pytest.mark.gpu
def test_gpu_has_a_name():
    assert device.describe(device.resolve("cuda")) == torch.cuda.get_device_name()
