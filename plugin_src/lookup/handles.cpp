#include "lookup/handles.h"

#include <map>
#include <mutex>

#include "base/error.h"
#include "base/fork.h"

namespace hps {
namespace {

// Never reset, not even by a fork: that is how a child tells its parent's handles from its own.
std::atomic<std::uint64_t> last_handle{0};

struct Handles {
  std::mutex mutex;
  std::map<std::uint64_t, std::shared_ptr<Deployment>> open;
  const std::uint64_t inherited = fork_generation() > 0 ? last_handle.load() : 0;
};
PerProcess<Handles> handles;

[[noreturn]] void fail_unknown(const Handles& state, std::uint64_t handle) {
  if (handle != 0 && handle <= state.inherited) {
    fail(ErrorCode::kForked, "handle ", handle,
         ": opened before fork: open the configuration again in the child process");
  }
  fail(ErrorCode::kNotFound, "handle ", handle,
       " is not open: it was closed, or hps_open never gave it");
}

}  // namespace

std::uint64_t add_handle(std::shared_ptr<Deployment> deployment) {
  Handles& state = handles.get();
  const std::lock_guard lock(state.mutex);
  const std::uint64_t handle = ++last_handle;
  state.open.emplace(handle, std::move(deployment));
  return handle;
}

std::shared_ptr<Deployment> from_handle(std::uint64_t handle) {
  Handles& state = handles.get();
  const std::lock_guard lock(state.mutex);
  const auto found = state.open.find(handle);
  if (found == state.open.end()) fail_unknown(state, handle);
  return found->second;
}

void drop_handle(std::uint64_t handle) {
  Handles& state = handles.get();
  std::shared_ptr<Deployment> last_holder;  // freed after the lock: that may take long
  const std::lock_guard lock(state.mutex);
  const auto found = state.open.find(handle);
  if (found == state.open.end()) fail_unknown(state, handle);
  last_holder = std::move(found->second);
  state.open.erase(found);
}

std::vector<std::shared_ptr<Deployment>> deployments_of_handles() {
  Handles& state = handles.get();
  const std::lock_guard lock(state.mutex);
  std::vector<std::shared_ptr<Deployment>> newest_first;
  for (auto at = state.open.rbegin(); at != state.open.rend(); ++at) {
    newest_first.push_back(at->second);
  }
  return newest_first;
}

}  // namespace hps
