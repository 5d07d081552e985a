"""Arrays from files that users give: npy and npz, never a pickle."""

import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hps_trt.errors import UserError

if TYPE_CHECKING:
    import numpy as np


_NPY, _ZIP = b"\x93NUMPY", b"PK"

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


def save_array(file: IO[bytes], array: "np.ndarray") -> None:
    """Writes a .npy file; `numpy.save` would hide why a disk takes no more."""
    import numpy as np

    whole = np.ascontiguousarray(array)
    header = np.lib.format.header_data_from_array_1_0(whole)
    np.lib.format.write_array_header_1_0(file, header)
    file.write(whole.data)


def _load(path: Path) -> "np.ndarray | dict[str, np.ndarray]":
    import numpy as np

    if path.exists() and not path.is_file():  # a pipe or a device would be waited for
        raise UserError(f"{path}: not a regular file; give a .npy or .npz file")
    try:
        with path.open("rb") as file:
            start = file.read(len(_NPY))
        if not start.startswith((_NPY, _ZIP)):  # numpy would speak of pickles
            raise UserError(f"{path}: not a .npy or .npz file; write one with numpy.save or savez")
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except _DAMAGED as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a readable numpy file: {line}") from error
