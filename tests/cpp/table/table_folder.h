// Table folders for the tests of this layer: values that no two rows share.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/xxh128.h"
#include "config/config.h"
#include "temp_folder.h"

namespace hps::test {

inline constexpr std::int64_t kMinKey = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t kMaxKey = std::numeric_limits<std::int64_t>::max();

/// Keys in no order, the extreme ones among them, all different.
inline std::vector<std::int64_t> sparse_keys(std::size_t count) {
  std::vector<std::int64_t> keys = {kMinKey, -1, 0, kMaxKey};
  for (std::int64_t i = 1; keys.size() < count; ++i) {
    keys.push_back(i * 7919 * ((i & 1) != 0 ? 1 : -1));
  }
  keys.resize(count);
  return keys;
}

inline std::vector<std::int64_t> dense_keys(std::size_t count) {
  std::vector<std::int64_t> keys(count);
  for (std::size_t i = 0; i < count; ++i) keys[i] = static_cast<std::int64_t>(i);
  return keys;
}

inline std::string checksum_of(const std::filesystem::path& path) {
  return xxh128_hex(read_text(path));
}

/// A fp32 table of dim 3, element e of row r being r + e / 4.
struct TableFolder {
  static constexpr std::uint32_t kDim = 3;

  TempFolder temp;
  std::filesystem::path path = temp.path() / "t";
  std::vector<float> rows;

  explicit TableFolder(const std::vector<std::int64_t>& keys) {
    std::filesystem::create_directory(path);
    for (std::size_t r = 0; r < keys.size(); ++r) {
      for (std::uint32_t e = 0; e < kDim; ++e) {
        rows.push_back(static_cast<float>(r) + static_cast<float>(e) / 4);
      }
    }
    write_values(path / "key", keys);
    write_values(path / "emb_vector", rows);
  }

  TableConfig config(KeyKind keys) const {
    TableConfig config;
    config.name = "items";
    config.folder = path;
    config.dim = kDim;
    config.keys = keys;
    config.default_vector = {0.0f};
    return config;
  }
};

/// Puts other bytes into a file without changing its size or modification time.
inline void replace_quietly(const std::filesystem::path& path, const std::string& bytes) {
  struct stat before {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  ASSERT_EQ(bytes.size(), static_cast<std::size_t>(before.st_size));
  write_text(path, bytes);
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

}  // namespace hps::test
