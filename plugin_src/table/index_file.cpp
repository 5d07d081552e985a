#include "table/index_file.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/file_loader.h"
#include "base/xxh128.h"

namespace hps {
namespace {

using Digits = std::array<char, 32>;

struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t byte_order;
  std::uint64_t rows;
  std::uint64_t key_bytes;
  std::int64_t key_mtime_ns;
  std::uint64_t dense;  // 1 or 0
  std::uint64_t bucket_count;
  std::uint64_t longest_probe;
  std::int64_t min_key;
  std::int64_t max_key;
  Digits key_xxh128;
  Digits buckets_xxh128;
  Digits header_xxh128;  // of everything before it
};
static_assert(std::is_trivially_copyable_v<Header> && sizeof(Header) == 176);
static_assert(sizeof(Header) <= kIndexHeaderBytes);

constexpr std::array<char, 8> kMagic = {'H', 'P', 'S', 'I', 'N', 'D', 'E', 'X'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kByteOrder = 0x01020304;

Digits digits(const std::string& hex) {
  Digits all{};
  std::copy_n(hex.begin(), std::min(hex.size(), all.size()), all.begin());
  return all;
}

std::string text(const Digits& all) { return {all.begin(), all.end()}; }

Digits checksum(const Header& header) {
  Xxh128 hash;
  hash.update(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, header_xxh128)));
  return digits(hash.hex());
}

std::string checksum(std::span<const KeyIndexBucket> buckets) {
  Xxh128 hash;
  hash.update(std::as_bytes(buckets));
  return hash.hex();
}

bool describes(const Header& header, const File& key_file) {
  const FileIdentity& key = key_file.identity();
  return header.magic == kMagic && header.version == kVersion && header.byte_order == kByteOrder &&
         header.header_xxh128 == checksum(header) && header.key_bytes == key.size &&
         header.key_mtime_ns == key.mtime_ns && header.dense <= 1 &&
         header.rows < kMaxIndexedRows && header.rows == key.size / sizeof(std::int64_t) &&
         header.longest_probe <= header.bucket_count &&
         (header.bucket_count == buckets_for(header.rows) ||
          (header.dense == 1 && header.bucket_count == 0));
}

KeyIndexRef ref_to(std::span<const std::byte> bytes, const IndexFile& index) {
  return {reinterpret_cast<const KeyIndexBucket*>(bytes.data()),
          bytes.size() / sizeof(KeyIndexBucket), index.summary.rows, index.longest_probe};
}

}  // namespace

std::optional<IndexFile> open_index_file(const File& key_file) {
  try {
    File file = File::open(key_file.path().parent_path() / kIndexFileName);
    if (file.size() < kIndexHeaderBytes) return std::nullopt;
    Header header{};
    file.read_at(std::as_writable_bytes(std::span(&header, 1)), 0);
    if (!describes(header, key_file)) return std::nullopt;
    if (file.size() != kIndexHeaderBytes + header.bucket_count * sizeof(KeyIndexBucket)) {
      return std::nullopt;
    }
    KeySummary summary{header.dense == 1, header.rows, header.min_key, header.max_key,
                       text(header.key_xxh128)};
    const bool has_buckets = header.bucket_count == buckets_for(header.rows);
    return IndexFile{std::move(file), std::move(summary), has_buckets, header.longest_probe,
                     text(header.buckets_xxh128)};
  } catch (const Error&) {
    return std::nullopt;  // missing or unreadable: the keys themselves are read instead
  }
}

std::unique_ptr<HashedKeyIndex> load_index(const IndexFile& index, bool copied) {
  if (!copied) {
    MappedFile map(index.file, Access::kRandom);
    const KeyIndexRef ref = ref_to(map.bytes().subspan(kIndexHeaderBytes), index);
    return std::make_unique<HashedKeyIndex>(std::move(map), ref);
  }
  HostBuffer memory(index.file.size() - kIndexHeaderBytes, HostPages::kTransparent,
                    index.file.path().string());
  Xxh128 hash;
  LoadOptions options;
  options.offset = kIndexHeaderBytes;
  options.hash = &hash;
  load_file(index.file, memory.bytes(), options);
  if (hash.hex() != index.buckets_xxh128) return nullptr;
  const KeyIndexRef ref = ref_to(memory.bytes(), index);
  return std::make_unique<HashedKeyIndex>(std::move(memory), ref);
}

void save_index_file(const File& key_file, const KeySummary& summary, const KeyIndexRef& index) {
  const std::span buckets(index.buckets, index.bucket_count);
  Header header{};
  header.magic = kMagic;
  header.version = kVersion;
  header.byte_order = kByteOrder;
  header.rows = summary.rows;
  header.key_bytes = key_file.identity().size;
  header.key_mtime_ns = key_file.identity().mtime_ns;
  header.dense = summary.dense ? 1 : 0;
  header.bucket_count = index.bucket_count;
  header.longest_probe = index.longest_probe;
  header.min_key = summary.min_key;
  header.max_key = summary.max_key;
  header.key_xxh128 = digits(summary.key_xxh128);
  header.buckets_xxh128 = digits(checksum(buckets));
  header.header_xxh128 = checksum(header);
  std::array<std::byte, kIndexHeaderBytes> page{};
  std::memcpy(page.data(), &header, sizeof header);

  AtomicFile file(key_file.path().parent_path() / kIndexFileName);
  file.write(page);
  file.write(std::as_bytes(buckets));
  file.commit();
}

}  // namespace hps
