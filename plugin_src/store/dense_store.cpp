#include <algorithm>
#include <array>

#include "base/error.h"
#include "store/row_gather.h"
#include "store/stores.h"

namespace hps {
namespace {

constexpr std::size_t kChunk = 1024;  // row numbers on the stack; long enough to hide its two ends

/// Row numbers of `count` ids: the wrapped id itself, or kNone outside [0, rows).
template <class Id>
void rows_of_ids(const void* ids, std::ptrdiff_t stride, std::size_t count, Key wrap_rows,
                 std::uint64_t rows, std::uint64_t* at) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const Key id = KeyView::load<Id>(ids, static_cast<std::ptrdiff_t>(i) * stride);
    const Key key = id < 0 && id >= -wrap_rows ? id + wrap_rows : id;
    const auto row = static_cast<std::uint64_t>(key);  // negative keys become larger than any row
    at[i] = row < rows ? row : RowGather::kNone;
  }
}

template <class Id>
void rows_of_keys(const KeyView& keys, std::uint64_t rows, std::uint64_t* at) noexcept {
  // The constant stride lets the compiler make vector code of the usual case.
  if (keys.stride == 1) {
    rows_of_ids<Id>(keys.data, 1, keys.count, keys.wrap_rows, rows, at);
  } else {
    rows_of_ids<Id>(keys.data, keys.stride, keys.count, keys.wrap_rows, rows, at);
  }
}

void rows_of_keys(const KeyView& keys, std::uint64_t rows, std::uint64_t* at) noexcept {
  if (keys.type == DataType::kInt32) {
    rows_of_keys<std::int32_t>(keys, rows, at);
  } else {
    rows_of_keys<std::int64_t>(keys, rows, at);
  }
}

class DenseStore final : public Store {
 public:
  explicit DenseStore(std::shared_ptr<const TableFiles> files)
      : files_(std::move(files)),
        shape_{files_->config().dim, files_->config().type},
        rows_(files_->rows()),
        gather_(files_->row_data(), files_->scales(), rows_, shape_) {}

  const RowShape& shape() const noexcept override { return shape_; }
  std::uint64_t size() const override { return rows_; }

  void find(const KeyView& keys, RowsOut out, std::uint32_t base_position,
            Missing& missing) const override {
    const bool stream = keys.count >= RowGather::kStreamedBytes / out.stride;
    std::array<std::uint64_t, kChunk> at;
    for (std::size_t begin = 0; begin < keys.count; begin += kChunk) {
      const std::size_t n = std::min(kChunk, keys.count - begin);
      rows_of_keys(keys.slice(begin, n), rows_, at.data());
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
    for (std::uint64_t row = 0; row < rows_; ++row) {
      if (!visit(static_cast<Key>(row), gather_.row(row, scratch))) return;
    }
  }

 private:
  [[noreturn]] void refuse(const char* what) const {
    fail(ErrorCode::kUnsupported, "table ", files_->config().name, " is read-only: cannot ", what,
         " rows; use the table through its overlay");
  }

  std::shared_ptr<const TableFiles> files_;
  RowShape shape_;
  std::uint64_t rows_;
  RowGather gather_;
};

}  // namespace

std::unique_ptr<Store> make_dense_store(std::shared_ptr<const TableFiles> files) {
  if (files == nullptr || !files->dense()) {
    fail(ErrorCode::kInvalidArgument, "a dense store needs a table whose keys are 0..rows-1");
  }
  return std::make_unique<DenseStore>(std::move(files));
}

}  // namespace hps
