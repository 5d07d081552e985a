// The hot loop of host lookups: copies rows of a table, found before, to where a caller wants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "store/store.h"

namespace hps {

/// A table's rows in memory. Not owned.
struct TableRows {
  const std::byte* data = nullptr;  ///< row r lies `pitch * r` bytes after this
  std::size_t pitch = 0;            ///< bytes of the elements of one row
  const float* scales = nullptr;    ///< kInt8: one per row, written after the elements; else null
};

/// Copies rows in the order of the batch with the rows to come prefetched: tables are far larger
/// than the caches, so the time goes into waiting for rows, and many can be waited for at once.
/// Copies are as wide as this processor's registers (chosen at run time, at construction).
/// Immutable; any number of threads may gather at once.
class RowGather {
 public:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  /// Instructions to copy with. Tests name them; everything else takes the best there are.
  enum class Copies { kPortable, kAvx2, kAvx512 };
  static Copies best_copies() noexcept;

  /// @throws Error(kTable) when the spans do not hold `rows` rows of `shape`; Error(kUnsupported)
  /// for instructions that this processor lacks.
  RowGather(std::span<const std::byte> data, std::span<const float> scales, std::uint64_t rows,
            const RowShape& shape, Copies copies = best_copies());

  /// From this size of a whole batch's output on, writing past the caches is the faster way; below,
  /// whoever reads the output next finds it in a cache, which is worth more.
  static constexpr std::size_t kStreamedBytes = std::size_t{32} << 20;

  /// Writes row at[i] to row i of `out`, for i < count; entries that are kNone are left alone.
  /// Every other entry must be below the number of rows. `stream`: write past the caches where
  /// alignment allows. Returns how many were kNone.
  std::size_t gather(const std::uint64_t* at, std::size_t count, RowsOut out,
                     bool stream) const noexcept;

  /// The stored row, for iteration; `scratch` holds it when it is not contiguous in the table.
  std::span<const std::byte> row(std::uint64_t at, std::vector<std::byte>& scratch) const;

  using Kernel = std::size_t (*)(const TableRows& table, const std::uint64_t* at, std::size_t count,
                                 RowsOut out) noexcept;

 private:
  TableRows table_;
  Kernel kernel_;
  Kernel streaming_kernel_;  ///< needs aligned outputs; equals kernel_ where there is none
};

/// Appends base_position + i for every at[i] that is kNone.
void append_missing(const std::uint64_t* at, std::size_t count, std::uint32_t base_position,
                    Missing& missing);

}  // namespace hps
