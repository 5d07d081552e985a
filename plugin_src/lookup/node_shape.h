// Shapes of a node: the symbolic rule of NodeSpec::output_shape, and its evaluation on numbers.
// Internal to lookup.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lookup/node.h"
#include "lookup/node_spec.h"

namespace hps {

/// Extents before the last axis of what `lookup` (the node's `index`-th) writes; none for a
/// scalar id.
/// @throws Error(kInvalidArgument) when ranks contradict the layout.
std::vector<DimSource> leading_extents(const LookupSpec& lookup, std::size_t index,
                                       std::span<const std::int32_t> input_ranks);

/// `extents` on actual shapes. @throws Error(kInvalidArgument) for one below 0.
std::vector<std::int64_t> evaluate(std::span<const DimSource> extents, std::size_t index,
                                   std::span<const TensorIn> inputs);

/// Product of the extents. @throws Error(kInvalidArgument) for a negative one or an overflow,
/// saying which tensor has them: `kind` ("input") and its position.
std::int64_t product(std::span<const std::int64_t> extents, const char* kind, std::size_t position);

/// "[2, 3]"
std::string shape_text(std::span<const std::int64_t> extents);

}  // namespace hps
