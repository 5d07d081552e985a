// The rules of OPERATOR.md that tie a version "2" node's attributes to each other. Internal to
// NodeSpec::parse.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "lookup/node_spec.h"

namespace hps {

inline constexpr std::int64_t kMaxLookups = 4096;
inline constexpr std::int64_t kMaxInputs = 4 * kMaxLookups;  ///< ids, layout, size, weights
inline constexpr std::int64_t kMaxDim = 1 << 20;
inline constexpr std::size_t kMaxRank = 64;
inline constexpr std::size_t kMaxText = 1 << 20;  ///< bytes of one string attribute

template <class... Parts>
[[noreturn]] void invalid(const Parts&... parts) {
  fail(ErrorCode::kInvalidArgument, "HPS_TRT node: ", parts...);
}

/// `spec` as read, every number in its own range, bundle_id still spelled as in the node.
/// @throws Error(kInvalidArgument) naming attribute, position and value.
void check_rules(const NodeSpec& spec);

}  // namespace hps
