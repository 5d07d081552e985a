// A strided, read-only view of the ids of one lookup, as they lie in the caller's tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/data_type.h"

namespace hps {

using Key = std::int64_t;

/// `count` ids of `type` (kInt32 or kInt64); id i lies `stride * i` elements after `data`.
/// A packed tensor [B, C] whose column k is looked up is {data + k, type, B, C}.
/// Nothing needs to be aligned: hosts pass on what their callers fed them.
/// `wrap_rows` > 0: index mode `onnx`, an id in [-wrap_rows, -1] means id + wrap_rows. 0: every id
/// is the key itself. Not owned; trivially copyable, so it also serves as a kernel argument.
struct KeyView {
  const void* data = nullptr;
  DataType type = DataType::kInt64;
  std::size_t count = 0;
  std::ptrdiff_t stride = 1;
  std::int64_t wrap_rows = 0;

  Key operator[](std::size_t i) const noexcept {
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(i) * stride;
    return wrap(type == DataType::kInt32 ? Key{load<std::int32_t>(data, at)}
                                         : Key{load<std::int64_t>(data, at)});
  }
  /// Id `at` of an array of ids.
  template <class Id>
  static Id load(const void* ids, std::ptrdiff_t at) noexcept {
    Id id;
    std::memcpy(&id, static_cast<const std::byte*>(ids) + at * std::ptrdiff_t{sizeof(Id)},
                sizeof(Id));
    return id;
  }
  Key wrap(Key id) const noexcept { return id < 0 && id >= -wrap_rows ? id + wrap_rows : id; }

  /// The ids [begin, begin + n).
  KeyView slice(std::size_t begin, std::size_t n) const noexcept {
    KeyView part = *this;
    const auto* bytes = static_cast<const std::byte*>(data);
    const std::ptrdiff_t width = type == DataType::kInt32 ? 4 : 8;
    part.data = bytes + static_cast<std::ptrdiff_t>(begin) * stride * width;
    part.count = n;
    return part;
  }
};

}  // namespace hps
