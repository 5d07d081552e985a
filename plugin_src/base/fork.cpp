#include "base/fork.h"

#include <pthread.h>

#include "base/error.h"

namespace hps {
namespace {

std::atomic<std::uint64_t> generation{0};
std::atomic<bool> watching{false};
pthread_mutex_t registering = PTHREAD_MUTEX_INITIALIZER;

// The child has one thread here: nothing can be waiting for `registering`, but a thread that is
// gone may have held it.
extern "C" void hps_after_fork_in_child() {
  generation.fetch_add(1, std::memory_order_relaxed);
  registering = PTHREAD_MUTEX_INITIALIZER;
}

}  // namespace

std::uint64_t fork_generation() noexcept { return generation.load(std::memory_order_relaxed); }

void watch_forks() {
  if (watching.load(std::memory_order_acquire)) return;
  pthread_mutex_lock(&registering);
  int refused = 0;
  if (!watching.load(std::memory_order_relaxed)) {
    refused = pthread_atfork(nullptr, nullptr, hps_after_fork_in_child);
    watching.store(refused == 0, std::memory_order_release);
  }
  pthread_mutex_unlock(&registering);
  if (refused != 0) fail(ErrorCode::kOutOfMemory, "cannot watch for fork(): out of memory");
}

}  // namespace hps
