#include "store/fake_table.h"
#include "store/stores.h"
#include "store_conformance.h"

namespace hps::testing_support {
namespace {

std::unique_ptr<Store> filled_memory(const RowShape& shape, const Rows& rows) {
  auto store = make_memory_store(shape);
  for (const auto& [key, row] : rows) store->put(std::span(&key, 1), row);
  return store;
}

/// An overlay that says everything itself: what lies below is replaced, hidden or added to.
std::unique_ptr<Store> all_changed(std::unique_ptr<Store> overlay, const Rows& rows,
                                   const Rows& below) {
  for (const auto& [key, row] : rows) overlay->put(std::span(&key, 1), row);
  for (const auto& entry : below) {
    if (rows.count(entry.first) == 0) overlay->erase(std::span(&entry.first, 1));
  }
  return overlay;
}

std::vector<StoreCase> cases() {
  return {{"over_dense", true, true,
           [](const RowShape& shape, const Rows& rows) {
             return make_overlay_store(make_dense_store(dense_table(shape, rows)));
           }},
          {"over_hashed", true, false,
           [](const RowShape& shape, const Rows& rows) {
             return make_overlay_store(make_hashed_store(hashed_table(shape, rows)));
           }},
          {"over_memory", true, false,
           [](const RowShape& shape, const Rows& rows) {
             return make_overlay_store(filled_memory(shape, rows));
           }},
          {"over_nothing", true, false,
           [](const RowShape& shape, const Rows& rows) {
             return all_changed(make_overlay_store(make_memory_store(shape)), rows, {});
           }},
          {"over_other_rows", true, false,
           [](const RowShape& shape, const Rows& rows) {
             Rows below;
             for (Key key = -50; key < 200; ++key) below.emplace(key, row_of(key, 99, shape));
             return all_changed(make_overlay_store(make_hashed_store(hashed_table(shape, below))),
                                rows, below);
           }},
          {"over_overlay", true, false,
           [](const RowShape& shape, const Rows& rows) {
             return make_overlay_store(
                 make_overlay_store(make_hashed_store(hashed_table(shape, rows))));
           }},
          {"table_store_dense", true, true,
           [](const RowShape& shape, const Rows& rows) {
             return make_table_store(dense_table(shape, rows));
           }},
          {"table_store_hashed", true, false, [](const RowShape& shape, const Rows& rows) {
             return make_table_store(hashed_table(shape, rows));
           }}};
}

INSTANTIATE_TEST_SUITE_P(Overlay, StoreConformance,
                         testing::Combine(testing::ValuesIn(cases()),
                                          testing::Values(RowShape{1, DataType::kFloat16},
                                                          RowShape{3, DataType::kInt8},
                                                          RowShape{128, DataType::kFloat32})),
                         case_name);

class OverlayOverDense : public testing::Test {
 protected:
  OverlayOverDense() {
    for (Key key = 0; key < 100; ++key) rows_.emplace(key, row_of(key, 0, shape_));
    base_ = make_dense_store(dense_table(shape_, rows_));
    overlay_ = make_overlay_store(base_);
  }
  Row found(const Store& store, Key key) const {
    const std::vector<Key> keys = {key};
    const Answer answer = ask(store, view_of(keys));
    return answer.missing.empty() ? answer.row(0, shape_) : Row{};
  }
  void put(Key key, std::uint32_t generation) {
    overlay_->put(std::span(&key, 1), row_of(key, generation, shape_));
  }
  void erase(Key key) { overlay_->erase(std::span(&key, 1)); }

  const RowShape shape_{4, DataType::kFloat32};
  Rows rows_;
  std::shared_ptr<const Store> base_;
  std::unique_ptr<Store> overlay_;
};

TEST_F(OverlayOverDense, NeverWritesTheBase) {
  put(7, 1);
  put(-5, 1);
  erase(8);
  EXPECT_EQ(found(*overlay_, 7), row_of(7, 1, shape_));
  EXPECT_EQ(found(*base_, 7), rows_.at(7));
  EXPECT_EQ(found(*base_, 8), rows_.at(8));
  EXPECT_EQ(found(*base_, -5), Row{});
  EXPECT_EQ(base_->size(), 100u);
}

TEST_F(OverlayOverDense, AnErasedRowDoesNotComeBack) {
  put(7, 1);
  erase(7);
  EXPECT_EQ(found(*overlay_, 7), Row{});
  EXPECT_EQ(overlay_->size(), 99u);
  erase(7);
  EXPECT_EQ(overlay_->size(), 99u);
  put(7, 2);
  EXPECT_EQ(found(*overlay_, 7), row_of(7, 2, shape_));
  EXPECT_EQ(overlay_->size(), 100u);
}

TEST_F(OverlayOverDense, WrapsIdsBeforeItLooks) {
  put(99, 1);
  erase(98);
  const std::vector<Key> ids = {-1, -2, -3, -100, -101};
  const KeyView view{ids.data(), DataType::kInt64, ids.size(), 1, 100};
  const Answer answer = ask(*overlay_, view);
  EXPECT_EQ(answer.missing, (Missing{1, 4}));
  EXPECT_EQ(answer.row(0, shape_), row_of(99, 1, shape_));
  EXPECT_EQ(answer.row(2, shape_), rows_.at(97));
  EXPECT_EQ(answer.row(3, shape_), rows_.at(0));
}

TEST(OverlayStore, WantsABase) {
  EXPECT_THROW(make_overlay_store(nullptr), Error);
  EXPECT_THROW(make_table_store(nullptr), Error);
}

}  // namespace
}  // namespace hps::testing_support
