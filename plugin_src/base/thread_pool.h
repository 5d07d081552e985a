// Helper threads of one owner. None runs before it is needed, none outlives the owner. Layer: base.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace hps {

/// Shares a batch of tasks between the calling thread and up to `threads` helpers, which start at
/// the first run() that has more than one task. run() may be called from any number of threads at
/// once (their tasks interleave), but not from inside a task.
class ThreadPool {
 public:
  explicit ThreadPool(unsigned threads);
  /// Ends the helpers and waits for them. In a forked child, where they do not exist, forgets them.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned threads() const noexcept;

  /// Calls body(0..tasks-1), each once, and returns when all have returned. `body` must not throw.
  /// Allocates nothing once the helpers run. @throws Error(kIo) when a thread cannot be started (no
  /// task has run then); Error(kForked) in a child of the process whose helpers these are.
  void run(std::size_t tasks, const std::function<void(std::size_t)>& body);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace hps
