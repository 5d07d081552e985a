"""Protobuf messages field by field: copying all but some, and finding text that is not UTF-8."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import onnx

_TENSOR = onnx.TensorProto.DESCRIPTOR.full_name


def copy_fields(source: Any, target: Any, but: Collection[str]) -> None:
    """Copies every field of a message that is set, apart from those named in `but`."""
    for field, value in source.ListFields():
        if field.name in but:
            continue
        if _is_repeated(field):
            getattr(target, field.name).extend(value)
        elif field.type == field.TYPE_MESSAGE:
            getattr(target, field.name).CopyFrom(value)
        else:
            setattr(target, field.name, value)


def is_text(message: Any) -> bool:
    """Whether all text in a protobuf message and the messages below it is UTF-8.

    Protobuf's parser lets other text pass, and every place that touched such a name later would
    fail in a way of its own; so a model is looked through once, when it is loaded.
    """
    try:
        return _is_text(message)
    except UnicodeDecodeError:  # how protobuf reports it for a single value
        return False


def _is_text(message: Any) -> bool:
    if message.DESCRIPTOR.full_name == _TENSOR:
        # Not its other fields: asking for the data of a tensor copies it.
        return (
            isinstance(message.name, str)
            and isinstance(message.doc_string, str)
            and all(_is_text(entry) for entry in message.external_data)
        )
    for field, value in message.ListFields():
        values = value if _is_repeated(field) else [value]
        if field.type == field.TYPE_STRING and not all(isinstance(item, str) for item in values):
            return False  # how it reports it for one of a list
        if field.type == field.TYPE_MESSAGE and not all(_is_text(item) for item in values):
            return False
    return True


def _is_repeated(field: Any) -> bool:
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == field.LABEL_REPEATED)  # protobuf before 6
