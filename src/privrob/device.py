"""Where tensors live: `auto`, `cpu` or `cuda`, and a device's name for the record of a run."""

import platform
from pathlib import Path

import torch

NAMES = ("auto", "cpu", "cuda")


def resolve(name: str | torch.device) -> torch.device:
    """The device called `name`: one of NAMES, where auto is CUDA if there is one; or `cuda:1`.

    Choosing CUDA turns TF32 off for the whole process: its ten-bit mantissa would move logits by
    1e-3, and results here are compared with the CPU's per example.

    Raises ValueError for another name, and for CUDA where PyTorch sees none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = _parse(name)
    if device.type == "cuda":
        _require_cuda(device)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return device


def describe(device: torch.device) -> str:
    """The name of the hardware behind `device`: the GPU's, or the processor's model."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _processor()


def _parse(name: str | torch.device) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in NAMES:
        raise ValueError(f"no device {str(name)!r}; there are {', '.join(NAMES)}")
    return device


def _require_cuda(device: torch.device) -> None:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise ValueError("device 'cuda' was asked for, but PyTorch sees no CUDA GPU; use 'cpu'")
    if (device.index or 0) >= count:
        raise ValueError(f"device '{device}' was asked for, but there are {count} GPUs")


def _processor() -> str:
    """The model name that Linux gives, or what the platform module knows elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
