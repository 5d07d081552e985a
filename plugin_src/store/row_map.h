// A concurrent hash map from keys to rows or to tombstones: what the writable stores are made of.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/keys.h"
#include "store/fair_mutex.h"
#include "store/store.h"

namespace hps {

/// Open addressing in 16 shards, each with a lock of its own; it grows, and every key value is
/// ordinary. Thread-safe throughout; a row read is a whole row.
class RowMap {
 public:
  enum class State : std::uint8_t {
    kAbsent,  ///< the map says nothing about the key
    kRow,     ///< the map holds a row
    kErased,  ///< a tombstone: whatever lies below is gone
  };

  /// Keys that one call of `find` takes at most.
  static constexpr std::size_t kBatch = 256;

  explicit RowMap(std::size_t row_bytes) : row_bytes_(row_bytes) {}
  RowMap(const RowMap&) = delete;
  RowMap& operator=(const RowMap&) = delete;

  /// States of keys.count <= kBatch keys; rows of kRow are copied to their place in `out`.
  void find(const KeyView& keys, RowsOut out, State* states) const;

  /// Inserts or replaces. `below`: a row of this key lies below the map (see `surplus`).
  void put(Key key, const std::byte* row, bool below);
  /// Leaves a tombstone. The key must have a row below.
  void bury(Key key);
  /// Back to kAbsent.
  void forget(Key key);

  /// Keys with a row or a tombstone. Relaxed: a thread sees at least its own changes.
  std::uint64_t entries() const noexcept { return entries_.load(std::memory_order_relaxed); }
  /// Rows of keys that have none below, less the tombstones: what the map adds to a size.
  std::int64_t surplus() const noexcept { return surplus_.load(std::memory_order_relaxed); }

  /// Visits every entry (tombstones with an empty row) of one shard after another, each as it was
  /// at one moment. No lock is held during a visit. Stops when `visit` returns false.
  using EntryVisitor = std::function<bool(Key key, State state, std::span<const std::byte> row)>;
  bool for_each(const EntryVisitor& visit) const;

 private:
  static constexpr std::size_t kShardBits = 4;
  static constexpr std::size_t kShards = std::size_t{1} << kShardBits;

  struct Slot {
    Key key = 0;
    std::uint32_t row = 0;
    State state = State::kAbsent;
    bool below = false;
  };
  /// `slots` has no entries or a power of two of them, at most 3/4 of them used; linear probing
  /// without gaps, so that the first absent slot ends a search.
  struct Shard {
    mutable FairSharedMutex mutex;
    std::vector<Slot> slots;
    std::size_t used = 0;
    std::vector<std::byte> rows;
    std::vector<std::uint32_t> free_rows;  // capacity for every row, so that freeing cannot fail
    std::uint32_t row_count = 0;
  };

  static std::uint64_t hash_of(Key key) noexcept;
  static std::size_t shard_of(std::uint64_t hash) noexcept { return hash >> (64 - kShardBits); }
  static std::size_t slot_for(const Shard& shard, Key key, std::uint64_t hash) noexcept;
  static void reserve_slot(Shard& shard);
  static void close_gap(Shard& shard, std::size_t at) noexcept;
  std::uint32_t take_row(Shard& shard) const;
  void find_in_shard(const Shard& shard, const Key* keys, const std::uint64_t* hashes,
                     const std::uint16_t* positions, std::size_t count, RowsOut out,
                     State* states) const;
  void change(Slot& slot, State state, bool below) noexcept;

  const std::size_t row_bytes_;
  std::array<Shard, kShards> shards_;
  std::atomic<std::uint64_t> entries_{0};
  std::atomic<std::int64_t> surplus_{0};
};

/// @throws Error(kInvalidArgument) when `bytes` is not `keys` rows of `row_bytes`.
void check_rows(std::size_t keys, std::size_t bytes, std::size_t row_bytes);

}  // namespace hps
