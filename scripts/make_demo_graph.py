"""Writes hps_trt/demo/dlrm.onnx again: a DLRM as PyTorch's dynamo exporter writes it, without rows.

    python scripts/make_demo_graph.py

Needs torch and onnxscript, and hps-trt importable. The tables are exported with one row each and
then refer to a data file that `hps_trt.demo.dlrm.write_model` makes; the MLPs' weights stay inline.
"""

from __future__ import annotations

import sys
from itertools import pairwise

import onnx
import torch
from torch import nn

from hps_trt.demo import dlrm

SEED = 7


def mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Dlrm(nn.Module):
    """Bottom MLP, 26 lookups, dot products of all pairs, top MLP, sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        features = len(dlrm.ROWS) + 1
        self.embs = nn.ModuleList(nn.Embedding(1, dlrm.DIM) for _ in dlrm.ROWS)
        self.bottom = mlp(dlrm.DENSE_FEATURES, 512, 256, dlrm.DIM)
        pairs = torch.tril_indices(features, features, offset=-1)
        self.register_buffer("pairs", pairs[0] * features + pairs[1])
        self.top = mlp(dlrm.DIM + pairs.shape[1], 256, 64, 1)

    def forward(self, dense: torch.Tensor, cat: torch.Tensor) -> torch.Tensor:
        """Dense [B, 13] and ids [B, 26] to the chance of a click, [B, 1]."""
        x = torch.relu(self.bottom(dense))
        rows = torch.stack([x, *(emb(cat[:, k]) for k, emb in enumerate(self.embs))], dim=1)
        dots = torch.bmm(rows, rows.transpose(1, 2)).flatten(1)
        pairs = torch.index_select(dots, 1, self.pairs)
        return torch.sigmoid(self.top(torch.cat([x, pairs], dim=1)))


def main() -> int:
    torch.manual_seed(SEED)
    dense = torch.randn(2, dlrm.DENSE_FEATURES)
    cat = torch.zeros(2, len(dlrm.ROWS), dtype=torch.int64)
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        Dlrm().eval(),
        (dense, cat),
        input_names=["dense", "cat"],
        output_names=["click"],
        dynamic_shapes=({0: batch}, {0: batch}),
        opset_version=18,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    model = program.model_proto
    onnx.checker.check_model(model, full_check=True)
    for number, (rows, offset) in enumerate(dlrm.layout(dlrm.ROWS)):
        dlrm.refer_to_rows(dlrm.table_of(model, number), rows, offset)
    tables = {f"embs.{number}.weight" for number in range(len(dlrm.ROWS))}
    stale = [value for value in model.graph.value_info if value.name in tables]
    for value in stale:  # these say one row
        model.graph.value_info.remove(value)
    for node in model.graph.node:
        # What tells the module of a node stays; the stack of whoever exported it does not.
        kept = [p for p in node.metadata_props if p.key != "pkg.torch.onnx.stack_trace"]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    model.ir_version = 10
    dlrm.GRAPH.write_bytes(model.SerializeToString())
    print(f"{dlrm.GRAPH}: {dlrm.GRAPH.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
