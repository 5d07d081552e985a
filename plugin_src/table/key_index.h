// A key index that owns its buckets, and the builder of one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "base/host_buffer.h"
#include "base/mapped_file.h"
#include "table/key_index_probe.h"
#include "table/table.h"

namespace hps {

/// Buckets for `rows` keys: three of four entries in use. 0 for no rows.
constexpr std::uint64_t buckets_for(std::uint64_t rows) noexcept {
  return rows / 3 + (rows % 3 != 0);
}

class HashedKeyIndex final : public KeyIndex {
 public:
  using Memory = std::variant<MappedFile, HostBuffer>;

  /// The buckets of `ref` lie in `memory`.
  HashedKeyIndex(Memory memory, const KeyIndexRef& ref);

  std::uint64_t row_of(std::int64_t key) const noexcept override;
  void prefetch(std::int64_t key) const noexcept override;
  void rows_of(const KeyView& keys, std::uint64_t* rows) const noexcept override;

  const KeyIndexRef& ref() const noexcept { return ref_; }

 private:
  Memory memory_;
  KeyIndexRef ref_;
};

/// Fills an index in memory, in the order of the rows. 64 bytes for every three keys, and nothing
/// beside them.
class KeyIndexBuilder {
 public:
  /// @throws Error(kOutOfMemory), Error(kTable) for more rows than an entry can say.
  KeyIndexBuilder(std::uint64_t rows, std::string_view table);

  struct Duplicate {
    std::int64_t key;
    std::uint64_t first, second;  ///< rows
  };

  /// Adds the keys of the rows that follow those added before, at most `rows` in all.
  /// Returns the first key that has a row already; the index is of no use then.
  std::optional<Duplicate> add(std::span<const std::int64_t> keys);

  KeyIndexRef ref() const noexcept { return {buckets_, bucket_count_, rows_, longest_probe_}; }
  /// The builder is of no further use.
  std::unique_ptr<HashedKeyIndex> finish() &&;

 private:
  std::optional<Duplicate> insert(std::int64_t key, std::uint64_t hash);

  HostBuffer memory_;
  KeyIndexBucket* buckets_ = nullptr;
  std::uint64_t bucket_count_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t added_ = 0;
  std::uint64_t longest_probe_ = 0;
};

}  // namespace hps
