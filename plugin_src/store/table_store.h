// What the dense and the hashed store share: everything but which row a key is.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "store/row_gather.h"
#include "store/store.h"
#include "table/table.h"

namespace hps {

/// Read-only store over table files. `Rows` is made from the files and has
/// `kChunk`, how many row numbers lie on the stack at once, and
/// `rows_of(keys, at)`, which writes the row number of each key or RowGather::kNone.
template <class Rows>
class TableStore final : public Store {
 public:
  explicit TableStore(std::shared_ptr<const TableFiles> files)
      : files_(std::move(files)),
        rows_(*files_),
        shape_{files_->config().dim, files_->config().type},
        gather_(files_->row_data(), files_->scales(), files_->rows(), shape_) {}

  const RowShape& shape() const noexcept override { return shape_; }
  std::uint64_t size() const override { return files_->rows(); }

  void find(const KeyView& keys, RowsOut out, std::uint32_t base_position,
            Missing& missing) const override {
    const bool stream = keys.count >= RowGather::kStreamedBytes / out.stride;
    std::array<std::uint64_t, Rows::kChunk> at;
    for (std::size_t begin = 0; begin < keys.count; begin += Rows::kChunk) {
      const std::size_t n = std::min(Rows::kChunk, keys.count - begin);
      rows_.rows_of(keys.slice(begin, n), at.data());
      const RowsOut part{out.data + begin * out.stride, out.stride};
      if (gather_.gather(at.data(), n, part, stream) != 0) {
        append_missing(at.data(), n, base_position + static_cast<std::uint32_t>(begin), missing);
      }
    }
  }

  void put(std::span<const Key>, std::span<const std::byte>) override { refuse("put"); }
  void erase(std::span<const Key>) override { refuse("erase"); }

  void iterate(const Visitor& visit) const override {
    std::vector<std::byte> scratch;
    for (std::uint64_t row = 0; row < files_->rows(); ++row) {
      if (!visit(files_->key_of(row), gather_.row(row, scratch))) return;
    }
  }

 private:
  [[noreturn]] void refuse(const char* what) const {
    fail(ErrorCode::kUnsupported, "table ", files_->config().name, " is read-only: cannot ", what,
         " rows; use the table through its overlay");
  }

  std::shared_ptr<const TableFiles> files_;
  Rows rows_;
  RowShape shape_;
  RowGather gather_;
};

}  // namespace hps
