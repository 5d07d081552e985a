// open_table_shared: one copy for all who read the same files in the same way.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "table/table.h"
#include "table/table_folder.h"

namespace hps {
namespace {

using test::dense_keys;
using test::sparse_keys;
using test::TableFolder;

TableConfig copied(const TableFolder& folder) {
  TableConfig config = folder.config(KeyKind::kDense);
  config.memory = Memory::kCopied;
  return config;
}

TEST(SharedTables, EqualFilesAreHeldOnceEachWithItsOwnConfiguration) {
  const TableFolder folder(dense_keys(10));
  TableConfig config = copied(folder);
  const auto first = open_table_shared(config);
  config.name = "renamed";
  config.default_vector = {1.0f};
  const auto second = open_table_shared(config);
  EXPECT_EQ(first->row_data().data(), second->row_data().data());
  EXPECT_EQ(first->config().name, "items");
  EXPECT_EQ(second->config().name, "renamed");
  EXPECT_EQ(second->config().default_vector, (std::vector<float>{1.0f}));
  EXPECT_NE(first->row_data().data(), open_table(config)->row_data().data());
}

TEST(SharedTables, AHardLinkIsTheSameFile) {
  const TableFolder folder(dense_keys(10));
  const auto other = folder.temp.path() / "version2";
  std::filesystem::create_directory(other);
  for (const char* name : {"key", "emb_vector"}) {
    std::filesystem::create_hard_link(folder.path / name, other / name);
  }
  const auto first = open_table_shared(copied(folder));
  TableConfig config = copied(folder);
  config.folder = other;
  EXPECT_EQ(open_table_shared(config)->row_data().data(), first->row_data().data());
}

TEST(SharedTables, AnythingElseIsHeldApart) {
  const TableFolder folder(dense_keys(10));
  const TableConfig config = copied(folder);
  const auto first = open_table_shared(config);
  std::vector<TableConfig> others(4, config);
  others[0].memory = Memory::kMapped;
  others[1].keys = KeyKind::kScan;
  others[2].dim = 6;
  others[2].type = DataType::kFloat16;
  others[3].verify = true;
  others[3].row_file.xxh128 = test::checksum_of(folder.path / "emb_vector");
  for (const TableConfig& other : others) {
    EXPECT_NE(open_table_shared(other)->row_data().data(), first->row_data().data());
  }
  // Another version of the file under the same name.
  test::write_values(folder.path / "new", std::vector<float>(30, 8.0f));
  std::filesystem::rename(folder.path / "new", folder.path / "emb_vector");
  const auto second = open_table_shared(config);
  EXPECT_NE(second->row_data().data(), first->row_data().data());
  EXPECT_EQ(*reinterpret_cast<const float*>(second->row_data().data()), 8.0f);
  EXPECT_EQ(*reinterpret_cast<const float*>(first->row_data().data()), 0.0f);
}

TEST(SharedTables, VerifyIsNotSkippedForAnOpenTable) {
  const TableFolder folder(dense_keys(10));
  TableConfig config = copied(folder);
  const auto first = open_table_shared(config);
  config.verify = true;
  config.row_file.xxh128 = std::string(32, '0');
  test::expect_error(ErrorCode::kTable, {"checksum"}, [&] { (void)open_table_shared(config); });
}

TEST(SharedTables, NothingIsKeptOnceNobodyHoldsIt) {
  const TableFolder folder(dense_keys(10));
  int reads = 0;
  const Progress count = [&](const std::string&, std::uint64_t done, std::uint64_t total) {
    reads += done == total;
    return true;
  };
  (void)open_table_shared(copied(folder), count);
  const int once = reads;
  EXPECT_GT(once, 0);
  const auto held = open_table_shared(copied(folder), count);
  EXPECT_EQ(reads, 2 * once);  // read again
  (void)open_table_shared(copied(folder), count);
  EXPECT_EQ(reads, 2 * once);  // not read
}

TEST(SharedTables, ManyThreadsReadOnce) {
  const TableFolder folder(sparse_keys(20000));
  TableConfig config = copied(folder);
  config.keys = KeyKind::kHashed;
  constexpr int kThreads = 8;
  std::atomic<int> readers{0};
  std::vector<std::shared_ptr<const TableFiles>> tables(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      bool reading = false;
      tables[i] =
          open_table_shared(config, [&](const std::string&, std::uint64_t done, std::uint64_t) {
            if (done > 0 && !reading) ++readers;
            reading = reading || done > 0;
            return true;
          });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(readers, 1);
  for (const auto& table : tables) {
    EXPECT_EQ(table->row_data().data(), tables[0]->row_data().data());
    EXPECT_EQ(table->index(), tables[0]->index());
  }
}

TEST(SharedTables, WhoWaitsForAReaderThatFailsReadsForItself) {
  const TableFolder folder(dense_keys(10));
  std::atomic<bool> reading{false};
  std::atomic<bool> waiting{false};
  std::thread first([&] {
    test::expect_error(ErrorCode::kCancelled, {"'items'"}, [&] {
      (void)open_table_shared(copied(folder),
                              [&](const std::string&, std::uint64_t, std::uint64_t) {
                                reading = true;
                                reading.notify_all();
                                waiting.wait(false);
                                return false;
                              });
    });
  });
  reading.wait(false);
  const auto table =
      open_table_shared(copied(folder), [&](const std::string&, std::uint64_t, std::uint64_t) {
        waiting = true;
        waiting.notify_all();
        return true;
      });
  first.join();
  EXPECT_EQ(table->rows(), 10U);
}

TEST(SharedTables, WaitingCanBeCancelled) {
  const TableFolder folder(dense_keys(10));
  std::atomic<bool> reading{false};
  std::atomic<bool> go_on{false};
  std::thread first([&] {
    const auto table =
        open_table_shared(copied(folder), [&](const std::string&, std::uint64_t, std::uint64_t) {
          reading = true;
          reading.notify_all();
          go_on.wait(false);
          return true;
        });
    EXPECT_EQ(table->rows(), 10U);
  });
  reading.wait(false);
  test::expect_error(ErrorCode::kCancelled, {"'items'", "cancelled"}, [&] {
    (void)open_table_shared(copied(folder),
                            [](const std::string&, std::uint64_t, std::uint64_t) { return false; });
  });
  go_on = true;
  go_on.notify_all();
  first.join();
}

TEST(SharedTables, AForkedChildOpensTablesOfItsOwn) {
  const TableFolder folder(dense_keys(10));
  const auto held = open_table_shared(copied(folder));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    bool good = false;
    (void)guard([&] {
      const auto table = open_table_shared(copied(folder));
      good = table->row_data().data() != held->row_data().data() && table->rows() == 10;
    });
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace hps
