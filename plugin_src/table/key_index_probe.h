// The key index as plain data, and the probe over it: nothing here allocates, throws or calls out,
// so the same functions serve a mapped file, a copy of it, and device code.
//
// Buckets of one cache line, four entries each; a key's home bucket comes from its hash, the search
// goes on to the next bucket while a bucket is full, and ends at the first free entry. No key value
// is special: an entry is free when its `row` is all ones.
//
// The upper 24 bits of `row` are a tag made of key and row. It lets a lookup refuse an entry that
// was damaged on disk without reading the key file: such an entry counts as no match (a wrong row
// gets by with a chance of 2^-24). It is no defence against forgery: whoever may write the table's
// folder is trusted with its rows. Nothing read here is trusted with memory: rows are compared with
// the table's size, and a search ends after as many buckets as the longest one took when the index
// was built, even when none has a free entry.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define HPS_HOST_DEVICE __host__ __device__
#else
#define HPS_HOST_DEVICE
#endif

namespace hps {

inline constexpr std::uint64_t kNoRow = ~std::uint64_t{0};
inline constexpr std::uint64_t kFreeEntry = ~std::uint64_t{0};
inline constexpr int kRowBits = 40;
/// Rows of an indexed table: below this, so that no packed row is all ones.
inline constexpr std::uint64_t kMaxIndexedRows = (std::uint64_t{1} << kRowBits) - 1;
inline constexpr int kBucketEntries = 4;

struct KeyIndexEntry {
  std::int64_t key;
  std::uint64_t row;  ///< tag << 40 | row, or kFreeEntry
};

struct alignas(64) KeyIndexBucket {
  KeyIndexEntry entries[kBucketEntries];
};
static_assert(sizeof(KeyIndexBucket) == 64);

/// Buckets owned by someone else. Trivially copyable.
struct KeyIndexRef {
  const KeyIndexBucket* buckets = nullptr;
  std::uint64_t bucket_count = 0;
  std::uint64_t rows = 0;
  std::uint64_t longest_probe = 0;  ///< buckets within which every key is found
};

/// Every input bit changes every output bit with a chance near one half (two rounds of
/// xor-shift and multiplication; the constants are odd and otherwise arbitrary).
HPS_HOST_DEVICE inline std::uint64_t mix_key(std::int64_t key) noexcept {
  auto h = static_cast<std::uint64_t>(key) + 0x9e3779b97f4a7c15U;
  h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93U;
  h = (h ^ (h >> 29)) * 0xa0761d6478bd642fU;
  return h ^ (h >> 32);
}

/// Maps a hash to [0, bucket_count) by its upper bits; any count will do.
HPS_HOST_DEVICE inline std::uint64_t home_bucket(std::uint64_t hash,
                                                 std::uint64_t bucket_count) noexcept {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((Wide{hash} * bucket_count) >> 64);
}

HPS_HOST_DEVICE inline std::uint64_t pack_row(std::uint64_t hash, std::uint64_t row) noexcept {
  const std::uint64_t tag = (hash ^ (hash << 24) ^ (row * 0x9e3779b97f4a7c15U)) >> kRowBits;
  return tag << kRowBits | row;
}

/// The row of `key`, whose mix_key is `hash`; kNoRow when the index does not hold it.
HPS_HOST_DEVICE inline std::uint64_t find_row(const KeyIndexRef& index, std::int64_t key,
                                              std::uint64_t hash) noexcept {
  if (index.bucket_count == 0) return kNoRow;
  std::uint64_t at = home_bucket(hash, index.bucket_count);
  for (std::uint64_t seen = 0; seen < index.longest_probe; ++seen) {
    const KeyIndexBucket& bucket = index.buckets[at];
    for (int i = 0; i < kBucketEntries; ++i) {
      const KeyIndexEntry entry = bucket.entries[i];
      if (entry.row == kFreeEntry) return kNoRow;
      if (entry.key != key) continue;
      const std::uint64_t row = entry.row & kMaxIndexedRows;
      if (row < index.rows && entry.row == pack_row(hash, row)) return row;
    }
    if (++at == index.bucket_count) at = 0;
  }
  return kNoRow;
}

HPS_HOST_DEVICE inline std::uint64_t find_row(const KeyIndexRef& index, std::int64_t key) noexcept {
  return find_row(index, key, mix_key(key));
}

}  // namespace hps
