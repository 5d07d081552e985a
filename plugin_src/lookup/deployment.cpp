#include "lookup/deployment.h"

#include <algorithm>

#include "base/error.h"
#include "base/fork.h"
#include "lookup/loaded_table.h"

namespace hps {
namespace {

void check_supported(const Config& config) {
  std::string text;
  for (const Notice& notice : config.notices) {
    if (notice.kind != Notice::Kind::kUnsupported) continue;
    text += (text.empty() ? "" : "; ") + notice.where + ": " + notice.message;
  }
  if (!text.empty()) fail(ErrorCode::kUnsupported, config.file.string(), ": ", text);
}

std::shared_ptr<ThreadPool> helpers_for(const Config& config, std::shared_ptr<ThreadPool> present) {
  if (config.threads == 0) return nullptr;
  if (present != nullptr && present->threads() == config.threads) return present;
  return std::make_shared<ThreadPool>(config.threads);
}

}  // namespace

Table* Version::Model::find(std::string_view table) const noexcept {
  for (const auto& one : tables) {
    if (one->config().name == table) return one.get();
  }
  return nullptr;
}

const Version::Model* Version::find(std::string_view model) const noexcept {
  for (const Model& one : models) {
    if (one.name == model) return &one;
  }
  return nullptr;
}

std::shared_ptr<const Version> load_version(Config config, const Progress& progress,
                                            std::shared_ptr<ThreadPool> helpers) {
  static std::atomic<std::uint64_t> serials{0};
  check_supported(config);
  auto version = std::make_shared<Version>();
  for (const ModelConfig& model : config.models) {
    Version::Model& loaded = version->models.emplace_back();
    loaded.name = model.name;
    for (const TableConfig& table : model.tables) {
      loaded.tables.push_back(load_table(model.name, table, progress));
    }
  }
  version->serial = serials.fetch_add(1, std::memory_order_relaxed) + 1;
  version->helpers = helpers_for(config, std::move(helpers));
  version->config = std::move(config);
  return version;
}

LoadedDeployment::LoadedDeployment(std::shared_ptr<const Version> version)
    : file_(version->config.file), generation_(fork_generation()), version_(std::move(version)) {}

// Before any lock: in a child, threads that are gone may hold them.
void LoadedDeployment::check_process() const {
  if (generation_ == fork_generation()) return;
  fail(ErrorCode::kForked, file_.string(),
       ": opened before fork: open the configuration again in the child process");
}

std::shared_ptr<const Version> LoadedDeployment::snapshot() const {
  check_process();
  const std::lock_guard lock(mutex_);
  return version_;
}

void LoadedDeployment::reload(const Progress& progress) {
  check_process();
  const std::lock_guard one_at_a_time(reloading_);
  const auto old = snapshot();
  Config config = load_config(file_);
  if (config.bundle_id != old->config.bundle_id) {
    fail(ErrorCode::kInvalidArgument, file_.string(), ": holds bundle ",
         config.bundle_id.empty() ? "without id" : config.bundle_id, " now, and ",
         old->config.bundle_id.empty() ? "one without id" : old->config.bundle_id,
         " is open: open the new one beside it instead of reloading");
  }
  auto fresh = load_version(std::move(config), progress, old->helpers);
  const std::lock_guard lock(mutex_);
  version_.swap(fresh);  // `old` outlives the lock: nothing is freed under it
}

}  // namespace hps
