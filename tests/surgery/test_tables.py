"""Rows come out bit for bit, from every place where ONNX may keep them, in bounded memory."""

import os
import tracemalloc

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx_models import BFLOAT16, FLOAT, FLOAT16, INT64, model, node, one_gather, table, value

from hps_trt import surgery

#: NaNs with payloads (quiet and signalling), infinities, both zeros, a subnormal.
ODD_FP32 = [0x7FC12345, 0x7F812345, 0xFFF00001, 0x7F800000, 0xFF800000, 0x80000000, 0, 1]
ODD_FP16 = [0x7E01, 0x7D01, 0xFE55, 0x7C00, 0xFC00, 0x8000, 0x0000, 0x0001]


def source_of(proto, source_dir=None):
    loaded = surgery.load(proto, source_dir=source_dir)
    sources = surgery.table_sources(loaded, surgery.make_plan(surgery.find(loaded)))
    (source,) = sources.values()
    return source


def data_of(source, block_bytes=8 << 20):
    return b"".join(bytes(block) for block in source.blocks(block_bytes))


def lookup_model(tensor):
    return model(
        [node("Gather", ["w", "ids"], ["rows"])],
        [value("ids", INT64, ["B"])],
        [value("rows", tensor.data_type, None)],
        {"w": tensor},
    )


def typed(elem_type, numbers):
    tensor = onnx.TensorProto(name="w", data_type=elem_type, dims=[2, 4])
    if elem_type == FLOAT:
        raw = np.array(numbers, "<u4").tobytes()
        # Parsed from bytes, as a file would be: Python floats would not keep signalling NaNs.
        tensor.MergeFromString(bytes([0x22, len(raw)]) + raw)
    else:
        tensor.int32_data.extend(numbers)
    return tensor


@pytest.mark.parametrize(
    ("elem_type", "numbers", "width"),
    [(FLOAT, ODD_FP32, "<u4"), (FLOAT16, ODD_FP16, "<u2"), (BFLOAT16, ODD_FP16, "<u2")],
)
@pytest.mark.parametrize("storage", ["raw", "typed", "external"])
def test_every_bit_is_kept(elem_type, numbers, width, storage, tmp_path):
    data = np.array(numbers, width).tobytes()
    if storage == "typed":
        tensor = typed(elem_type, numbers)
    else:
        tensor = onnx.TensorProto(name="w", data_type=elem_type, dims=[2, 4], raw_data=data)
    if storage == "external":
        move_out(tensor, tmp_path / "w.bin")
    assert data_of(source_of(lookup_model(tensor), tmp_path)) == data


def move_out(tensor, path, before=b"", **entries):
    """Puts a tensor's data into a file of its own."""
    path.write_bytes(before + tensor.raw_data)
    entries = {"location": path.name, **({"offset": str(len(before))} if before else {}), **entries}
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, text in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, text
    return tensor


def external(tmp_path, **entries):
    """A model whose 10 x 4 table is external, and its bytes."""
    rows = table(10, 4)
    tensor = numpy_helper.from_array(rows, "w")
    move_out(tensor, tmp_path / "w.bin", b"skipped!", **entries)
    return lookup_model(tensor), rows.tobytes()


def test_describes_itself(tmp_path):
    proto, _ = external(tmp_path)
    source = source_of(proto, tmp_path)
    assert (source.name, source.initializer) == ("w", "w")
    assert (source.rows, source.dim, source.dtype, source.nbytes) == (10, 4, "fp32", 160)


@pytest.mark.parametrize("block_bytes", [1, 7, 16, 159, 160, 161, 8 << 20])
@pytest.mark.parametrize("where", ["memory", "file"])
def test_blocks_of_any_size(tmp_path, block_bytes, where):
    if where == "file":
        proto, data = external(tmp_path)
    else:
        proto, data = one_gather(), table(10, 4).tobytes()
    source = source_of(proto, tmp_path)
    sizes = [len(block) for block in source.blocks(block_bytes)]
    assert sizes == [block_bytes] * (160 // block_bytes) + [160 % block_bytes] * bool(
        160 % block_bytes
    )
    assert data_of(source, block_bytes) == data


def test_a_file_is_read_through_one_small_buffer(tmp_path):
    """3 GB that are a hole in a file: read the first blocks of a table larger than an ONNX file
    may be."""
    path = tmp_path / "w.bin"
    rows, dim = 3 << 20, 256
    with path.open("wb") as file:
        file.write(b"\1" * 1024)
        file.truncate(rows * dim * 4)
    tensor = onnx.TensorProto(name="w", data_type=FLOAT, dims=[rows, dim])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "w.bin"
    proto = lookup_model(tensor)
    tracemalloc.start()
    try:
        source = source_of(proto, tmp_path)
        blocks = source.blocks()
        total = len(next(blocks))
        for _ in range(40):
            total += len(next(blocks))
        blocks.close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        path.unlink()
    assert source.nbytes == 3 << 30
    assert total == 41 * (8 << 20)
    assert peak < 16 << 20


def refuses(proto, tmp_path, *words):
    with pytest.raises(surgery.SurgeryError) as caught:
        data_of(source_of(proto, tmp_path))
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "location",
    ["../w.bin", "/etc/hostname", "", "a/../../w.bin", "w.bin\0", "..", "."],
)
def test_a_location_outside_the_folder_is_refused(tmp_path, location):
    proto, _ = external(tmp_path, location=location)
    refuses(proto, tmp_path, "tensor 'w'")


def test_links_that_leave_the_folder_are_refused(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    proto, data = external(tmp_path)
    (inside / "w.bin").symlink_to(tmp_path / "w.bin")
    refuses(proto, inside, "leads out of the model's folder")
    (tmp_path / "again.bin").symlink_to("w.bin")
    proto, _ = external(tmp_path, location="again.bin")
    assert data_of(source_of(proto, tmp_path)) == data


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        proto, _ = external(tmp_path, location=name)
        refuses(proto, tmp_path, name, "not a regular file")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"location": "missing.bin"}, ("missing.bin", "cannot be read")),
        ({"offset": "9"}, ("only 168 bytes",)),
        ({"offset": "-1"}, ("offset '-1'",)),
        ({"offset": "0x8"}, ("offset '0x8'",)),
        ({"offset": "9" * 30}, ("offset",)),
        ({"offset": "٣"}, ("offset",)),
        ({"length": "159"}, ("length 159", "need 160")),
        ({"length": "1" + "0" * 18}, ("length",)),
        ({"length": ""}, ("length ''",)),
    ],
)
def test_offsets_and_lengths_are_checked(tmp_path, entries, words):
    proto, _ = external(tmp_path, **entries)
    refuses(proto, tmp_path, "tensor 'w'", *words)


def test_a_key_of_external_data_given_twice(tmp_path):
    proto, _ = external(tmp_path)
    entry = proto.graph.initializer[0].external_data.add()
    entry.key, entry.value = "offset", "0"
    refuses(proto, tmp_path, "'offset' is given twice")


def test_a_file_that_is_cut_short(tmp_path):
    proto, _ = external(tmp_path)
    os.truncate(tmp_path / "w.bin", 100)
    refuses(proto, tmp_path, "w.bin", "cut short")


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    proto, _ = external(tmp_path)
    blocks = source_of(proto, tmp_path).blocks(16)
    next(blocks)
    os.truncate(tmp_path / "w.bin", 100)
    with pytest.raises(surgery.SurgeryError, match=r"w\.bin: ended 68 bytes early"):
        list(blocks)


def test_a_model_from_memory_needs_a_folder_for_external_data(tmp_path):
    proto, _ = external(tmp_path)
    refuses(proto, None, "source_dir")


@pytest.mark.parametrize("elem_type", [FLOAT, FLOAT16])
@pytest.mark.parametrize("storage", ["raw", "typed"])
@pytest.mark.parametrize("count", [0, 7, 9])
def test_data_that_does_not_fit_the_extents(elem_type, storage, count):
    tensor = onnx.TensorProto(name="w", data_type=elem_type, dims=[2, 4])
    if storage == "raw":
        tensor.raw_data = b"\0" * count * (4 if elem_type == FLOAT else 2)
    elif elem_type == FLOAT:
        tensor.float_data.extend([0.0] * count)
    else:
        tensor.int32_data.extend([0] * count)
    refuses(lookup_model(tensor), None, "'w'", "want")


def test_numbers_of_more_than_16_bits():
    tensor = onnx.TensorProto(name="w", data_type=FLOAT16, dims=[1, 2], int32_data=[0, 1 << 16])
    refuses(lookup_model(tensor), None, "more than 16 bits")


def test_a_constant_node_is_a_source():
    rows = table(10, 4, dtype=ml_dtypes.bfloat16)
    tensor = numpy_helper.from_array(rows, "")
    proto = model(
        [node("Constant", [], ["w"], value=tensor), node("Gather", ["w", "ids"], ["rows"])],
        [value("ids", INT64, ["B"])],
        [value("rows", BFLOAT16, None)],
    )
    source = source_of(proto)
    assert source.dtype == "bf16"
    assert data_of(source) == rows.tobytes()
