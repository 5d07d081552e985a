// Every contradiction between files, configuration and manifest.
#include <gtest/gtest.h>

#include "table/table.h"
#include "table/table_folder.h"

namespace hps {
namespace {

using test::dense_keys;
using test::expect_error;
using test::TableFolder;

TEST(TableSizes, RowsAreCountedWhenTheConfigurationDoesNotSay) {
  const TableFolder folder(dense_keys(5));
  const auto table = open_table(folder.config(KeyKind::kDense));
  EXPECT_EQ(table->rows(), 5U);
}

TEST(TableSizes, UnequalCountsAreAnErrorWithBothSizes) {
  const TableFolder folder(dense_keys(5));
  test::write_values(folder.path / "key", dense_keys(6));
  expect_error(
      ErrorCode::kTable,
      {"'items'", "/t/key has 48 bytes", "/t/emb_vector has 60 bytes", "12 for each row of 3 fp32"},
      [&] { (void)open_table(folder.config(KeyKind::kScan)); });
}

TEST(TableSizes, HalfAKeyOrHalfARowIsAnError) {
  for (const char* name : {"key", "emb_vector"}) {
    const TableFolder folder(dense_keys(5));
    std::filesystem::resize_file(folder.path / name,
                                 std::filesystem::file_size(folder.path / name) - 1);
    const auto size = std::to_string(std::filesystem::file_size(folder.path / name));
    expect_error(ErrorCode::kTable, {std::string(name) + " has " + size + " bytes"},
                 [&] { (void)open_table(folder.config(KeyKind::kScan)); });
  }
}

TEST(TableSizes, OneFileEmptyIsAnError) {
  const TableFolder folder(dense_keys(5));
  std::filesystem::resize_file(folder.path / "key", 0);
  expect_error(ErrorCode::kTable, {"key has 0 bytes", "emb_vector has 60 bytes"},
               [&] { (void)open_table(folder.config(KeyKind::kScan)); });
}

class StatedRows : public ::testing::TestWithParam<const char*> {};

TEST_P(StatedRows, EveryFileMustHaveThem) {
  const TableFolder folder(dense_keys(5));
  test::write_values(folder.path / "scale", std::vector<float>(5, 1.0f));
  std::filesystem::resize_file(folder.path / "emb_vector", 15);
  TableConfig config = folder.config(KeyKind::kDense);
  config.type = DataType::kInt8;
  config.rows = 5;
  EXPECT_EQ(open_table(config)->rows(), 5U);
  const auto file = folder.path / GetParam();
  const auto size = std::filesystem::file_size(file);
  for (const std::uint64_t wrong : {size - 1, size + 1, std::uint64_t{0}}) {
    std::filesystem::resize_file(file, wrong);
    expect_error(ErrorCode::kTable,
                 {"'items'", file.string() + " has " + std::to_string(wrong) + " bytes", "5 rows",
                  "need " + std::to_string(size)},
                 [&] { (void)open_table(config); });
  }
}

INSTANTIATE_TEST_SUITE_P(Files, StatedRows, ::testing::Values("emb_vector", "key", "scale"));

TEST(TableSizes, RowsThatOverflowAreRefused) {
  const TableFolder folder(dense_keys(5));
  TableConfig config = folder.config(KeyKind::kDense);
  config.rows = 0x1555555555555556U;  // times 12 is 8 modulo 2^64
  expect_error(ErrorCode::kTable, {"1537228672809129302 rows of 12 bytes", "60"},
               [&] { (void)open_table(config); });
}

TEST(TableSizes, MissingFilesAreNamed) {
  for (const char* name : {"key", "emb_vector", "scale"}) {
    const TableFolder folder(dense_keys(5));
    test::write_values(folder.path / "scale", std::vector<float>(5, 1.0f));
    std::filesystem::resize_file(folder.path / "emb_vector", 15);
    std::filesystem::remove(folder.path / name);
    TableConfig config = folder.config(KeyKind::kDense);
    config.type = DataType::kInt8;
    expect_error(ErrorCode::kNotFound, {"'items'", std::string("/t/") + name},
                 [&] { (void)open_table(config); });
  }
  TableConfig nowhere = TableFolder(dense_keys(1)).config(KeyKind::kDense);
  expect_error(ErrorCode::kNotFound, {nowhere.folder.string()}, [&] { (void)open_table(nowhere); });
}

TEST(TableSizes, AFolderInPlaceOfAFileIsRefused) {
  const TableFolder folder(dense_keys(5));
  std::filesystem::remove(folder.path / "key");
  std::filesystem::create_directory(folder.path / "key");
  expect_error(ErrorCode::kIo, {"'items'", "/t/key", "not a regular file"},
               [&] { (void)open_table(folder.config(KeyKind::kDense)); });
}

TEST(TableSizes, TheManifestMustAgree) {
  const TableFolder folder(dense_keys(5));
  test::write_values(folder.path / "scale", std::vector<float>(5, 1.0f));
  std::filesystem::resize_file(folder.path / "emb_vector", 15);
  TableConfig good = folder.config(KeyKind::kDense);
  good.type = DataType::kInt8;
  good.key_file.bytes = 40;
  good.row_file.bytes = 15;
  good.scale_file.bytes = 20;
  EXPECT_EQ(open_table(good)->rows(), 5U);
  const std::pair<TableFile TableConfig::*, const char*> files[] = {
      {&TableConfig::key_file, "/t/key has 40"},
      {&TableConfig::row_file, "/t/emb_vector has 15"},
      {&TableConfig::scale_file, "/t/scale has 20"}};
  for (const auto& [member, text] : files) {
    TableConfig config = good;
    (config.*member).bytes = 7777;
    expect_error(ErrorCode::kTable, {text, "manifest says 7777"},
                 [&] { (void)open_table(config); });
  }
}

TEST(TableSizes, NonsenseInTheConfigurationIsRefused) {
  const TableFolder folder(dense_keys(5));
  for (const std::uint32_t dim : {0U, (1U << 20) + 1, ~0U}) {
    TableConfig config = folder.config(KeyKind::kDense);
    config.dim = dim;
    expect_error(ErrorCode::kInvalidArgument, {"'items'", "dim is " + std::to_string(dim)},
                 [&] { (void)open_table(config); });
  }
  TableConfig config = folder.config(KeyKind::kDense);
  config.type = DataType::kInt64;
  expect_error(ErrorCode::kInvalidArgument, {"int64"}, [&] { (void)open_table(config); });
}

TEST(TableSizes, EachTypeHasItsWidth) {
  const TableFolder folder(dense_keys(4));  // 48 bytes of rows
  TableConfig config = folder.config(KeyKind::kDense);
  config.rows = 4;
  config.dim = 6;
  for (const DataType type : {DataType::kFloat16, DataType::kBFloat16}) {
    config.type = type;
    EXPECT_EQ(open_table(config)->row_data().size(), 48U);
  }
  config.type = DataType::kInt8;
  config.dim = 12;
  test::write_values(folder.path / "scale", std::vector<float>{1, 2, 3, 4});
  const auto table = open_table(config);
  EXPECT_EQ(std::vector<float>(table->scales().begin(), table->scales().end()),
            (std::vector<float>{1, 2, 3, 4}));
}

TEST(TableSizes, ATableMayHaveNoRows) {
  const TableFolder folder({});
  for (const KeyKind kind : {KeyKind::kDense, KeyKind::kScan, KeyKind::kHashed}) {
    for (const Memory memory : {Memory::kMapped, Memory::kCopied, Memory::kHuge}) {
      for (int again = 0; again < 2; ++again) {
        TableConfig config = folder.config(kind);
        config.memory = memory;
        const auto table = open_table(config);
        EXPECT_EQ(table->rows(), 0U);
        EXPECT_TRUE(table->row_data().empty());
        EXPECT_EQ(table->dense(), kind != KeyKind::kHashed);
        if (table->index() != nullptr) {
          const std::int64_t keys[] = {0, -1, test::kMinKey};
          std::uint64_t rows[3] = {};
          table->index()->rows_of({keys, DataType::kInt64, 3}, rows);
          for (const std::uint64_t row : rows) EXPECT_EQ(row, KeyIndex::kNone);
          table->index()->prefetch(0);
          EXPECT_EQ(table->index()->row_of(0), KeyIndex::kNone);
        }
      }
    }
  }
}

}  // namespace
}  // namespace hps
