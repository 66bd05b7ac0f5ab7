"""The one door to torchvision.

The torchvision wheel on the package index is built for CUDA; beside a CPU build of torch its
import stops at ``operator torchvision::nms does not exist``, although data sets, transforms and
models need none of its compiled operators. Everything in the package that wants torchvision asks
here, and only when it needs it, so that ``import lnescape`` stays light.
"""

import importlib
import sys
from types import ModuleType

import torch

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_libraries: list[torch.library.Library] = []  # an operator lives only as long as its library


def torchvision() -> ModuleType:
    """Import torchvision, also where its compiled operators don't fit the installed torch.

    A matched pair of builds is imported untouched. With a mismatched pair the two operators
    that torchvision registers fake kernels for are declared without a body, and the import is
    repeated: data sets, transforms and models work, ``torchvision.ops.nms`` does not.

    Returns:
        The module ``torchvision``.

    Raises:
        ImportError: If torchvision is not installed.
        RuntimeError: If its import fails for another reason than the missing operators.

    Example:
        >>> torchvision().datasets.CIFAR10.base_folder
        'cifar-10-batches-py'
    """
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        raise ImportError(
            "torchvision is not installed; install the version that belongs to your torch (see constraints.txt)."
        ) from error
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    if not _libraries:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(operator + _SIGNATURE)
        _libraries.append(library)
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]  # half imported: a second import would take them as they are
    return importlib.import_module("torchvision")
