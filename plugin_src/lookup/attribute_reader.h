// Reads attributes of one kind or the other, saying what is wrong with them. Internal to NodeSpec.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "lookup/node_spec.h"

namespace hps {

inline constexpr std::int64_t kMaxInt32 = std::numeric_limits<std::int32_t>::max();
inline constexpr std::int64_t kMinInt32 = std::numeric_limits<std::int32_t>::min();

/// Every function throws Error(kInvalidArgument) that names attribute, position and value.
class AttributeReader {
 public:
  explicit AttributeReader(const Attributes& attributes) : attributes_(attributes) {}

  bool has(std::string_view name) const { return attributes_.find(name) != attributes_.end(); }

  /// Every required name is there, and none that is not known (Error(kUnsupported)).
  void check_names(int version) const;

  /// Without the '\0' that parsers and people append.
  std::string text(const char* name) const;

  /// Each fits in 32 bits.
  const std::vector<std::int64_t>& integers(const char* name) const;

  /// Exactly one, in [low, high].
  std::int32_t integer(const char* name, std::int64_t low, std::int64_t high) const;

  /// `lookups` of them in [low, high]; one above is Error(kUnsupported) when the range `may_grow`.
  std::vector<std::int32_t> per_lookup(const char* name, std::size_t lookups, std::int64_t low,
                                       std::int64_t high, bool may_grow) const;

  /// 1 to `most` element types of outputs, or with `inputs` also of ids.
  std::vector<DataType> types(const char* name, std::size_t most, bool inputs) const;

 private:
  const AttributeValue& get(const char* name) const;

  const Attributes& attributes_;
};

}  // namespace hps
