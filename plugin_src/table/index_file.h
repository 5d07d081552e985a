// The file `hps_index` beside a table: what its `key` file holds, so that opening the table again
// reads no keys. One page of header, then the buckets of a hashed table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/file.h"
#include "config/config.h"
#include "table/key_index.h"

namespace hps {

/// What a scan of the keys found out. Keys 0..rows-1 in order are dense.
struct KeySummary {
  bool dense = true;
  std::uint64_t rows = 0;
  std::int64_t min_key = 0, max_key = 0;  ///< 0 when there are no rows
  std::string key_xxh128;                 ///< of the bytes of the `key` file

  bool operator==(const KeySummary&) const = default;
};

/// The checked header of an index file, and the file.
struct IndexFile {
  File file;
  KeySummary summary;
  bool has_buckets = false;  ///< always for keys that are not dense
  std::uint64_t longest_probe = 0;
  std::string buckets_xxh128;
};

inline constexpr const char* kIndexFileName = "hps_index";
inline constexpr std::uint64_t kIndexHeaderBytes = 4096;

/// Opens the index beside `key_file`. Nothing when there is none, or one that cannot be trusted to
/// be of this key file: wrong magic, version, byte order, size or checksum, or a key file of
/// another size or modification time. No bucket is read.
std::optional<IndexFile> open_index_file(const File& key_file);

/// The index in a file that has one. Mapped: no bucket is read, and a damaged entry counts as
/// absent when it is met (see key_index_probe.h). Copied: null when the buckets differ from their
/// checksum.
/// @throws Error(kIo), Error(kOutOfMemory).
std::unique_ptr<HashedKeyIndex> load_index(const IndexFile& index, bool copied);

/// Writes the index beside `key_file`; a dense one needs no buckets. Concurrent writers replace
/// each other's file, each whole. @throws Error(kIo), Error(kNotFound).
void save_index_file(const File& key_file, const KeySummary& summary, const KeyIndexRef& index);

}  // namespace hps
