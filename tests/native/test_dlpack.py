"""DLPack tensors made by hand: versions, strides, offsets, flags, types, and who frees them."""

import ctypes
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from hps_trt import dlpack
from hps_trt.errors import UserError
from hps_trt.native import Service

Make = Callable[..., Any]

CODES = {"int32": (0, 32), "int64": (0, 64), "float32": (2, 32), "float16": (2, 16)}
CODES |= {"bfloat16": (4, 16), "float64": (2, 64), "uint8": (1, 8)}

_new_capsule = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
)(("PyCapsule_New", ctypes.pythonapi))


class Producer:
    """Lends a numpy array as another framework would; counts how often it gets it back."""

    def __init__(
        self,
        array: np.ndarray,
        *,
        versioned: bool = True,
        read_only: bool = False,
        major: int = 1,
        device: int = 1,
        with_strides: bool = True,
        byte_offset: int = 0,
        knows_max_version: bool = True,
    ) -> None:
        self.returned = 0
        self.asked: list[object] = []
        self._array = array
        self._versioned = versioned
        self._device = device
        self._knows_max_version = knows_max_version
        rank = array.ndim
        self._shape = (ctypes.c_int64 * max(rank, 1))(*array.shape)
        steps = [step // array.itemsize for step in array.strides]
        self._strides = (ctypes.c_int64 * max(rank, 1))(*steps)
        self._deleter = dlpack.DELETER(self._take_back)
        kind: Any = dlpack.DLManagedTensorVersioned if versioned else dlpack.DLManagedTensor
        self.managed = kind(deleter=self._deleter)
        if versioned:
            self.managed.major = major
            self.managed.flags = 1 if read_only else 0
        tensor = self.managed.dl_tensor
        tensor.data = array.ctypes.data - byte_offset
        tensor.byte_offset = byte_offset
        tensor.device = dlpack.DLDevice(device, 0)
        tensor.ndim = rank
        tensor.dtype = dlpack.DLDataType(*CODES[array.dtype.name], 1)
        tensor.shape = self._shape
        if with_strides:
            tensor.strides = self._strides

    def _take_back(self, address: int) -> None:
        assert address == ctypes.addressof(self.managed)
        self.returned += 1

    def __dlpack_device__(self) -> tuple[int, int]:
        return (self._device, 0)

    def __dlpack__(self, **options: object) -> object:
        if options and not self._knows_max_version:
            raise TypeError("unexpected keyword argument 'max_version'")
        self.asked.append(options.get("max_version"))
        name = b"dltensor_versioned" if self._versioned else b"dltensor"
        self.capsule = _new_capsule(ctypes.addressof(self.managed), name, None)
        return self.capsule


@pytest.fixture
def table(make_config: Make, make_rows: Make) -> Any:
    """A service over 20 x 6 fp32 rows, and the rows."""
    rows = make_rows(20, 6)
    with Service.open(make_config(rows)) as service:
        yield SimpleNamespace(service=service, rows=rows)


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize("key_type", [np.int32, np.int64])
def test_keys_and_out(table: Any, versioned: bool, key_type: type) -> None:
    ids = np.array([[3, 19], [0, 7]], key_type)
    memory = np.zeros((2, 2, 6), np.float32)
    keys, out = Producer(ids, versioned=versioned), Producer(memory, versioned=versioned)
    assert table.service.lookup("m", "t", keys, out=out) is out
    assert memory.tobytes() == table.rows[ids].tobytes()
    assert (keys.returned, out.returned) == (1, 1)
    assert keys.asked == [dlpack.MAX_VERSION]
    used = dlpack._USED_VERSIONED if versioned else dlpack._USED
    assert dlpack._is_valid(keys.capsule, used)


def test_a_producer_of_before_version_1(table: Any) -> None:
    keys = Producer(np.array([4, 5]), versioned=False, knows_max_version=False)
    assert table.service.lookup("m", "t", keys).tobytes() == table.rows[[4, 5]].tobytes()
    assert keys.asked == [None]
    assert keys.returned == 1


def test_strides_and_offset(table: Any) -> None:
    packed = np.arange(20, dtype=np.int32).reshape(5, 4)
    keys = Producer(packed[:, 2], byte_offset=8)
    wide = np.full((5, 10), 7, np.float32)
    out = Producer(wide[:, 3:9], byte_offset=12)
    table.service.lookup("m", "t", keys, out=out)
    assert wide[:, 3:9].tobytes() == table.rows[packed[:, 2]].tobytes()
    assert (wide[:, [0, 1, 2, 9]] == 7).all()
    backwards = np.arange(6)[::-1]
    found = table.service.lookup("m", "t", Producer(backwards))
    assert found.tobytes() == table.rows[backwards].tobytes()


def test_without_strides_a_tensor_is_contiguous(table: Any) -> None:
    ids = np.array([[1, 2, 3], [4, 5, 6]])
    found = table.service.lookup("m", "t", Producer(ids, with_strides=False))
    assert found.tobytes() == table.rows[ids].tobytes()


@pytest.mark.parametrize("out", ["float32", "float16", "bfloat16"])
def test_types_of_out(table: Any, out: str) -> None:
    dtype = np.dtype(getattr(ml_dtypes, out, out))
    memory = np.zeros((3, 6), dtype)
    table.service.lookup("m", "t", [1, 2, 3], out=Producer(memory))
    assert memory.tobytes() == table.rows[[1, 2, 3]].astype(dtype).tobytes()


def test_a_read_only_tensor_is_no_out_but_may_hold_keys(table: Any) -> None:
    memory = np.zeros((2, 6), np.float32)
    out = Producer(memory, read_only=True)
    with pytest.raises(UserError, match="out: is read-only"):
        table.service.lookup("m", "t", [1, 2], out=out)
    assert out.returned == 1
    assert not memory.any()
    keys = Producer(np.array([1, 2]), read_only=True)
    assert table.service.lookup("m", "t", keys).tobytes() == table.rows[[1, 2]].tobytes()


def test_empty_and_rank_0(table: Any) -> None:
    empty = Producer(np.zeros((0, 3), np.int64))
    assert table.service.lookup("m", "t", empty).shape == (0, 3, 6)
    assert empty.returned == 1
    scalar = Producer(np.array(11))
    assert table.service.lookup("m", "t", scalar).tobytes() == table.rows[11].tobytes()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "device": ({"device": 2}, "device type 2"),
    "version": ({"major": 2}, "DLPack version 2.0"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_used_is_given_back(table: Any, what: str) -> None:
    options, message = REFUSED[what]
    keys = Producer(np.array([1]), **options)
    with pytest.raises(UserError, match=message):
        table.service.lookup("m", "t", keys)
    assert keys.returned == len(keys.asked)  # a tensor elsewhere is not even asked for


def test_a_capsule_on_another_device_than_said_is_given_back(table: Any) -> None:
    keys = Producer(np.array([1]))
    keys.managed.dl_tensor.device.device_type = 2
    with pytest.raises(UserError, match="device type 2"):
        table.service.lookup("m", "t", keys)
    assert keys.returned == 1


def test_malformed_tensors_are_refused_and_given_back(table: Any) -> None:
    def lanes(tensor: Any) -> None:
        tensor.dtype.lanes = 4

    def rank(tensor: Any) -> None:
        tensor.ndim = -1

    def extent(tensor: Any) -> None:
        tensor.shape[0] = -5

    def data(tensor: Any) -> None:
        tensor.data = None

    messages = [(lanes, "4 lanes"), (rank, "rank -1"), (extent, "negative"), (data, "no memory")]
    for spoil, message in messages:
        keys = Producer(np.array([1, 2]))
        spoil(keys.managed.dl_tensor)
        with pytest.raises(UserError, match=message):
            table.service.lookup("m", "t", keys)
        assert keys.returned == 1


def test_errors_of_the_lookup_give_all_back(table: Any) -> None:
    keys, out = Producer(np.array([1, 2])), Producer(np.zeros((3, 6), np.float32))
    with pytest.raises(UserError, match="shape"):
        table.service.lookup("m", "t", keys, out=out)
    assert (keys.returned, out.returned) == (1, 1)
    floats = Producer(np.zeros(2))
    with pytest.raises(UserError, match="not supported"):
        table.service.lookup("m", "t", floats)
    assert floats.returned == 1
    wrong = Producer(np.zeros(2, np.float32))
    with pytest.raises(UserError, match="keys: are fp32"):
        table.service.lookup("m", "t", wrong)
    assert wrong.returned == 1


def test_a_capsule_may_be_used_once(table: Any) -> None:
    class Again(Producer):
        def __dlpack__(self, **options: object) -> object:
            return self.capsule if self.asked else super().__dlpack__(**options)

    keys = Again(np.array([1]))
    table.service.lookup("m", "t", keys)
    with pytest.raises(UserError, match="unused"):
        table.service.lookup("m", "t", keys)
    assert keys.returned == 1


def test_a_producer_that_refuses(table: Any) -> None:
    class Refusing:
        def __dlpack__(self, **_options: object) -> object:
            raise BufferError("not now")

    with pytest.raises(UserError, match="keys: its producer refuses to lend it: not now"):
        table.service.lookup("m", "t", Refusing())


def test_a_tensor_without_deleter(table: Any) -> None:
    keys = Producer(np.array([1]))
    keys.managed.deleter = dlpack.DELETER()
    assert table.service.lookup("m", "t", keys).tobytes() == table.rows[[1]].tobytes()
    assert keys.returned == 0


def test_closing_a_loan_twice_gives_back_once() -> None:
    keys = Producer(np.array([1, 2]))
    loan = dlpack.Borrowed(keys, "keys")
    assert loan.dtype == "int64"
    assert loan.array.tolist() == [1, 2]
    assert keys.returned == 0
    loan.close()
    loan.close()
    del loan
    assert keys.returned == 1
