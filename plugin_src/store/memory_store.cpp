#include <algorithm>
#include <array>

#include "base/error.h"
#include "store/row_map.h"
#include "store/stores.h"

namespace hps {
namespace {

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(RowShape shape) : shape_(shape), map_(shape.row_bytes()) {}

  const RowShape& shape() const noexcept override { return shape_; }
  std::uint64_t size() const override { return map_.entries(); }

  void find(const KeyView& keys, RowsOut out, std::uint32_t base_position,
            Missing& missing) const override {
    std::array<RowMap::State, RowMap::kBatch> states;
    for (std::size_t begin = 0; begin < keys.count; begin += RowMap::kBatch) {
      const std::size_t n = std::min(RowMap::kBatch, keys.count - begin);
      map_.find(keys.slice(begin, n), {out.data + begin * out.stride, out.stride}, states.data());
      for (std::size_t i = 0; i < n; ++i) {
        if (states[i] != RowMap::State::kRow) {
          missing.push_back(base_position + static_cast<std::uint32_t>(begin + i));
        }
      }
    }
  }

  void put(std::span<const Key> keys, std::span<const std::byte> rows) override {
    const std::size_t row_bytes = shape_.row_bytes();
    check_rows(keys.size(), rows.size(), row_bytes);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      map_.put(keys[i], rows.data() + i * row_bytes, false);
    }
  }

  void erase(std::span<const Key> keys) override {
    for (const Key key : keys) map_.forget(key);
  }

  void iterate(const Visitor& visit) const override {
    map_.for_each(
        [&](Key key, RowMap::State, std::span<const std::byte> row) { return visit(key, row); });
  }

 private:
  RowShape shape_;
  RowMap map_;
};

}  // namespace

std::unique_ptr<Store> make_memory_store(RowShape shape) {
  if (shape.dim == 0 || !is_row_type(shape.type)) {
    fail(ErrorCode::kInvalidArgument, "rows of ", shape.dim, " elements of ", name_of(shape.type),
         " cannot be stored; give 1 or more elements of fp32, fp16, bf16 or int8");
  }
  return std::make_unique<MemoryStore>(shape);
}

}  // namespace hps
