#include "store/stores.h"
#include "store/table_store.h"

namespace hps {
namespace {

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

class DenseRows {
 public:
  static constexpr std::size_t kChunk = 1024;  // long enough to hide its two ends

  explicit DenseRows(const TableFiles& files) : rows_(files.rows()) {}
  void rows_of(const KeyView& keys, std::uint64_t* at) const noexcept {
    rows_of_keys(keys, rows_, at);
  }

 private:
  std::uint64_t rows_;
};

}  // namespace

std::unique_ptr<Store> make_dense_store(std::shared_ptr<const TableFiles> files) {
  if (files == nullptr || !files->dense()) {
    fail(ErrorCode::kInvalidArgument, "a dense store needs a table whose keys are 0..rows-1");
  }
  return std::make_unique<TableStore<DenseRows>>(std::move(files));
}

}  // namespace hps
