// What an open table holds: rows bit for bit, keys, checksums, progress.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <unordered_map>

#include "base/host_buffer.h"
#include "table/table.h"
#include "table/table_folder.h"

namespace hps {
namespace {

using test::dense_keys;
using test::expect_error;
using test::sparse_keys;
using test::TableFolder;

void expect_rows(const TableFiles& table, const TableFolder& folder) {
  const auto expected = std::as_bytes(std::span(folder.rows));
  ASSERT_EQ(table.row_data().size(), expected.size());
  EXPECT_EQ(std::memcmp(table.row_data().data(), expected.data(), expected.size()), 0);
}

class OpenTable : public ::testing::TestWithParam<Memory> {};

TEST_P(OpenTable, DenseGivesTheBytesOfTheFile) {
  const TableFolder folder(dense_keys(100));
  TableConfig config = folder.config(KeyKind::kDense);
  config.memory = GetParam();
  const auto table = open_table(config);
  EXPECT_TRUE(table->dense());
  EXPECT_EQ(table->index(), nullptr);
  EXPECT_EQ(table->config().name, "items");
  EXPECT_TRUE(table->scales().empty());
  EXPECT_EQ(table->key_of(99), 99);
  expect_error(ErrorCode::kInvalidArgument, {"row 100 of 100"}, [&] { (void)table->key_of(100); });
  expect_rows(*table, folder);
}

TEST_P(OpenTable, HashedFindsEveryKeyAndNoOther) {
  const auto keys = sparse_keys(5000);
  const TableFolder folder(keys);
  TableConfig config = folder.config(KeyKind::kHashed);
  config.memory = GetParam();
  std::unordered_map<std::int64_t, std::uint64_t> oracle;
  for (std::size_t i = 0; i < keys.size(); ++i) oracle[keys[i]] = i;
  std::vector<std::int64_t> asked = keys;
  for (const std::int64_t key : keys) {
    asked.push_back(static_cast<std::int64_t>(static_cast<std::uint64_t>(key) + 1));
  }
  for (int opening = 0; opening < 2; ++opening) {  // built, then read back
    const auto table = open_table(config);
    EXPECT_FALSE(table->dense());
    ASSERT_NE(table->index(), nullptr);
    std::vector<std::uint64_t> rows(asked.size());
    table->index()->rows_of({asked.data(), DataType::kInt64, asked.size()}, rows.data());
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const auto found = oracle.find(asked[i]);
      const std::uint64_t expected = found == oracle.end() ? KeyIndex::kNone : found->second;
      ASSERT_EQ(rows[i], expected) << "key " << asked[i];
      ASSERT_EQ(table->index()->row_of(asked[i]), expected) << "key " << asked[i];
    }
    for (std::size_t i = 0; i < keys.size(); ++i) ASSERT_EQ(table->key_of(i), keys[i]);
    expect_error(ErrorCode::kInvalidArgument, {"row 5000"}, [&] { (void)table->key_of(5000); });
    expect_rows(*table, folder);
  }
}

TEST_P(OpenTable, HuntsNoBitOfANaN) {
  const TableFolder folder(dense_keys(4));
  const std::vector<std::uint32_t> odd = {0x7fc00001, 0xffc12345, 0x7f800001, 0x80000000,
                                          0x00000001, 0x7f800000, 0xff800000, 0xffffffff,
                                          0x7fa00000, 0x12345678, 0,          1};
  test::write_values(folder.path / "emb_vector", odd);
  TableConfig config = folder.config(KeyKind::kDense);
  config.memory = GetParam();
  const auto table = open_table(config);
  ASSERT_EQ(table->row_data().size(), odd.size() * 4);
  EXPECT_EQ(std::memcmp(table->row_data().data(), odd.data(), odd.size() * 4), 0);
}

INSTANTIATE_TEST_SUITE_P(Memories, OpenTable, ::testing::Values(Memory::kMapped, Memory::kCopied),
                         [](const auto& each) {
                           return each.param == Memory::kMapped ? "mapped" : "copied";
                         });

TEST(OpenTable, ReadsStridedInt32AndWrappedIds) {
  const TableFolder folder(std::vector<std::int64_t>{7, -1, 3, 9});
  const auto table = open_table(folder.config(KeyKind::kHashed));
  const std::vector<std::int32_t> ids = {7, 0, -1, 0, 5, 0, -7, 0};
  std::uint64_t rows[4] = {};
  table->index()->rows_of({ids.data(), DataType::kInt32, 4, 2}, rows);
  EXPECT_EQ(rows[0], 0U);
  EXPECT_EQ(rows[1], 1U);
  EXPECT_EQ(rows[2], KeyIndex::kNone);
  table->index()->rows_of({ids.data(), DataType::kInt32, 4, 2, 10}, rows);
  EXPECT_EQ(rows[1], 3U);  // -1 means 9
  EXPECT_EQ(rows[3], 2U);  // -7 means 3
}

TEST(OpenTable, ReservedHugePagesHoldTheRowsOrTheirLackIsExplained) {
  const TableFolder folder(dense_keys(4));
  TableConfig config = folder.config(KeyKind::kDense);
  config.memory = Memory::kHuge;
  if (huge_page_pool().available > 0) {
    expect_rows(*open_table(config), folder);
    return;
  }
  expect_error(ErrorCode::kOutOfMemory, {"'items'", "huge pages"},
               [&] { (void)open_table(config); });
}

TEST(OpenTable, MappedDenseReadsNothing) {
  const TableFolder folder(dense_keys(4));
  TableConfig config = folder.config(KeyKind::kDense);
  config.verify = true;  // not for mapped rows
  config.row_file.xxh128 = std::string(32, '0');
  // Keys that are anything but dense: they are not looked at.
  test::write_values(folder.path / "key", std::vector<std::int64_t>{9, 9, 9, 9});
  int calls = 0;
  const auto table = open_table(config, [&](const std::string&, std::uint64_t, std::uint64_t) {
    ++calls;
    return false;
  });
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(table->key_of(2), 2);
  EXPECT_EQ(test::names_in(folder.path), (std::vector<std::string>{"emb_vector", "key"}));
}

TEST(OpenTable, VerifyComparesEveryFileItReads) {
  const TableFolder folder(sparse_keys(12));
  std::filesystem::resize_file(folder.path / "emb_vector", 36);
  test::write_values(folder.path / "scale", std::vector<float>(12, 0.5f));
  TableConfig good = folder.config(KeyKind::kHashed);
  good.type = DataType::kInt8;
  good.memory = Memory::kCopied;
  good.verify = true;
  good.row_file.xxh128 = test::checksum_of(folder.path / "emb_vector");
  good.key_file.xxh128 = test::checksum_of(folder.path / "key");
  good.scale_file.xxh128 = test::checksum_of(folder.path / "scale");
  EXPECT_EQ(open_table(good)->scales()[11], 0.5f);
  const std::string wrong(32, '0');
  const std::pair<TableFile TableConfig::*, const char*> files[] = {
      {&TableConfig::key_file, "key"},
      {&TableConfig::row_file, "emb_vector"},
      {&TableConfig::scale_file, "scale"}};
  for (const auto& [member, name] : files) {
    TableConfig config = good;
    const std::string found = (config.*member).xxh128;
    (config.*member).xxh128 = wrong;
    expect_error(ErrorCode::kTable,
                 {"'items'", std::string("/t/") + name + " has checksum " + found, wrong},
                 [&] { (void)open_table(config); });
    config.verify = false;
    EXPECT_EQ(open_table(config)->rows(), 12U);
  }
}

TEST(OpenTable, VerifyNoticesKeysThatChangedUnderTheirIndex) {
  const auto keys = sparse_keys(12);
  const TableFolder folder(keys);
  TableConfig config = folder.config(KeyKind::kHashed);
  config.memory = Memory::kCopied;
  config.verify = true;
  config.key_file.xxh128 = test::checksum_of(folder.path / "key");
  config.row_file.xxh128 = test::checksum_of(folder.path / "emb_vector");
  (void)open_table(config);
  auto other = keys;
  other[5] = 123456;
  std::string bytes(reinterpret_cast<const char*>(other.data()), other.size() * 8);
  test::replace_quietly(folder.path / "key", bytes);
  config.key_file.xxh128 = test::checksum_of(folder.path / "key");
  EXPECT_EQ(open_table(config)->index()->row_of(123456), 5U);
}

TEST(OpenTable, ProgressCoversAllThatIsReadAndEndsAtTheTotal) {
  const TableFolder folder(sparse_keys(1000));
  TableConfig config = folder.config(KeyKind::kHashed);
  config.memory = Memory::kCopied;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> steps;
  const Progress progress = [&](const std::string& name, std::uint64_t done, std::uint64_t total) {
    EXPECT_EQ(name, "items");
    steps.emplace_back(done, total);
    return true;
  };
  (void)open_table(config, progress);
  ASSERT_FALSE(steps.empty());
  for (const auto& [done, total] : steps) EXPECT_EQ(total, 8000U + 12000U);
  EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
  EXPECT_EQ(steps.back().first, 20000U);
  steps.clear();
  (void)open_table(config, progress);  // the keys are not read again
  EXPECT_EQ(steps.back(), (std::pair<std::uint64_t, std::uint64_t>{12000, 12000}));
}

TEST(OpenTable, CancellingLeavesNothingBehind) {
  const TableFolder folder(sparse_keys(1000));
  const std::size_t descriptors = test::open_descriptors();
  for (const Memory memory : {Memory::kMapped, Memory::kCopied}) {
    TableConfig config = folder.config(KeyKind::kHashed);
    config.memory = memory;
    expect_error(ErrorCode::kCancelled, {"'items'", "cancelled after 8000 of"}, [&] {
      (void)open_table(config,
                       [](const std::string&, std::uint64_t, std::uint64_t) { return false; });
    });
  }
  EXPECT_EQ(test::open_descriptors(), descriptors);
  EXPECT_EQ(test::names_in(folder.path), (std::vector<std::string>{"emb_vector", "key"}));
}

}  // namespace
}  // namespace hps
