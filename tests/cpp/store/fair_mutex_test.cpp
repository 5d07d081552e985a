#include "store/fair_mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace hps {
namespace {

TEST(FairSharedMutex, KeepsWritersApartFromEverybody) {
  FairSharedMutex mutex;
  int value = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const std::unique_lock lock(mutex);
        ++value;
      }
    });
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const std::shared_lock lock(mutex);
        EXPECT_GE(value, 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(value, 2000);
}

TEST(FairSharedMutex, ReadersShareIt) {
  FairSharedMutex mutex;
  const std::shared_lock lock(mutex);
  std::thread([&] { const std::shared_lock also(mutex); }).join();
}

// Readers that overlap without a pause, as lookups do: the lock is never free, and yet a writer
// gets in. (Without the queue this may take for ever.)
TEST(FairSharedMutex, LetsAWriterInAmongReadersWithoutPause) {
  FairSharedMutex mutex;
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int t = 0; t < 4; ++t) {
    readers.emplace_back([&] {
      while (!stop.load()) {
        const std::shared_lock lock(mutex);
        std::this_thread::yield();
      }
    });
  }
  for (int i = 0; i < 20; ++i) const std::unique_lock lock(mutex);
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace hps
