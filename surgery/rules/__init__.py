"""The rules: each file is one pattern, its check, and what takes its place.

A lookup rule looks at one node and answers with a `Match` (what the lookup reads), a `Refused` (it
looks like a lookup but must stay, and why) or None (nothing of its kind). An index rule takes a
step back from the ids: what it strips need not be computed when the lookup reads the tensor before
it.

A new pattern is a new file here and its line in the list below.
"""

from hps_trt.surgery.rules import gather, gather_nd, keras_index, one_hot_matmul, packed_column
from hps_trt.surgery.rules.base import IndexRule, LookupRule

LOOKUP_RULES: tuple[LookupRule, ...] = (
    gather.GatherRule(),
    gather_nd.GatherNdRule(),
    one_hot_matmul.OneHotMatMulRule(),
)
INDEX_RULES: tuple[IndexRule, ...] = (
    keras_index.KerasIndexRule(),
    packed_column.PackedColumnRule(),
)
