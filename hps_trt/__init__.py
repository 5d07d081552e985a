"""Serve trained recommenders with embedding tables larger than a GPU, from ONNX."""

__version__ = "0.1.0"
