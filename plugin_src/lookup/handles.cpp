#include "lookup/handles.h"

#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>

#include "base/error.h"
#include "base/fork.h"

namespace hps {
namespace {

// Never reset, not even by a fork: that is how a child tells its parent's handles from its own.
std::atomic<std::uint64_t> last_handle{0};

struct Open {
  std::shared_ptr<Deployment> deployment;
  std::filesystem::path opened_as;  // absolute, or empty
};

struct Handles {
  std::mutex mutex;
  std::map<std::uint64_t, Open> open;
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

// Guarded by Handles::mutex, like what it returns.
const Open& find_open(const Handles& state, std::uint64_t handle) {
  const auto found = state.open.find(handle);
  if (found == state.open.end()) fail_unknown(state, handle);
  return found->second;
}

}  // namespace

std::uint64_t add_handle(std::shared_ptr<Deployment> deployment,
                         const std::filesystem::path& opened_as) {
  Open open{std::move(deployment),
            opened_as.empty() ? opened_as : std::filesystem::absolute(opened_as)};
  Handles& state = handles.get();
  const std::lock_guard lock(state.mutex);
  const std::uint64_t handle = ++last_handle;
  state.open.emplace(handle, std::move(open));
  return handle;
}

std::shared_ptr<Deployment> from_handle(std::uint64_t handle) {
  Handles& state = handles.get();
  const std::lock_guard lock(state.mutex);
  return find_open(state, handle).deployment;
}

void reload_handle(std::uint64_t handle, const Progress& progress) {
  Open open;
  {
    Handles& state = handles.get();
    const std::lock_guard lock(state.mutex);
    open = find_open(state, handle);
  }
  if (!open.opened_as.empty()) {
    std::error_code error;
    const std::filesystem::path now = std::filesystem::canonical(open.opened_as, error);
    if (error || now != open.deployment->file()) {
      fail(ErrorCode::kInvalidArgument, open.opened_as.string(), ": leads to ",
           error ? error.message() : now.string(), " now, and ", open.deployment->file().string(),
           " is open: open the new file beside it, then close this handle");
    }
  }
  open.deployment->reload(progress);
}

void drop_handle(std::uint64_t handle) {
  Handles& state = handles.get();
  Open last_holder;  // freed after the lock: that may take long
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
    newest_first.push_back(at->second.deployment);
  }
  return newest_first;
}

}  // namespace hps
