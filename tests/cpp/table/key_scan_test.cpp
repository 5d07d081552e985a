// What the keys themselves may be.
#include "table/key_scan.h"

#include <gtest/gtest.h>

#include "table/table.h"
#include "table/table_folder.h"

namespace hps {
namespace {

using test::dense_keys;
using test::expect_error;
using test::sparse_keys;
using test::TableFolder;

TEST(KeyScan, KeysInOrderAreDense) {
  const TableFolder folder(dense_keys(70000));  // more than one chunk
  for (int opening = 0; opening < 2; ++opening) {
    const auto table = open_table(folder.config(KeyKind::kScan));
    EXPECT_TRUE(table->dense());
    EXPECT_EQ(table->key_of(69999), 69999);
  }
}

class AlmostDense : public ::testing::TestWithParam<std::size_t> {};

TEST_P(AlmostDense, OneOtherKeyMakesAnIndex) {
  auto keys = dense_keys(140000);
  keys[GetParam()] = -5;
  const TableFolder folder(keys);
  for (int opening = 0; opening < 2; ++opening) {
    const auto table = open_table(folder.config(KeyKind::kScan));
    ASSERT_FALSE(table->dense());
    for (std::size_t row = 0; row < keys.size(); ++row) {
      ASSERT_EQ(table->index()->row_of(keys[row]), row);
    }
    EXPECT_EQ(table->index()->row_of(static_cast<std::int64_t>(GetParam())), KeyIndex::kNone);
  }
}

INSTANTIATE_TEST_SUITE_P(Positions, AlmostDense, ::testing::Values(0, 1, 65536, 131073, 139999));

TEST(KeyScan, SwappedKeysAreNotDense) {
  const TableFolder folder(std::vector<std::int64_t>{1, 0});
  const auto table = open_table(folder.config(KeyKind::kScan));
  ASSERT_FALSE(table->dense());
  EXPECT_EQ(table->index()->row_of(1), 0U);
  EXPECT_EQ(table->index()->row_of(0), 1U);
}

TEST(KeyScan, HashedIsHashedEvenWhenTheKeysAreDense) {
  const TableFolder folder(dense_keys(100));
  // Whichever kind wrote the index file, the other must not mistake it.
  for (const KeyKind kind : {KeyKind::kScan, KeyKind::kHashed, KeyKind::kScan, KeyKind::kHashed}) {
    const auto table = open_table(folder.config(kind));
    EXPECT_EQ(table->dense(), kind == KeyKind::kScan);
    if (kind == KeyKind::kHashed) {
      EXPECT_EQ(table->index()->row_of(42), 42U);
    }
  }
}

struct Twice {
  std::size_t first, second;
  std::int64_t key;
};
class Duplicates : public ::testing::TestWithParam<Twice> {};

TEST_P(Duplicates, AreNamedWithBothPositions) {
  const auto [first, second, key] = GetParam();
  auto keys = sparse_keys(70000);
  std::replace(keys.begin(), keys.end(), key, std::int64_t{77});
  keys[first] = key;
  keys[second] = key;
  const TableFolder folder(keys);
  const std::string positions = "key " + std::to_string(key) + " twice, at positions " +
                                std::to_string(first) + " and " + std::to_string(second);
  for (const KeyKind kind : {KeyKind::kScan, KeyKind::kHashed}) {
    expect_error(ErrorCode::kTable, {"'items'", "/t/key", positions},
                 [&] { (void)open_table(folder.config(kind)); });
  }
  EXPECT_EQ(test::names_in(folder.path), (std::vector<std::string>{"emb_vector", "key"}));
}

INSTANTIATE_TEST_SUITE_P(Positions, Duplicates,
                         ::testing::Values(Twice{0, 1, 0}, Twice{3, 69999, -1},
                                           Twice{65535, 65536, test::kMinKey},
                                           Twice{68000, 69000, test::kMaxKey}));

TEST(KeyScan, ADuplicateAfterDenseKeysHasItsPositions) {
  auto keys = dense_keys(70000);
  keys[69999] = 5;
  const TableFolder folder(keys);
  expect_error(ErrorCode::kTable, {"key 5 twice, at positions 5 and 69999"},
               [&] { (void)open_table(folder.config(KeyKind::kScan)); });
}

class WideKeys : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(WideKeys, AreNamedWithTheirPosition) {
  std::vector<std::int64_t> keys = {5, -2147483648LL, 2147483647LL, GetParam(), 6};
  const TableFolder folder(keys);
  TableConfig config = folder.config(KeyKind::kScan);
  for (int opening = 0; opening < 3; ++opening) {
    config.keys_fit_32_bits = true;
    expect_error(ErrorCode::kTable,
                 {"'items'", "key " + std::to_string(GetParam()) + " at position 3", "32 bits"},
                 [&] { (void)open_table(config); });
    // Allowed, and an index is written: the next opening must still refuse.
    config.keys_fit_32_bits = false;
    EXPECT_EQ(open_table(config)->index()->row_of(GetParam()), 3U);
  }
}

INSTANTIATE_TEST_SUITE_P(Keys, WideKeys,
                         ::testing::Values(2147483648LL, -2147483649LL, std::int64_t{1} << 32,
                                           test::kMinKey, test::kMaxKey));

TEST(KeyScan, TheWidestKeysOf32BitsFit) {
  const TableFolder folder(std::vector<std::int64_t>{-2147483648LL, 2147483647LL, -1});
  TableConfig config = folder.config(KeyKind::kScan);
  config.keys_fit_32_bits = true;
  for (int opening = 0; opening < 2; ++opening) {
    EXPECT_EQ(open_table(config)->index()->row_of(2147483647LL), 1U);
  }
}

TEST(KeyScan, AFileThatIsWrittenToMeanwhileIsRefused) {
  const TableFolder folder(sparse_keys(100));
  const auto path = folder.path / "key";
  expect_error(ErrorCode::kIo, {"'items'", "/t/key", "written to while"}, [&] {
    (void)open_table(folder.config(KeyKind::kScan),
                     [&](const std::string&, std::uint64_t, std::uint64_t) {
                       const timespec times[2] = {{1, 0}, {2, 0}};
                       EXPECT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
                       return true;
                     });
  });
}

TEST(KeyScan, SummarySaysWhatTheKeysAre) {
  const TableFolder folder(std::vector<std::int64_t>{3, -4, 12});
  const ScannedKeys scanned = scan_keys(File::open(folder.path / "key"), "items", {});
  EXPECT_FALSE(scanned.summary.dense);
  EXPECT_EQ(scanned.summary.rows, 3U);
  EXPECT_EQ(scanned.summary.min_key, -4);
  EXPECT_EQ(scanned.summary.max_key, 12);
  EXPECT_EQ(scanned.summary.key_xxh128, test::checksum_of(folder.path / "key"));
  EXPECT_TRUE(scanned.index);
}

}  // namespace
}  // namespace hps
