// A shared mutex whose writers are not starved by a stream of readers.
#pragma once

#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace hps {

/// glibc's read-write lock lets readers in while a writer waits, so lookups that never pause would
/// keep an update out for ever. Here readers queue behind a waiting writer.
/// Meets SharedLockable: use with std::unique_lock and std::shared_lock.
class FairSharedMutex {
 public:
  void lock() {
    writers_.fetch_add(1, std::memory_order_relaxed);
    {
      const std::lock_guard<std::mutex> first(entry_);
      mutex_.lock();
    }
    writers_.fetch_sub(1, std::memory_order_relaxed);
  }
  void unlock() { mutex_.unlock(); }

  void lock_shared() {
    if (writers_.load(std::memory_order_relaxed) != 0) {
      const std::lock_guard<std::mutex> behind(entry_);
      mutex_.lock_shared();
    } else {
      mutex_.lock_shared();
    }
  }
  void unlock_shared() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
  std::mutex entry_;             // held by a writer while it waits for the readers inside
  std::atomic<int> writers_{0};  // that wait, or have just stopped waiting
};

}  // namespace hps
