#include "store/stores.h"
#include "store_conformance.h"

namespace hps::testing_support {
namespace {

void fill(Store& store, const Rows& rows) {
  std::vector<Key> keys;
  std::vector<Row> values;
  for (const auto& [key, row] : rows) {
    keys.push_back(key);
    values.push_back(row);
  }
  store.put(keys, join(values));
}

const StoreCase kMemory{"memory", true, false, [](const RowShape& shape, const Rows& rows) {
                          auto store = make_memory_store(shape);
                          fill(*store, rows);
                          return store;
                        }};

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance,
                         testing::Combine(testing::Values(kMemory),
                                          testing::ValuesIn(all_row_shapes())),
                         case_name);

TEST(MemoryStore, WantsARowShape) {
  EXPECT_THROW(make_memory_store({0, DataType::kFloat32}), Error);
  EXPECT_THROW(make_memory_store({4, DataType::kInt64}), Error);
}

// Keys that a poor hash would put into one run of slots.
TEST(MemoryStore, HoldsKeysThatDifferInTheirHighBitsAlone) {
  const RowShape shape{3, DataType::kFloat32};
  Rows rows;
  for (Key key = 0; key < 4096; ++key) rows.emplace(key << 51, row_of(key << 51, 0, shape));
  auto store = make_memory_store(shape);
  fill(*store, rows);
  std::vector<Key> keys;
  for (const auto& entry : rows) keys.push_back(entry.first);
  expect_answer(ask(*store, view_of(keys)), view_of(keys), rows, shape);
}

}  // namespace
}  // namespace hps::testing_support
