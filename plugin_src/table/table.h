// A table folder on disk, opened read-only: sizes checked, keys known, rows mapped or copied.
// Layer: config <- table. The stores read through this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/keys.h"
#include "config/config.h"

namespace hps {

/// Called from the opening thread while bytes are read: done and total bytes of this table.
/// Return false to cancel: opening then throws Error(kCancelled).
using Progress =
    std::function<bool(const std::string& table, std::uint64_t done, std::uint64_t total)>;

/// Open addressing over the keys of a hashed table, mapped from `hps_index` beside the table or
/// built in memory when that folder is not writable. Immutable once open.
class KeyIndex {
 public:
  virtual ~KeyIndex() = default;
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  /// Row of `key`, or kNone. Never a row >= rows, whatever the index file holds.
  virtual std::uint64_t row_of(std::int64_t key) const noexcept = 0;
  virtual void prefetch(std::int64_t key) const noexcept = 0;
  /// rows[i] = row_of(keys[i]) for every i < keys.count, the probes overlapped by prefetching.
  virtual void rows_of(const KeyView& keys, std::uint64_t* rows) const noexcept = 0;
};

class TableFiles {
 public:
  virtual ~TableFiles() = default;

  virtual const TableConfig& config() const noexcept = 0;
  virtual std::uint64_t rows() const noexcept = 0;
  virtual bool dense() const noexcept = 0;

  /// rows() * dim elements, row-major. Valid for the life of this object.
  virtual std::span<const std::byte> row_data() const noexcept = 0;
  /// kInt8: rows() scales; otherwise empty.
  virtual std::span<const float> scales() const noexcept = 0;
  /// Null for a dense table.
  virtual const KeyIndex* index() const noexcept = 0;
  /// The key of row r, r < rows(). A dense table answers r without touching the file.
  virtual std::int64_t key_of(std::uint64_t row) const = 0;
};

/// Opens a folder. Dense, mapped: a few system calls, no row and no key is read.
/// @throws Error(kTable) for wrong sizes (both sizes said), a key given twice (both positions), a
/// key beyond 32 bits where that was promised, a checksum that differs; kNotFound, kIo, kCancelled.
std::shared_ptr<const TableFiles> open_table(const TableConfig& config,
                                             const Progress& progress = {});

/// The same, but files that are open already (same device, inode, size and modification time, read
/// the same way: dim, type, key kind, memory) are shared, so that versions of a model served side
/// by side hold identical tables once: each caller has an object with its own config(), over the
/// same rows and index. Thread-safe; holds only weak references. A thread that asks for what
/// another is reading waits for it, with `progress` called (0 done) so that it can be cancelled.
/// `progress` must not open tables.
std::shared_ptr<const TableFiles> open_table_shared(const TableConfig& config,
                                                    const Progress& progress = {});

}  // namespace hps
