#include "table/key_index_probe.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"
#include "table/key_index.h"

namespace hps {
namespace {

TEST(KeyIndexProbe, HomeBucketsStayInRange) {
  for (const std::uint64_t count : {1ULL, 2ULL, 3ULL, 1000003ULL, 1ULL << 45}) {
    EXPECT_EQ(home_bucket(0, count), 0U);
    EXPECT_EQ(home_bucket(~std::uint64_t{0}, count), count - 1);
  }
}

TEST(KeyIndexProbe, MixingSpreadsKeysThatDifferLittle) {
  constexpr std::uint64_t kBuckets = 64;
  for (const std::int64_t step : {1LL, 64LL, 1LL << 20, 1LL << 32, 1LL << 56}) {
    std::vector<int> filled(kBuckets);
    for (std::int64_t i = 0; i < 256; ++i) {
      const auto key = static_cast<std::int64_t>(static_cast<std::uint64_t>(i) *
                                                 static_cast<std::uint64_t>(step));
      ++filled[home_bucket(mix_key(key), kBuckets)];
    }
    for (const int count : filled) EXPECT_LT(count, 20) << "step " << step;  // 4 on average
  }
}

TEST(KeyIndexProbe, APackedRowIsNeverFreeAndKeepsItsRow) {
  for (const std::int64_t key : {0LL, -1LL, 1LL << 40}) {
    for (const std::uint64_t row : {std::uint64_t{0}, std::uint64_t{77}, kMaxIndexedRows - 1}) {
      const std::uint64_t packed = pack_row(mix_key(key), row);
      EXPECT_NE(packed, kFreeEntry);
      EXPECT_EQ(packed & kMaxIndexedRows, row);
    }
  }
}

// Any byte of the row changed in any way is noticed by the tag.
TEST(KeyIndexProbe, TheTagCatchesEveryOneByteErrorOfARow) {
  for (const std::uint64_t row : {0ULL, 1ULL, 123456ULL, 0xabcdef0123ULL}) {
    const std::uint64_t hash = mix_key(static_cast<std::int64_t>(row) * 31);
    const std::uint64_t packed = pack_row(hash, row);
    for (int byte = 0; byte < 8; ++byte) {
      for (std::uint64_t flip = 1; flip < 256; ++flip) {
        const std::uint64_t bad = packed ^ (flip << (8 * byte));
        EXPECT_NE(bad, pack_row(hash, bad & kMaxIndexedRows)) << row << " byte " << byte;
      }
    }
  }
}

TEST(KeyIndexBuilder, LoadStaysAtThreeOfFourAndBucketCountsAddUp) {
  EXPECT_EQ(buckets_for(0), 0U);
  EXPECT_EQ(buckets_for(1), 1U);
  EXPECT_EQ(buckets_for(3), 1U);
  EXPECT_EQ(buckets_for(4), 2U);
  EXPECT_EQ(buckets_for(3'000'000'001), 1'000'000'001U);
}

TEST(KeyIndexBuilder, FindsAllKeysInSmallTablesOfEverySize) {
  for (std::size_t count = 1; count < 200; ++count) {
    std::vector<std::int64_t> keys;
    for (std::size_t i = 0; i < count; ++i) {
      keys.push_back(static_cast<std::int64_t>(mix_key(static_cast<std::int64_t>(i))));
    }
    KeyIndexBuilder builder(count, "t");
    ASSERT_FALSE(builder.add(keys));
    const auto index = std::move(builder).finish();
    EXPECT_LE(index->ref().longest_probe, index->ref().bucket_count);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(index->row_of(keys[i]), i);
    EXPECT_EQ(index->row_of(12345), KeyIndex::kNone);
  }
}

TEST(KeyIndexBuilder, RefusesMoreRowsThanAnEntryCanSay) {
  EXPECT_THROW(KeyIndexBuilder(kMaxIndexedRows, "t"), Error);
}

}  // namespace
}  // namespace hps
