// A table in memory, standing in for the files of a table folder.
#pragma once

#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "store_model.h"
#include "table/table.h"

namespace hps::testing_support {

class FakeIndex final : public KeyIndex {
 public:
  explicit FakeIndex(const std::vector<Key>& keys) {
    for (std::size_t row = 0; row < keys.size(); ++row) rows_.emplace(keys[row], row);
  }
  std::uint64_t row_of(std::int64_t key) const noexcept override {
    const auto found = rows_.find(key);
    return found == rows_.end() ? kNone : found->second;
  }
  void prefetch(std::int64_t) const noexcept override {}
  void rows_of(const KeyView& keys, std::uint64_t* rows) const noexcept override {
    for (std::size_t i = 0; i < keys.count; ++i) rows[i] = row_of(keys[i]);
  }

 private:
  std::unordered_map<Key, std::uint64_t> rows_;
};

/// `contents` in the order of its keys; `dense` wants the keys 0..n-1. The row data starts one byte
/// after an aligned address when `unaligned`, as nothing promises alignment.
class FakeTable final : public TableFiles {
 public:
  FakeTable(const RowShape& shape, const Rows& contents, bool dense, bool unaligned = false)
      : shift_(unaligned ? 1 : 0) {
    config_.name = "fake";
    config_.dim = shape.dim;
    config_.type = shape.type;
    config_.keys = dense ? KeyKind::kDense : KeyKind::kHashed;
    const std::size_t pitch = shape.dim * element_size(shape.type);
    data_.resize(shift_);
    for (const auto& [key, row] : contents) {
      keys_.push_back(key);
      data_.insert(data_.end(), row.begin(), row.begin() + static_cast<std::ptrdiff_t>(pitch));
      if (shape.type == DataType::kInt8) {
        scales_.emplace_back();
        std::memcpy(&scales_.back(), row.data() + pitch, sizeof(float));
      }
    }
    if (!dense) index_ = std::make_unique<FakeIndex>(keys_);
  }

  const TableConfig& config() const noexcept override { return config_; }
  std::uint64_t rows() const noexcept override { return keys_.size(); }
  bool dense() const noexcept override { return index_ == nullptr; }
  std::span<const std::byte> row_data() const noexcept override {
    return std::span<const std::byte>(data_).subspan(shift_);
  }
  std::span<const float> scales() const noexcept override { return scales_; }
  const KeyIndex* index() const noexcept override { return index_.get(); }
  std::int64_t key_of(std::uint64_t row) const override { return keys_.at(row); }

 private:
  TableConfig config_;
  std::size_t shift_;
  std::vector<Key> keys_;
  std::vector<std::byte> data_;
  std::vector<float> scales_;
  std::unique_ptr<FakeIndex> index_;
};

inline std::shared_ptr<const TableFiles> dense_table(const RowShape& shape, const Rows& contents,
                                                     bool unaligned = false) {
  return std::make_shared<FakeTable>(shape, contents, true, unaligned);
}
inline std::shared_ptr<const TableFiles> hashed_table(const RowShape& shape, const Rows& contents,
                                                      bool unaligned = false) {
  return std::make_shared<FakeTable>(shape, contents, false, unaligned);
}

}  // namespace hps::testing_support
