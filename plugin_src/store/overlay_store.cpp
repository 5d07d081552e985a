#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/error.h"
#include "store/row_map.h"
#include "store/stores.h"

namespace hps {
namespace {

// Rows of the base are not copied into the overlay until they are replaced, so what the overlay
// says about a key is one entry of one map: there is no moment at which a replaced or erased key
// shows the row below.
class OverlayStore final : public Store {
 public:
  explicit OverlayStore(std::shared_ptr<const Store> base)
      : base_(std::move(base)), changes_(base_->shape().row_bytes()) {}

  const RowShape& shape() const noexcept override { return base_->shape(); }
  std::uint64_t size() const override {
    return base_->size() + static_cast<std::uint64_t>(changes_.surplus());
  }

  std::uint64_t changes() const override { return changes_.entries(); }

  void find(const KeyView& keys, RowsOut out, std::uint32_t base_position,
            Missing& missing) const override {
    if (changes_.entries() == 0) return base_->find(keys, out, base_position, missing);
    find_changed(keys, out, base_position, missing);
  }

  void put(std::span<const Key> keys, std::span<const std::byte> rows) override {
    const std::size_t row_bytes = shape().row_bytes();
    check_rows(keys.size(), rows.size(), row_bytes);
    for_each_with_base(keys, [&](std::size_t i, bool below) {
      changes_.put(keys[i], rows.data() + i * row_bytes, below);
    });
  }

  void erase(std::span<const Key> keys) override {
    for_each_with_base(keys, [&](std::size_t i, bool below) {
      if (below) {
        changes_.bury(keys[i]);
      } else {
        changes_.forget(keys[i]);
      }
    });
  }

  // What the overlay says is read first and remembered, so that a key changed meanwhile is not
  // visited a second time.
  void iterate(const Visitor& visit) const override {
    std::unordered_set<Key> changed;
    const bool go_on =
        changes_.for_each([&](Key key, RowMap::State state, std::span<const std::byte> row) {
          changed.insert(key);
          return state == RowMap::State::kErased || visit(key, row);
        });
    if (!go_on) return;
    base_->iterate([&](Key key, std::span<const std::byte> row) {
      return changed.count(key) != 0 || visit(key, row);
    });
  }

 private:
  // Keys that the overlay does not know come in runs, usually long: each run is one batch below.
  void find_changed(const KeyView& keys, RowsOut out, std::uint32_t base_position,
                    Missing& missing) const {
    std::size_t run = 0;  // the first key that is still to be found below
    const auto find_below = [&](std::size_t end) {
      if (run == end) return;
      base_->find(keys.slice(run, end - run), {out.data + run * out.stride, out.stride},
                  base_position + static_cast<std::uint32_t>(run), missing);
    };
    std::array<RowMap::State, RowMap::kBatch> states;
    for (std::size_t begin = 0; begin < keys.count; begin += RowMap::kBatch) {
      const std::size_t n = std::min(RowMap::kBatch, keys.count - begin);
      changes_.find(keys.slice(begin, n), {out.data + begin * out.stride, out.stride},
                    states.data());
      for (std::size_t i = 0; i < n; ++i) {
        if (states[i] == RowMap::State::kAbsent) continue;
        find_below(begin + i);
        run = begin + i + 1;
        if (states[i] == RowMap::State::kErased) {
          missing.push_back(base_position + static_cast<std::uint32_t>(begin + i));
        }
      }
    }
    find_below(keys.count);
  }

  /// Calls `act(i, whether the base holds keys[i])` in the order of the keys.
  template <class Act>
  void for_each_with_base(std::span<const Key> keys, Act act) const {
    const std::size_t row_bytes = shape().row_bytes();
    std::vector<std::byte> scratch(std::min(keys.size(), RowMap::kBatch) * row_bytes);
    Missing missing;
    for (std::size_t begin = 0; begin < keys.size(); begin += RowMap::kBatch) {
      const std::size_t n = std::min(RowMap::kBatch, keys.size() - begin);
      missing.clear();
      base_->find({keys.data() + begin, DataType::kInt64, n}, {scratch.data(), row_bytes}, 0,
                  missing);
      auto next = missing.begin();
      for (std::size_t i = 0; i < n; ++i) {
        const bool below = next == missing.end() || *next != i;
        if (!below) ++next;
        act(begin + i, below);
      }
    }
  }

  std::shared_ptr<const Store> base_;
  RowMap changes_;
};

}  // namespace

std::unique_ptr<Store> make_overlay_store(std::shared_ptr<const Store> base) {
  if (base == nullptr) fail(ErrorCode::kInvalidArgument, "an overlay needs a store to lie over");
  return std::make_unique<OverlayStore>(std::move(base));
}

std::unique_ptr<Store> make_table_store(std::shared_ptr<const TableFiles> files) {
  if (files == nullptr) fail(ErrorCode::kInvalidArgument, "a table store needs an open table");
  std::shared_ptr<const Store> base =
      files->dense() ? make_dense_store(std::move(files)) : make_hashed_store(std::move(files));
  return make_overlay_store(std::move(base));
}

}  // namespace hps
