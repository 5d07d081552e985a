#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <set>
#include <thread>
#include <vector>

#include "base/error.h"
#include "thread_count.h"

namespace hps {
namespace {

TEST(ThreadPool, EveryTaskRunsOnce) {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> runs(1000);
  pool.run(runs.size(), [&](std::size_t task) { ++runs[task]; });
  for (const auto& count : runs) EXPECT_EQ(count.load(), 1);
}

TEST(ThreadPool, WithoutThreadsTheCallerDoesAllInOrder) {
  ThreadPool pool(0);
  std::vector<std::size_t> order;
  pool.run(4, [&](std::size_t task) { order.push_back(task); });
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3}));
  pool.run(0, [&](std::size_t) { order.clear(); });
  EXPECT_EQ(order.size(), 4u);
}

TEST(ThreadPool, HelpersAndCallerWorkAtTheSameTime) {
  ThreadPool pool(2);
  std::barrier together(3);  // passes only when three tasks run at once
  std::mutex mutex;
  std::set<std::thread::id> ids;
  pool.run(3, [&](std::size_t) {
    together.arrive_and_wait();
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids.count(std::this_thread::get_id()), 1u);
}

TEST(ThreadPool, ThreadsStartAtTheFirstBigRunAndEndWithThePool) {
  const std::size_t before = test::threads_now();
  {
    ThreadPool pool(4);
    pool.run(1, [](std::size_t) {});
    EXPECT_EQ(test::threads_soon(before), before);
    pool.run(2, [](std::size_t) {});
    EXPECT_EQ(test::threads_soon(before + 4), before + 4);
  }
  EXPECT_EQ(test::threads_soon(before), before);
}

TEST(ThreadPool, ManyCallersShareIt) {
  ThreadPool pool(2);
  std::atomic<std::size_t> total{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        std::atomic<std::size_t> sum{0};
        pool.run(7, [&](std::size_t task) { sum += task + 1; });
        total += sum.load();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total.load(), 8u * 100u * 28u);
}

TEST(ThreadPool, AForkedChildNeitherUsesNorAwaitsTheParentsThreads) {
  auto pool = std::make_unique<ThreadPool>(2);
  pool->run(4, [](std::size_t) {});
  const pid_t child = fork();
  if (child == 0) {
    bool refused = false;
    try {
      pool->run(4, [](std::size_t) {});
    } catch (const Error& error) {
      refused = error.code() == ErrorCode::kForked;
    }
    pool.reset();
    _exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  std::atomic<int> runs{0};
  pool->run(4, [&](std::size_t) { ++runs; });
  EXPECT_EQ(runs.load(), 4);
}

}  // namespace
}  // namespace hps
