// One call of a node, measured and checked: what Node::run works from. Internal to lookup.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/keys.h"
#include "lookup/node.h"
#include "lookup/node_spec.h"

namespace hps {

/// One lookup of one call: where its ids, bags, weights and output columns lie.
/// An item is a row (layout 0) or a bag (all others).
struct LookupCall {
  const LookupSpec* spec = nullptr;
  std::size_t index = 0;
  KeyView ids;  ///< all of them, flat; not wrapped
  std::size_t items = 0;
  std::size_t items_per_sample = 1;
  std::size_t bag_length = 0;            ///< kPooled: ids of every bag
  std::span<const std::int64_t> starts;  ///< layouts 2 to 5: items + 1 positions in `ids`
  const TensorIn* weights = nullptr;
  std::byte* out = nullptr;  ///< column 0 of this block in item 0
  std::size_t out_stride = 0;
  DataType out_type = DataType::kFloat32;

  std::size_t first_id(std::size_t item) const noexcept {
    if (!starts.empty()) return static_cast<std::size_t>(starts[item]);
    return spec->layout == Layout::kPlain ? item : item * bag_length;
  }
};

/// Everything that is known from shapes alone.
struct Measure {
  std::vector<LookupCall> lookups;  ///< without starts and out
  std::vector<std::vector<std::int64_t>> shapes;
};

/// @throws Error(kInvalidArgument) naming lookup, input and shape when counts, types, ranks or
/// extents contradict the node, or an output would be larger than memory can be.
Measure measure(const NodeSpec& spec, std::span<const TensorIn> inputs);

/// Points every lookup at its columns of `outputs`. @throws Error(kInvalidArgument) when their
/// number is wrong or one that has elements has no data.
void place_outputs(const NodeSpec& spec, Measure& call, std::span<const TensorOut> outputs);

/// The bag borders of layouts 2 to 5 of all `lookups`, checked value by value; `storage` is reused
/// and holds them. @throws Error(kInvalidArgument) naming lookup, input, position and value.
void find_bags(std::span<LookupCall> lookups, std::span<const TensorIn> inputs,
               std::vector<std::int64_t>& storage);

}  // namespace hps
