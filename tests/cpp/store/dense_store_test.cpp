#include <string>

#include "store/fake_table.h"
#include "store/stores.h"
#include "store_conformance.h"

namespace hps::testing_support {
namespace {

std::vector<StoreCase> cases() {
  return {{"dense", false, true,
           [](const RowShape& shape, const Rows& rows) {
             return make_dense_store(dense_table(shape, rows));
           }},
          {"dense_unaligned", false, true, [](const RowShape& shape, const Rows& rows) {
             return make_dense_store(dense_table(shape, rows, true));
           }}};
}

// Sizes that have a copy loop of their own, and their neighbours.
std::vector<RowShape> shapes() {
  std::vector<RowShape> all = all_row_shapes();
  for (const std::uint32_t dim : {15u, 16u, 17u, 64u, 65u, 127u, 300u}) {
    all.push_back({dim, DataType::kFloat32});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Dense, StoreConformance,
                         testing::Combine(testing::ValuesIn(cases()), testing::ValuesIn(shapes())),
                         case_name);

TEST(DenseStore, KeysOutsideTheRowsAreMisses) {
  const RowShape shape{16, DataType::kFloat32};
  Rows rows;
  for (Key key = 0; key < 5; ++key) rows.emplace(key, row_of(key, 0, shape));
  const auto store = make_dense_store(dense_table(shape, rows));
  const std::vector<Key> keys = {
      4, 5, -1, std::numeric_limits<Key>::min(), std::numeric_limits<Key>::max(), Key{1} << 32, 0};
  const Answer answer = ask(*store, view_of(keys));
  EXPECT_EQ(answer.missing, (Missing{1, 2, 3, 4, 5}));
  expect_answer(answer, view_of(keys), rows, shape);
}

// An output beyond the caches is written another way; the bytes are the same.
TEST(DenseStore, AnswersBatchesLargerThanTheCaches) {
  const RowShape shape{128, DataType::kFloat32};
  Rows rows;
  for (Key key = 0; key < 1000; ++key) rows.emplace(key, row_of(key, 0, shape));
  const auto store = make_dense_store(dense_table(shape, rows));
  std::mt19937_64 random(3);
  std::vector<Key> keys(70'000);
  for (Key& key : keys) key = static_cast<Key>(random() % 1010);
  std::vector<std::byte> bytes(keys.size() * 512 + 64);
  const std::size_t shift = (64 - reinterpret_cast<std::uintptr_t>(bytes.data()) % 64) % 64;
  Missing missing;
  store->find(view_of(keys), {bytes.data() + shift, 512}, 0, missing);
  std::size_t wrong = 0;
  Missing expected;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] >= 1000) {
      expected.push_back(static_cast<std::uint32_t>(i));
    } else if (std::memcmp(bytes.data() + shift + i * 512, rows.at(keys[i]).data(), 512) != 0) {
      ++wrong;
    }
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(missing, expected);
}

TEST(DenseStore, WantsADenseTable) {
  const RowShape shape{4, DataType::kFloat32};
  EXPECT_THROW(make_dense_store(nullptr), Error);
  EXPECT_THROW(make_dense_store(hashed_table(shape, {})), Error);
}

}  // namespace
}  // namespace hps::testing_support
