#include <algorithm>
#include <array>

#include "base/error.h"
#include "store/row_gather.h"
#include "store/stores.h"

namespace hps {
namespace {

// The index is probed for this many keys before their rows are copied: enough keys to wait for at
// once, few enough that the rows prefetched last are still in the nearest cache.
constexpr std::size_t kChunk = 256;
static_assert(RowGather::kNone == KeyIndex::kNone);

class HashedStore final : public Store {
 public:
  explicit HashedStore(std::shared_ptr<const TableFiles> files)
      : files_(std::move(files)),
        index_(files_->index()),
        shape_{files_->config().dim, files_->config().type},
        gather_(files_->row_data(), files_->scales(), files_->rows(), shape_) {}

  const RowShape& shape() const noexcept override { return shape_; }
  std::uint64_t size() const override { return files_->rows(); }

  void find(const KeyView& keys, RowsOut out, std::uint32_t base_position,
            Missing& missing) const override {
    const bool stream = keys.count >= RowGather::kStreamedBytes / out.stride;
    std::array<std::uint64_t, kChunk> at;
    for (std::size_t begin = 0; begin < keys.count; begin += kChunk) {
      const std::size_t n = std::min(kChunk, keys.count - begin);
      index_->rows_of(keys.slice(begin, n), at.data());
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
  const KeyIndex* index_;
  RowShape shape_;
  RowGather gather_;
};

}  // namespace

std::unique_ptr<Store> make_hashed_store(std::shared_ptr<const TableFiles> files) {
  if (files == nullptr || files->index() == nullptr) {
    fail(ErrorCode::kInvalidArgument, "a hashed store needs a table with a key index");
  }
  return std::make_unique<HashedStore>(std::move(files));
}

}  // namespace hps
