"""Arrays from files that users give: npy and npz, never a pickle."""

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from hps_trt.errors import UserError

if TYPE_CHECKING:
    import numpy as np


_DAMAGED = (
    ValueError,
    EOFError,
    MemoryError,  # a header that says more than there is
    KeyError,
    OverflowError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


def load_array(path: Path) -> "np.ndarray":
    """The array of a .npy file.

    Raises:
        UserError: the file is no .npy file, or is damaged.
        OSError: it cannot be read.
    """
    loaded = _load(path)
    if isinstance(loaded, dict):
        raise UserError(f"{path}: an .npz archive; a single array (.npy) is needed here")
    return loaded


def load_arrays(path: Path) -> "dict[str, np.ndarray]":
    """The arrays of an .npz file by name; errors as `load_array`."""
    loaded = _load(path)
    if not isinstance(loaded, dict):
        raise UserError(
            f"{path}: a single array; an .npz archive with one array per input is needed"
        )
    return loaded


def _load(path: Path) -> "np.ndarray | dict[str, np.ndarray]":
    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except _DAMAGED as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a readable numpy file: {line}") from error
