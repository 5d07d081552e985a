#include "base/keys.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace hps {
namespace {

std::vector<Key> all(const KeyView& view) {
  std::vector<Key> keys;
  for (std::size_t i = 0; i < view.count; ++i) keys.push_back(view[i]);
  return keys;
}

constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
constexpr auto kMax = std::numeric_limits<std::int64_t>::max();

TEST(KeyView, ReadsInt64AsItIs) {
  const std::vector<std::int64_t> ids = {0, -1, kMin, kMax, 42};
  EXPECT_EQ(all({ids.data(), DataType::kInt64, ids.size()}), ids);
}

TEST(KeyView, WidensInt32WithItsSign) {
  const std::vector<std::int32_t> ids = {0, -1, std::numeric_limits<std::int32_t>::min(),
                                         std::numeric_limits<std::int32_t>::max()};
  const std::vector<Key> expected = {0, -1, -2147483648LL, 2147483647LL};
  EXPECT_EQ(all({ids.data(), DataType::kInt32, ids.size()}), expected);
}

TEST(KeyView, ReadsOneColumnOfAPackedTensor) {
  const std::vector<std::int32_t> ids = {1, 10, 100, 2, 20, 200, 3, 30, 300};
  EXPECT_EQ(all({ids.data() + 1, DataType::kInt32, 3, 3}), (std::vector<Key>{10, 20, 30}));
}

TEST(KeyView, ReadsBackwardsAndTheSameIdAgain) {
  const std::vector<std::int64_t> ids = {1, 2, 3};
  EXPECT_EQ(all({ids.data() + 2, DataType::kInt64, 3, -1}), (std::vector<Key>{3, 2, 1}));
  EXPECT_EQ(all({ids.data() + 1, DataType::kInt64, 3, 0}), (std::vector<Key>{2, 2, 2}));
}

TEST(KeyView, WrapsOnlyTheIdsOfTheOnnxRange) {
  const std::vector<std::int64_t> ids = {-10, -1, -11, 0, 9, 10, kMin};
  EXPECT_EQ(all({ids.data(), DataType::kInt64, ids.size(), 1, 10}),
            (std::vector<Key>{0, 9, -11, 0, 9, 10, kMin}));
}

TEST(KeyView, SliceKeepsStrideTypeAndWrap) {
  const std::vector<std::int32_t> ids = {0, 9, -1, 9, 2, 9, -3, 9};
  const KeyView view{ids.data(), DataType::kInt32, 4, 2, 5};
  EXPECT_EQ(all(view.slice(1, 3)), (std::vector<Key>{4, 2, 2}));
  EXPECT_EQ(all(view.slice(4, 0)), std::vector<Key>{});
}

}  // namespace
}  // namespace hps
