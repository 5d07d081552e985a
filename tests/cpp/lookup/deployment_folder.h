// Configurations and tables on disk, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace hps::testing_support {

/// A folder of its own for one test, removed at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hps_test_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }

  /// A file that is there in whole or not at all.
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    const std::filesystem::path aside = path.string() + ".new";
    std::ofstream(aside, std::ios::binary) << text;
    std::filesystem::rename(aside, path);
    return path;
  }

 private:
  std::filesystem::path path_;
};

/// The value of every element of row `row` in a table written for `generation`.
inline float value_of(std::uint32_t generation, std::uint64_t row) {
  return static_cast<float>(generation) * 1000.0f + static_cast<float>(row);
}

inline constexpr std::uint64_t kRows = 50;
inline constexpr std::uint32_t kDim = 8;

/// A dense fp32 table, kRows x kDim, rows as value_of says. Replaced as a whole.
inline void write_table(const Folder& folder, const std::string& name, std::uint32_t generation) {
  std::string rows;
  std::string keys;
  for (std::uint64_t row = 0; row < kRows; ++row) {
    const float value = value_of(generation, row);
    for (std::uint32_t i = 0; i < kDim; ++i) {
      rows.append(reinterpret_cast<const char*>(&value), sizeof(value));
    }
    keys.append(reinterpret_cast<const char*>(&row), sizeof(row));
  }
  folder.write(name + "/emb_vector", rows);
  folder.write(name + "/key", keys);
}

struct ConfigText {
  std::string model = "m";
  std::string bundle_id = {};
  std::string table_path = "tables/t";
  std::string memory = "mapped";
  std::string extra_table = {};
  std::string extra_top = {};
};

/// hps.json with one model that has one table "t".
inline std::string config_text(const ConfigText& wanted) {
  const std::string id =
      wanted.bundle_id.empty() ? "" : R"("bundle_id": ")" + wanted.bundle_id + R"(", )";
  return R"({"format": "hps-trt/1", )" + id + wanted.extra_top + R"("models": [{"name": ")" +
         wanted.model + R"(", "tables": [{"name": "t", "path": ")" + wanted.table_path +
         R"(", "rows": )" + std::to_string(kRows) + R"(, "dim": )" + std::to_string(kDim) +
         R"(, "memory": ")" + wanted.memory + "\"" + wanted.extra_table + "}]}]}";
}

/// A table for `generation` and a configuration of it; gives the path of its hps.json.
inline std::filesystem::path write_bundle(const Folder& folder, const std::string& name,
                                          const ConfigText& text = {},
                                          std::uint32_t generation = 1) {
  write_table(folder, name + "/" + text.table_path, generation);
  return folder.write(name + "/hps.json", config_text(text));
}

/// Sets an environment variable for one scope.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~Environment() { unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

}  // namespace hps::testing_support
