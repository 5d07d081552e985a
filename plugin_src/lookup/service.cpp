#include "lookup/service.h"

#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/fork.h"
#include "lookup/deployment.h"
#include "lookup/handles.h"

namespace hps {
namespace {

// A path whose contents changed to another bundle is another deployment: both may be in use.
using DeploymentKey = std::pair<std::filesystem::path, std::string>;

// One load, and what those who wait for it are told. Guarded by Registry::mutex.
struct Load {
  bool ended = false;
  std::shared_ptr<Deployment> deployment;
  ErrorCode code = ErrorCode::kOk;
  std::string message;
};

struct Registry {
  std::mutex mutex;
  std::condition_variable ended;
  std::map<DeploymentKey, std::weak_ptr<Deployment>> open;
  std::map<DeploymentKey, std::shared_ptr<Load>> loading;
};
PerProcess<Registry> registry;

// Guarded by Registry::mutex.
std::shared_ptr<Deployment> find_open(Registry& state, const DeploymentKey& key) {
  std::erase_if(state.open, [](const auto& entry) { return entry.second.expired(); });
  const auto found = state.open.find(key);
  return found == state.open.end() ? nullptr : found->second.lock();
}

// One line for whoever reads a server's log: HPS ignored settings silently, and a setting that does
// nothing here would otherwise look as if it did.
void warn_of_idle_settings(const Config& config) {
  std::string names;
  std::size_t count = 0;
  for (const Notice& notice : config.notices) {
    if (notice.kind != Notice::Kind::kNotNeeded) continue;
    if (++count <= 3) names += (count > 1 ? ", " : "") + notice.where;
  }
  if (count == 0) return;
  const std::string rest = count > 3 ? " and " + std::to_string(count - 3) + " more" : "";
  std::fprintf(stderr, "hps-trt: %s: %s%s: not needed here (hps-trt config check says why)\n",
               config.file.c_str(), names.c_str(), rest.c_str());
}

// Loads and tells those who wait.
std::shared_ptr<Deployment> load(Registry& state, const DeploymentKey& key, Config config,
                                 const Progress& progress, const std::shared_ptr<Load>& mine) {
  std::shared_ptr<Deployment> deployment;
  ErrorCode code = ErrorCode::kOk;
  try {
    deployment =
        std::make_shared<LoadedDeployment>(load_version(std::move(config), progress, nullptr));
    const std::lock_guard lock(state.mutex);
    state.open[key] = deployment;
  } catch (...) {
    code = capture_current_exception();
  }
  std::string message = code == ErrorCode::kOk ? "" : last_error();
  {
    const std::lock_guard lock(state.mutex);
    *mine = Load{true, deployment, code, message};
    state.loading.erase(key);
  }
  state.ended.notify_all();
  if (code != ErrorCode::kOk) throw Error(code, message);
  warn_of_idle_settings(deployment->snapshot()->config);
  return deployment;
}

}  // namespace

std::shared_ptr<Deployment> open_deployment(const std::filesystem::path& file,
                                            const Progress& progress) {
  Registry& state = registry.get();
  Config config = load_config(file);
  const DeploymentKey key{config.file, config.bundle_id};
  std::shared_ptr<Load> mine;
  while (mine == nullptr) {
    std::unique_lock lock(state.mutex);
    if (auto open = find_open(state, key)) return open;
    const auto found = state.loading.find(key);
    if (found == state.loading.end()) {
      mine = std::make_shared<Load>();
      state.loading[key] = mine;
      break;
    }
    const std::shared_ptr<Load> theirs = found->second;
    state.ended.wait(lock, [&] { return theirs->ended; });
    if (theirs->deployment != nullptr) return theirs->deployment;
    // That somebody else stopped loading is no reason for us to.
    if (theirs->code != ErrorCode::kCancelled) throw Error(theirs->code, theirs->message);
  }
  return load(state, key, std::move(config), progress, mine);
}

}  // namespace hps
