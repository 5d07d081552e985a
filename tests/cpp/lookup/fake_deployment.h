// A Deployment over tables that compute their rows, for tests of what stands above them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "lookup/service.h"

namespace hps::testing {

/// Element `column` of the row of `key`: finite, of many magnitudes and signs, some of them zeros
/// of either sign. Keys outside [0, rows) are unknown.
inline float element(Key key, std::size_t column) {
  const auto mixed = static_cast<std::uint32_t>(key * 2654435761U + column * 40503U + 12345U);
  if (mixed % 31 == 0) return mixed % 2 == 0 ? 0.0F : -0.0F;
  const float magnitude = static_cast<float>(mixed >> 8 & 0xffffU) / 1024.0F + 0.001F;
  return (mixed & 1U) != 0 ? -magnitude : magnitude;
}

inline constexpr float kDefault = -7.25F;

/// Stores fp32 rows 0..rows-1 of element().
class FakeTable : public Table {
 public:
  FakeTable(const std::string& name, std::uint64_t rows, std::uint32_t dim, bool strict = false)
      : rows_(rows), strict_(strict) {
    config_.name = name;
    config_.dim = dim;
    config_.rows = rows;
  }

  const TableConfig& config() const noexcept override { return config_; }
  std::uint64_t rows() const noexcept override { return rows_; }
  Store& store() noexcept override { std::terminate(); }
  const TableCounters& counters() const noexcept override { return counters_; }

  void lookup(const KeyView& keys, RowsOut out, DataType out_type,
              Missing& missing) const override {
    std::vector<float> row(config_.dim);
    for (std::size_t i = 0; i < keys.count; ++i) {
      const Key key = keys[i];
      const bool known = key >= 0 && static_cast<std::uint64_t>(key) < rows_;
      if (!known && strict_) fail(ErrorCode::kUnknownKey, "key ", key, " at position ", i);
      if (!known) missing.push_back(static_cast<std::uint32_t>(i));
      for (std::size_t c = 0; c < row.size(); ++c) row[c] = known ? element(key, c) : kDefault;
      convert_row(DataType::kFloat32, row.data(), out_type, out.data + i * out.stride, row.size());
    }
  }

 private:
  TableConfig config_;
  std::uint64_t rows_;
  bool strict_;
  TableCounters counters_;
};

/// One model "m"; swap() is what a reload does.
class FakeDeployment : public Deployment {
 public:
  explicit FakeDeployment(std::vector<std::shared_ptr<Table>> tables) { swap(std::move(tables)); }

  std::shared_ptr<const Version> snapshot() const override { return version_; }
  void reload(const Progress&) override {}
  const std::filesystem::path& file() const noexcept override { return file_; }

  void swap(std::vector<std::shared_ptr<Table>> tables) {
    auto version = std::make_shared<Version>();
    version->config.file = file_;
    version->serial = ++serial_;
    version->models.push_back({"m", std::move(tables)});
    version_ = std::move(version);
  }

 private:
  std::filesystem::path file_ = "fake.json";
  std::uint64_t serial_ = 0;
  std::shared_ptr<const Version> version_;
};

}  // namespace hps::testing
