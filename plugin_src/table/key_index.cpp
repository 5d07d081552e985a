#include "table/key_index.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"

namespace hps {
namespace {

static_assert(KeyIndex::kNone == kNoRow);

// Probes in flight at once: more than the memory system can overlap, few enough for the stack.
constexpr std::size_t kGroup = 32;

}  // namespace

HashedKeyIndex::HashedKeyIndex(Memory memory, const KeyIndexRef& ref)
    : memory_(std::move(memory)), ref_(ref) {}

std::uint64_t HashedKeyIndex::row_of(std::int64_t key) const noexcept {
  return find_row(ref_, key);
}

void HashedKeyIndex::prefetch(std::int64_t key) const noexcept {
  if (ref_.bucket_count == 0) return;
  __builtin_prefetch(&ref_.buckets[home_bucket(mix_key(key), ref_.bucket_count)]);
}

void HashedKeyIndex::rows_of(const KeyView& keys, std::uint64_t* rows) const noexcept {
  std::int64_t key[kGroup];
  std::uint64_t hash[kGroup];
  for (std::size_t begin = 0; begin < keys.count; begin += kGroup) {
    const std::size_t count = std::min(kGroup, keys.count - begin);
    for (std::size_t i = 0; i < count; ++i) {
      key[i] = keys[begin + i];
      hash[i] = mix_key(key[i]);
      // A bucket count of 0 prefetches a null address, which no processor minds.
      __builtin_prefetch(ref_.buckets + home_bucket(hash[i], ref_.bucket_count));
    }
    for (std::size_t i = 0; i < count; ++i) rows[begin + i] = find_row(ref_, key[i], hash[i]);
  }
}

KeyIndexBuilder::KeyIndexBuilder(std::uint64_t rows, std::string_view table)
    : bucket_count_(buckets_for(rows)), rows_(rows) {
  if (rows >= kMaxIndexedRows) {
    fail(ErrorCode::kTable, "table '", table, "': ", rows,
         " rows; a table with hashed keys has less than ", kMaxIndexedRows);
  }
  const std::uint64_t bytes = bucket_count_ * sizeof(KeyIndexBucket);
  memory_ = HostBuffer(bytes, HostPages::kTransparent,
                       "table '" + std::string(table) + "', the index of its keys");
  // Bytes of value 0xff make every entry free.
  if (bytes != 0) std::memset(memory_.bytes().data(), 0xff, memory_.bytes().size());
  buckets_ = reinterpret_cast<KeyIndexBucket*>(memory_.bytes().data());
}

std::optional<KeyIndexBuilder::Duplicate> KeyIndexBuilder::add(std::span<const std::int64_t> keys) {
  if (keys.size() > rows_ - added_) {
    fail(ErrorCode::kInternal, "key index for ", rows_, " rows is given more keys");
  }
  std::uint64_t hash[kGroup];
  for (std::size_t begin = 0; begin < keys.size(); begin += kGroup) {
    const std::size_t count = std::min(kGroup, keys.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      hash[i] = mix_key(keys[begin + i]);
      __builtin_prefetch(buckets_ + home_bucket(hash[i], bucket_count_), 1);
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (auto duplicate = insert(keys[begin + i], hash[i])) return duplicate;
    }
  }
  return std::nullopt;
}

std::optional<KeyIndexBuilder::Duplicate> KeyIndexBuilder::insert(std::int64_t key,
                                                                  std::uint64_t hash) {
  std::uint64_t at = home_bucket(hash, bucket_count_);
  // Ends: there are more entries than rows.
  for (std::uint64_t probe = 1;; ++probe) {
    for (KeyIndexEntry& entry : buckets_[at].entries) {
      if (entry.row == kFreeEntry) {
        longest_probe_ = std::max(longest_probe_, probe);
        entry = {key, pack_row(hash, added_++)};
        return std::nullopt;
      }
      if (entry.key == key) return Duplicate{key, entry.row & kMaxIndexedRows, added_};
    }
    if (++at == bucket_count_) at = 0;
  }
}

std::unique_ptr<HashedKeyIndex> KeyIndexBuilder::finish() && {
  const KeyIndexRef all = ref();
  return std::make_unique<HashedKeyIndex>(std::move(memory_), all);
}

}  // namespace hps
