"""Device "standin": on any machine, without a GPU, it refuses operations on tensors of two devices, as a GPU does."""

import os
import shutil
import types
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import torch
from torch.utils import cpp_extension

SOURCE = Path(__file__).with_suffix(".cpp")
NAME = "standin"


def missing() -> str:
    """Return what this machine lacks to compile the device; an empty text for nothing."""
    compiler = os.environ.get("CXX", "c++")  # which torch takes
    if shutil.which(compiler) is None:
        return f"no C++ compiler, {compiler}"
    if shutil.which("ninja") is None:
        return "no ninja"
    return "" if (Path(torch.__file__).parent / "include" / "ATen" / "ATen.h").exists() else "no headers of torch"


def register() -> None:
    """Make the device known to torch in this process; it stays until the process ends."""
    torch.ops.load_library(_compiled())
    torch.utils.rename_privateuse1_backend(NAME)
    torch._register_device_module(NAME, _module())
    # Some convolutions of oneDNN write past their memory where channels lie last, as they do on accelerators.
    torch.backends.mkldnn.set_flags(False)


def _compiled() -> Path:
    """Return the library, compiled once for this source and this version of torch, and kept in torch's cache."""
    root = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or cpp_extension.get_default_build_root())
    kept = root / f"{NAME}-{torch.__version__}-{crc32(SOURCE.read_bytes()):08x}.so"
    if not kept.exists():
        root.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("MAX_JOBS", "1")
        # In a folder of its own and moved in one step: what is killed half-way leaves neither a lock nor half a file.
        with TemporaryDirectory(dir=root) as folder:
            options = {"extra_cflags": ["-O0", "-g0"], "build_directory": folder, "is_python_module": False}
            built = Path(folder) / f"{NAME}{cpp_extension.LIB_EXT}"
            cpp_extension.load(NAME, [str(SOURCE)], **options)
            os.replace(built, kept)
    return kept


def _module() -> types.ModuleType:
    """Return the module that torch asks about the device."""
    module = types.ModuleType(f"torch.{NAME}")
    module.is_available = lambda: True
    module.device_count = lambda: 1
    module.current_device = lambda: 0
    module.get_amp_supported_dtype = lambda: [torch.bfloat16]
    module._is_in_bad_fork = lambda: False
    module.manual_seed_all = lambda seed: None  # chance is the CPU's
    return module
