#include "store/row_map.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>
#include <shared_mutex>

#include "base/error.h"

namespace hps {

// Keys are often consecutive, so all bits have to be mixed: the top ones choose the shard, the low
// ones the slot. (The finishing steps of splitmix64.)
std::uint64_t RowMap::hash_of(Key key) noexcept {
  auto x = static_cast<std::uint64_t>(key) + 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The slot of `key`, or the absent slot where it would go. `slots` must not be empty.
std::size_t RowMap::slot_for(const Shard& shard, Key key, std::uint64_t hash) noexcept {
  const std::size_t mask = shard.slots.size() - 1;
  std::size_t at = hash & mask;
  while (shard.slots[at].state != State::kAbsent && shard.slots[at].key != key) {
    at = (at + 1) & mask;
  }
  return at;
}

void RowMap::reserve_slot(Shard& shard) {
  if ((shard.used + 1) * 4 <= shard.slots.size() * 3) return;
  Shard grown;
  grown.slots.resize(std::max<std::size_t>(16, shard.slots.size() * 2));
  for (const Slot& slot : shard.slots) {
    if (slot.state != State::kAbsent) {
      grown.slots[slot_for(grown, slot.key, hash_of(slot.key))] = slot;
    }
  }
  shard.slots.swap(grown.slots);
}

// Moves later entries of the run back over the freed slot, so that no search ends too early.
void RowMap::close_gap(Shard& shard, std::size_t at) noexcept {
  const std::size_t mask = shard.slots.size() - 1;
  std::size_t gap = at;
  for (std::size_t next = (at + 1) & mask; shard.slots[next].state != State::kAbsent;
       next = (next + 1) & mask) {
    const std::size_t home = hash_of(shard.slots[next].key) & mask;
    if (((next - home) & mask) >= ((next - gap) & mask)) {
      shard.slots[gap] = shard.slots[next];
      gap = next;
    }
  }
  shard.slots[gap] = Slot{};
}

std::uint32_t RowMap::take_row(Shard& shard) const {
  if (!shard.free_rows.empty()) {
    const std::uint32_t row = shard.free_rows.back();
    shard.free_rows.pop_back();
    return row;
  }
  if (shard.row_count == std::numeric_limits<std::uint32_t>::max()) {
    fail(ErrorCode::kOutOfMemory, "an in-memory table cannot hold more than 2^32 rows per shard");
  }
  const std::size_t needed = (std::size_t{shard.row_count} + 1) * row_bytes_;
  if (needed > shard.rows.size()) {
    const std::size_t rows = std::max<std::size_t>(8, std::size_t{shard.row_count} * 2);
    shard.free_rows.reserve(rows);
    shard.rows.resize(rows * row_bytes_);
  }
  return shard.row_count++;
}

// Counts a slot's change; absent is {kAbsent, false}.
void RowMap::change(Slot& slot, State state, bool below) noexcept {
  const auto weight = [](State s, bool b) -> std::int64_t {
    return s == State::kRow ? (b ? 0 : 1) : s == State::kErased ? -1 : 0;
  };
  const std::int64_t difference = weight(state, below) - weight(slot.state, slot.below);
  if (difference != 0) surplus_.fetch_add(difference, std::memory_order_relaxed);
  const bool was = slot.state != State::kAbsent;
  const bool is = state != State::kAbsent;
  if (is && !was) entries_.fetch_add(1, std::memory_order_relaxed);
  if (was && !is) entries_.fetch_sub(1, std::memory_order_relaxed);
  slot.state = state;
  slot.below = below;
}

void RowMap::put(Key key, const std::byte* row, bool below) {
  const std::uint64_t hash = hash_of(key);
  Shard& shard = shards_[shard_of(hash)];
  const std::unique_lock lock(shard.mutex);
  reserve_slot(shard);
  Slot& slot = shard.slots[slot_for(shard, key, hash)];
  if (slot.state != State::kRow) slot.row = take_row(shard);
  if (slot.state == State::kAbsent) ++shard.used;
  slot.key = key;
  change(slot, State::kRow, below);
  std::memcpy(shard.rows.data() + std::size_t{slot.row} * row_bytes_, row, row_bytes_);
}

void RowMap::bury(Key key) {
  const std::uint64_t hash = hash_of(key);
  Shard& shard = shards_[shard_of(hash)];
  const std::unique_lock lock(shard.mutex);
  reserve_slot(shard);
  Slot& slot = shard.slots[slot_for(shard, key, hash)];
  if (slot.state == State::kRow) shard.free_rows.push_back(slot.row);
  if (slot.state == State::kAbsent) ++shard.used;
  slot.key = key;
  change(slot, State::kErased, true);
}

void RowMap::forget(Key key) {
  const std::uint64_t hash = hash_of(key);
  Shard& shard = shards_[shard_of(hash)];
  const std::unique_lock lock(shard.mutex);
  if (shard.slots.empty()) return;
  const std::size_t at = slot_for(shard, key, hash);
  Slot& slot = shard.slots[at];
  if (slot.state == State::kAbsent) return;
  if (slot.state == State::kRow) shard.free_rows.push_back(slot.row);
  change(slot, State::kAbsent, false);
  --shard.used;
  close_gap(shard, at);
}

void RowMap::find_in_shard(const Shard& shard, const Key* keys, const std::uint64_t* hashes,
                           const std::uint16_t* positions, std::size_t count, RowsOut out,
                           State* states) const {
  const std::shared_lock lock(shard.mutex);
  if (shard.used == 0) {
    for (std::size_t i = 0; i < count; ++i) states[positions[i]] = State::kAbsent;
    return;
  }
  const std::size_t mask = shard.slots.size() - 1;
  for (std::size_t i = 0; i < count; ++i) {
    __builtin_prefetch(&shard.slots[hashes[positions[i]] & mask]);
  }
  const std::size_t prefetched = std::min<std::size_t>(row_bytes_, 512);
  std::array<const std::byte*, kBatch> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t at = positions[i];
    const Slot& slot = shard.slots[slot_for(shard, keys[at], hashes[at])];
    states[at] = slot.state;
    rows[i] = shard.rows.data() + std::size_t{slot.row} * row_bytes_;
    if (slot.state == State::kRow) {
      for (std::size_t b = 0; b < prefetched; b += 64) __builtin_prefetch(rows[i] + b);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (states[positions[i]] != State::kRow) continue;
    std::memcpy(out.data + positions[i] * out.stride, rows[i], row_bytes_);
  }
}

void RowMap::find(const KeyView& keys, RowsOut out, State* states) const {
  // Keys are sorted by shard first: one lock per shard and batch, not one per key.
  std::array<Key, kBatch> key;
  std::array<std::uint64_t, kBatch> hash;
  std::array<std::uint16_t, kShards + 1> end{};
  for (std::size_t i = 0; i < keys.count; ++i) {
    key[i] = keys[i];
    hash[i] = hash_of(key[i]);
    ++end[shard_of(hash[i]) + 1];
  }
  for (std::size_t s = 0; s < kShards; ++s)
    end[s + 1] = static_cast<std::uint16_t>(end[s + 1] + end[s]);
  std::array<std::uint16_t, kShards> next;
  std::copy_n(end.begin(), kShards, next.begin());
  std::array<std::uint16_t, kBatch> order;
  for (std::size_t i = 0; i < keys.count; ++i) {
    order[next[shard_of(hash[i])]++] = static_cast<std::uint16_t>(i);
  }
  for (std::size_t s = 0; s < kShards; ++s) {
    const std::size_t count = static_cast<std::size_t>(end[s + 1] - end[s]);
    if (count == 0) continue;
    find_in_shard(shards_[s], key.data(), hash.data(), order.data() + end[s], count, out, states);
  }
}

bool RowMap::for_each(const EntryVisitor& visit) const {
  std::vector<Slot> slots;
  std::vector<std::byte> rows;
  for (const Shard& shard : shards_) {
    slots.clear();
    {
      const std::shared_lock lock(shard.mutex);
      for (const Slot& slot : shard.slots) {
        if (slot.state != State::kAbsent) slots.push_back(slot);
      }
      rows.assign(shard.rows.begin(),
                  shard.rows.begin() + static_cast<std::ptrdiff_t>(shard.row_count * row_bytes_));
    }
    for (const Slot& slot : slots) {
      const std::span<const std::byte> row =
          slot.state == State::kRow
              ? std::span<const std::byte>(rows).subspan(slot.row * row_bytes_, row_bytes_)
              : std::span<const std::byte>();
      if (!visit(slot.key, slot.state, row)) return false;
    }
  }
  return true;
}

void check_rows(std::size_t keys, std::size_t bytes, std::size_t row_bytes) {
  if (bytes / row_bytes == keys && bytes % row_bytes == 0) return;
  fail(ErrorCode::kInvalidArgument, "put: ", keys, " keys need ", keys, " rows of ", row_bytes,
       " bytes, and ", bytes, " bytes were given");
}

}  // namespace hps
