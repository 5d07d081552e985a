// A tier: finds batches of keys. The contract that tests/cpp/store_conformance.h holds every
// implementation and every wrapper to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/data_type.h"
#include "base/keys.h"

namespace hps {

/// What one row is. A stored row is `dim` elements of `type`; for kInt8 the row's fp32 scale
/// follows the elements directly (unaligned), so `row_bytes()` is dim + 4.
struct RowShape {
  std::uint32_t dim = 0;
  DataType type = DataType::kFloat32;

  std::size_t row_bytes() const;
  bool operator==(const RowShape&) const = default;
};

/// Where rows go: row i is written at `data + i * stride` (bytes), `row_bytes()` bytes of it.
/// Bytes between rows are left alone. `stride` may be any value >= row_bytes().
struct RowsOut {
  std::byte* data = nullptr;
  std::size_t stride = 0;
};

/// The positions (indices into the batch, ascending) whose key the store does not hold.
using Missing = std::vector<std::uint32_t>;

/// Thread safety: `find`, `size`, `iterate` may run concurrently with each other and with `put`
/// and `erase`; a row that `find` returns is always a whole row, old or new. No key value is
/// special. A miss is data (it is listed in `missing`); a failure is an exception of type Error.
class Store {
 public:
  virtual ~Store() = default;

  virtual const RowShape& shape() const noexcept = 0;

  /// Keys held now. May be approximate while writers run.
  virtual std::uint64_t size() const = 0;

  /// Keys put or erased over what a store below holds; 0 for a store that has nothing below.
  virtual std::uint64_t changes() const { return 0; }

  /// Writes the row of keys[i] to row i of `out` for every key held; positions not held are
  /// appended to `missing` as `base_position + i` and their output bytes are left untouched.
  /// keys.count < 2^32. No allocation except growth of `missing`.
  virtual void find(const KeyView& keys, RowsOut out, std::uint32_t base_position,
                    Missing& missing) const = 0;

  /// Inserts or replaces rows; `rows` holds keys.size() rows of row_bytes() each, back to back.
  /// The last of equal keys in a batch wins. @throws Error(kUnsupported) when read-only.
  virtual void put(std::span<const Key> keys, std::span<const std::byte> rows) = 0;

  /// Forgets keys; unknown ones are ignored. @throws Error(kUnsupported) when read-only.
  virtual void erase(std::span<const Key> keys) = 0;

  /// Calls `visit` for every key held at some moment of the call, in no particular order; stops
  /// when it returns false. The row is valid during the call only. `visit` must not call the store.
  using Visitor = std::function<bool(Key key, std::span<const std::byte> row)>;
  virtual void iterate(const Visitor& visit) const = 0;
};

}  // namespace hps
