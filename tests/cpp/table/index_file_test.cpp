// The index file: used again, and never trusted further than it deserves.
#include "table/index_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "table/table.h"
#include "table/table_folder.h"

namespace hps {
namespace {

using test::sparse_keys;
using test::TableFolder;

std::string bytes_of(const std::vector<std::int64_t>& keys) {
  return {reinterpret_cast<const char*>(keys.data()), keys.size() * sizeof(std::int64_t)};
}

FileIdentity identity(const TableFolder& folder) {
  return File::open(folder.path / "hps_index").identity();
}

void expect_all_found(const TableFiles& table, const std::vector<std::int64_t>& keys) {
  for (std::size_t row = 0; row < keys.size(); ++row) {
    ASSERT_EQ(table.index()->row_of(keys[row]), row) << "key " << keys[row];
  }
}

// Keys are replaced behind the index's back: what is found is what was there when it was built.
TEST(IndexFile, SparesTheNextOpeningTheKeys) {
  const auto keys = sparse_keys(50);
  for (const Memory memory : {Memory::kMapped, Memory::kCopied}) {
    const TableFolder folder(keys);
    TableConfig config = folder.config(KeyKind::kScan);
    config.memory = memory;
    (void)open_table(config);
    const FileIdentity before = identity(folder);
    test::replace_quietly(folder.path / "key", std::string(400, '\x55'));
    expect_all_found(*open_table(config), keys);
    EXPECT_EQ(identity(folder), before);
  }
}

TEST(IndexFile, SparesADenseTableTheKeysToo) {
  const TableFolder folder(test::dense_keys(50));
  (void)open_table(folder.config(KeyKind::kScan));
  EXPECT_EQ(std::filesystem::file_size(folder.path / "hps_index"), kIndexHeaderBytes);
  test::replace_quietly(folder.path / "key", std::string(400, '\x55'));
  EXPECT_TRUE(open_table(folder.config(KeyKind::kScan))->dense());
}

TEST(IndexFile, IsRebuiltWhenTheKeyFileIsAnother) {
  auto keys = sparse_keys(50);
  const TableFolder folder(keys);
  (void)open_table(folder.config(KeyKind::kScan));
  std::swap(keys[3], keys[40]);  // the same size, another time
  test::write_values(folder.path / "key", keys);
  const timespec times[2] = {{1, 0}, {1000, 1}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder.path / "key").c_str(), times, 0), 0);
  expect_all_found(*open_table(folder.config(KeyKind::kScan)), keys);

  keys.push_back(424242);  // another size, the same time
  test::write_values(folder.path / "key", keys);
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder.path / "key").c_str(), times, 0), 0);
  test::write_values(folder.path / "emb_vector", std::vector<float>(51 * 3));
  expect_all_found(*open_table(folder.config(KeyKind::kScan)), keys);
}

TEST(IndexFile, IsRebuiltWhateverStandsInItsPlace) {
  const auto keys = sparse_keys(20);
  const TableFolder folder(keys);
  const auto path = folder.path / "hps_index";
  (void)open_table(folder.config(KeyKind::kHashed));
  const std::string good = test::read_text(path);
  ASSERT_EQ(good.size(), 4096U + 7 * 64);
  for (const std::size_t size : {0, 1, 100, 4095, 4096, 4097, 4543}) {
    test::write_text(path, good.substr(0, size));
    expect_all_found(*open_table(folder.config(KeyKind::kHashed)), keys);
    EXPECT_EQ(test::read_text(path), good) << size;
  }
  test::write_text(path, good + "x");
  expect_all_found(*open_table(folder.config(KeyKind::kHashed)), keys);
  EXPECT_EQ(test::read_text(path), good);
}

// One byte after the other: a header byte makes the file useless, a bucket byte at worst a key
// unknown; a key of the table never has another key's row.
TEST(IndexFile, NoFlippedByteGivesAWrongRow) {
  const auto keys = sparse_keys(20);
  const TableFolder folder(keys);
  const auto path = folder.path / "hps_index";
  (void)open_table(folder.config(KeyKind::kHashed));
  const std::string good = test::read_text(path);
  int lost = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    if (at == 200) at = 4090;  // the rest of the header's page has no meaning
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      test::write_text(path, bad);
      const auto table = open_table(folder.config(KeyKind::kHashed));
      for (std::size_t row = 0; row < keys.size(); ++row) {
        const std::uint64_t found = table->index()->row_of(keys[row]);
        if (at < 200) {
          ASSERT_EQ(found, row) << "byte " << at;
        }
        ASSERT_TRUE(found == row || found == KeyIndex::kNone)
            << "byte " << at << ", key " << keys[row] << ", row " << found;
        lost += found != row;
      }
    }
  }
  EXPECT_GT(lost, 0);  // the flips did reach the entries that were looked up
}

TEST(IndexFile, ACopiedIndexIsCheckedInWholeAndRebuilt) {
  const auto keys = sparse_keys(20);
  const TableFolder folder(keys);
  const auto path = folder.path / "hps_index";
  TableConfig config = folder.config(KeyKind::kHashed);
  config.memory = Memory::kCopied;
  (void)open_table(config);
  const std::string good = test::read_text(path);
  for (std::size_t at = kIndexHeaderBytes; at < good.size(); at += 5) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    test::write_text(path, bad);
    expect_all_found(*open_table(config), keys);
    ASSERT_EQ(test::read_text(path), good) << "byte " << at;
  }
}

TEST(IndexFile, AnIndexFullOfForgeriesEndsEverySearchInsideTheTable) {
  const auto keys = sparse_keys(20);
  const TableFolder folder(keys);
  const auto path = folder.path / "hps_index";
  (void)open_table(folder.config(KeyKind::kHashed));
  std::string bad = test::read_text(path);
  // Every entry taken, by a key that is asked for and a row far outside.
  for (std::size_t at = kIndexHeaderBytes; at < bad.size(); at += 16) {
    const std::int64_t key = -1;
    const std::uint64_t row = pack_row(mix_key(key), kMaxIndexedRows - 1);
    std::memcpy(bad.data() + at, &key, 8);
    std::memcpy(bad.data() + at + 8, &row, 8);
  }
  test::write_text(path, bad);
  const auto table = open_table(folder.config(KeyKind::kHashed));
  std::vector<std::uint64_t> rows(keys.size());
  table->index()->rows_of({keys.data(), DataType::kInt64, keys.size()}, rows.data());
  for (const std::uint64_t row : rows) EXPECT_EQ(row, KeyIndex::kNone);
}

TEST(IndexFile, AFolderThatCannotBeWrittenToIsNoFailure) {
  const auto keys = sparse_keys(50);
  const TableFolder folder(keys);
  ::chmod(folder.temp.path().c_str(), 0755);
  ::chmod(folder.path.c_str(), 0555);
  {
    const test::WithoutPrivileges unprivileged;
    for (const KeyKind kind : {KeyKind::kScan, KeyKind::kHashed}) {
      expect_all_found(*open_table(folder.config(kind)), keys);
    }
  }
  ::chmod(folder.path.c_str(), 0755);
  EXPECT_EQ(test::names_in(folder.path), (std::vector<std::string>{"emb_vector", "key"}));
}

TEST(IndexFile, AFolderOrLinkInItsPlaceIsNoFailure) {
  const auto keys = sparse_keys(50);
  const TableFolder folder(keys);
  std::filesystem::create_directories(folder.path / "hps_index" / "full");
  expect_all_found(*open_table(folder.config(KeyKind::kScan)), keys);
  EXPECT_EQ(test::names_in(folder.path),
            (std::vector<std::string>{"emb_vector", "hps_index", "key"}));

  std::filesystem::remove_all(folder.path / "hps_index");
  test::write_text(folder.temp.path() / "victim", "precious");
  std::filesystem::create_symlink(folder.temp.path() / "victim", folder.path / "hps_index");
  expect_all_found(*open_table(folder.config(KeyKind::kScan)), keys);
  EXPECT_EQ(test::read_text(folder.temp.path() / "victim"), "precious");
}

TEST(IndexFile, ManyMayBuildItAtOnce) {
  const auto keys = sparse_keys(3000);
  const TableFolder folder(keys);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back(
        [&] { expect_all_found(*open_table(folder.config(KeyKind::kHashed)), keys); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(test::names_in(folder.path),
            (std::vector<std::string>{"emb_vector", "hps_index", "key"}));
  test::replace_quietly(folder.path / "key", bytes_of(std::vector<std::int64_t>(3000, 1)));
  expect_all_found(*open_table(folder.config(KeyKind::kHashed)), keys);
}

}  // namespace
}  // namespace hps
