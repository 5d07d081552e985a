// What a process keeps for itself: state that a child of fork() must not touch, because threads
// that no longer exist may have held its locks. Layer: base.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace hps {

/// How many forks lie between the process that called watch_forks() first and this one. One relaxed
/// load; 0 as long as nobody watches.
std::uint64_t fork_generation() noexcept;

/// Has the child of every later fork() raise its generation. Idempotent, any thread. Called where
/// state worth guarding comes to life, never at load time: a preloaded library costs nothing.
/// @throws Error(kOutOfMemory).
void watch_forks();

/// One T per process, made at the first get() and again at the first one in a forked child, where
/// the parent's T is left as it is, neither read nor destroyed. Never destroyed either: threads of
/// the host may still run when static destructors do. Meant for namespace scope
/// (constant-initialised).
template <class T>
class PerProcess {
 public:
  constexpr PerProcess() noexcept = default;
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;

  /// @throws whatever T() throws, Error(kOutOfMemory).
  T& get() {
    watch_forks();
    const std::uint64_t generation = fork_generation();
    Slot* slot = slot_.load(std::memory_order_acquire);
    if (slot != nullptr && slot->generation == generation) return slot->value;
    auto fresh = std::make_unique<Slot>(generation);
    while (slot == nullptr || slot->generation != generation) {
      if (slot_.compare_exchange_strong(slot, fresh.get(), std::memory_order_acq_rel)) {
        return fresh.release()->value;  // leaked on purpose, see above
      }
    }
    return slot->value;
  }

 private:
  struct Slot {
    explicit Slot(std::uint64_t of) : generation(of) {}
    std::uint64_t generation;
    T value;
  };
  std::atomic<Slot*> slot_{nullptr};
};

}  // namespace hps
