#include "base/fork.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <thread>
#include <vector>

namespace hps {
namespace {

// Runs `body` in a forked child; true when it returned true.
template <class Body>
bool in_child(Body&& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

TEST(Fork, GenerationCountsForksOfWatchedProcessesInTheChildOnly) {
  watch_forks();
  watch_forks();
  const std::uint64_t here = fork_generation();
  EXPECT_TRUE(in_child([&] {
    if (fork_generation() != here + 1) return false;
    return in_child([&] { return fork_generation() == here + 2; });
  }));
  EXPECT_EQ(fork_generation(), here);
}

struct Counted {
  std::mutex mutex;
  int value = 0;
};
PerProcess<Counted> counted;

TEST(PerProcess, OneObjectForAllThreads) {
  std::vector<Counted*> seen(8);
  std::vector<std::thread> threads;
  for (Counted*& slot : seen) threads.emplace_back([&slot] { slot = &counted.get(); });
  for (std::thread& thread : threads) thread.join();
  for (const Counted* one : seen) EXPECT_EQ(one, &counted.get());
}

TEST(PerProcess, AChildStartsAfreshThoughTheParentHeldTheLock) {
  const std::lock_guard lock(counted.get().mutex);
  counted.get().value = 7;
  EXPECT_TRUE(in_child([] {
    const std::lock_guard in_child_lock(counted.get().mutex);
    return counted.get().value == 0 && &counted.get() == &counted.get();
  }));
  EXPECT_EQ(counted.get().value, 7);
}

}  // namespace
}  // namespace hps
