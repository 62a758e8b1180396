"""Import torchvision also where torch is a CPU-only build.

PyPI has no CPU build of torchvision. Its CUDA build on a CPU-only torch cannot load its compiled
operators, and `import torchvision` then fails with "operator torchvision::nms does not exist".
Declaring the two operators' schemas first makes data sets, transforms, models and utilities work;
the operators themselves (`ops.nms`, image codecs) still raise when called.

Use `from privrob._torchvision import torchvision`, inside the function that needs it: the import
takes seconds.
"""

import importlib
import sys
from types import ModuleType

import torch

_libraries: list[torch.library.Library] = []  # a schema lives as long as its library object


def _import_torchvision() -> ModuleType:
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # half-imported
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _libraries.append(library)
    return importlib.import_module("torchvision")


torchvision = _import_torchvision()
