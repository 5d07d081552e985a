// How many threads this process has, as the kernel counts them.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <thread>

namespace hps::test {

inline std::size_t listed_threads() {
  namespace fs = std::filesystem;
  const fs::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(fs::begin(tasks), fs::end(tasks)));
}

/// Starts and ends a thread first: ThreadSanitizer adds one of its own at the first. A thread that
/// was joined leaves the kernel's list a moment later, hence the pause.
inline std::size_t threads_now() {
  std::thread([] {}).join();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return listed_threads();
}

/// The count once it is `expected`, or what it still is after five seconds.
inline std::size_t threads_soon(std::size_t expected) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  std::size_t count = listed_threads();
  while (count != expected && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    count = listed_threads();
  }
  return count;
}

}  // namespace hps::test
