#include "store/stores.h"
#include "store/table_store.h"

namespace hps {
namespace {

static_assert(RowGather::kNone == KeyIndex::kNone);

class HashedRows {
 public:
  // The index is probed for this many keys before their rows are copied: enough keys to wait for at
  // once, few enough that the rows prefetched last are still in the nearest cache.
  static constexpr std::size_t kChunk = 256;

  explicit HashedRows(const TableFiles& files) : index_(files.index()) {}
  void rows_of(const KeyView& keys, std::uint64_t* at) const noexcept { index_->rows_of(keys, at); }

 private:
  const KeyIndex* index_;
};

}  // namespace

std::unique_ptr<Store> make_hashed_store(std::shared_ptr<const TableFiles> files) {
  if (files == nullptr || files->index() == nullptr) {
    fail(ErrorCode::kInvalidArgument, "a hashed store needs a table with a key index");
  }
  return std::make_unique<TableStore<HashedRows>>(std::move(files));
}

}  // namespace hps
