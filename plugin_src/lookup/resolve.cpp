// Which configuration a node means.
#include <glob.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/fork.h"
#include "lookup/handles.h"
#include "lookup/service.h"

namespace hps {
namespace {

constexpr const char* kVariable = "HPS_TRT_CONFIG";
constexpr std::size_t kListed = 20;  // candidates named in one message

// What of a configuration decides whether a node means it.
struct Summary {
  std::string bundle_id;
  std::vector<std::string> models;
  std::string error;  // not empty: the file could not be read
};

Summary summary_of(const Config& config) {
  Summary summary;
  summary.bundle_id = config.bundle_id;
  for (const ModelConfig& model : config.models) summary.models.push_back(model.name);
  return summary;
}

bool by_id(const NodeIdentity& identity) {
  return identity.version != 1 && !identity.bundle_id.empty() && identity.bundle_id != "-";
}

// "" when `summary` is what `identity` means; else why it is not.
std::string mismatch(const Summary& summary, const NodeIdentity& identity) {
  if (!summary.error.empty()) return summary.error;
  if (by_id(identity)) {
    if (summary.bundle_id == identity.bundle_id) return "";
    return summary.bundle_id.empty() ? "has no bundle id" : "is bundle " + summary.bundle_id;
  }
  std::string names;
  for (const std::string& name : summary.models) {
    if (name == identity.model) return "";
    names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? "has no model" : "has only model " + names;
}

// A file's identity: read again only when one of these changed.
struct Stamp {
  dev_t device;
  ino_t inode;
  off_t size;
  std::int64_t modified;  // nanoseconds
  bool operator==(const Stamp&) const = default;
};

std::optional<Stamp> stamp_of(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  const std::int64_t seconds = status.st_mtim.tv_sec;
  return Stamp{status.st_dev, status.st_ino, status.st_size,
               seconds * 1000000000 + status.st_mtim.tv_nsec};
}

struct SeenFiles {
  std::mutex mutex;
  std::map<std::string, std::pair<Stamp, Summary>> files;
};
PerProcess<SeenFiles> seen_files;

Summary read_summary(const std::string& path) {
  const std::optional<Stamp> stamp = stamp_of(path);
  if (!stamp) return {"", {}, "does not exist"};
  SeenFiles& seen = seen_files.get();
  const std::lock_guard lock(seen.mutex);
  const auto found = seen.files.find(path);
  if (found != seen.files.end() && found->second.first == *stamp) return found->second.second;
  Summary summary;
  try {
    summary = summary_of(load_config(path));
  } catch (const Error& error) {
    summary.error = error.what();
    // Permissions and descriptors come back without a trace on the file, so it is tried again.
    if (error.code() == ErrorCode::kIo) return summary;
  }
  seen.files[path] = {*stamp, summary};
  return summary;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(':'), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// Files of one entry of the variable, sorted; the entry itself when no file matches.
std::vector<std::string> expand(const std::string& entry) {
  glob_t matches = {};
  std::vector<std::string> files;
  if (glob(entry.c_str(), GLOB_NOCHECK, nullptr, &matches) == 0) {
    files.assign(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  } else {
    files.push_back(entry);
  }
  globfree(&matches);
  return files;
}

// Looks through candidates and remembers why each was none.
class Search {
 public:
  explicit Search(const NodeIdentity& identity) : identity_(identity) {}

  std::shared_ptr<Deployment> try_opened(const std::shared_ptr<Deployment>& deployment) {
    const auto version = deployment->snapshot();
    const std::string why = mismatch(summary_of(version->config), identity_);
    if (why.empty()) return deployment;
    note("opened " + deployment->file().string(), why);
    return nullptr;
  }

  std::shared_ptr<Deployment> try_file(const std::string& origin, const std::string& file) {
    std::string why = mismatch(read_summary(file), identity_);
    if (why.empty()) {
      auto deployment = open_deployment(file);
      // The file may have changed since it was read.
      why = mismatch(summary_of(deployment->snapshot()->config), identity_);
      if (why.empty()) return deployment;
    }
    note(origin + " " + file, why);
    return nullptr;
  }

  void note(const std::string& where, const std::string& why) {
    if (++noted_ <= kListed) looked_ << (noted_ > 1 ? "; " : "") << where << ": " << why;
  }

  [[noreturn]] void fail_not_found() const {
    std::ostringstream text;
    text << "no configuration holds ";
    if (by_id(identity_)) text << "bundle " << identity_.bundle_id << " of ";
    text << "model '" << identity_.model << "' (" << looked_.str();
    if (noted_ > kListed) text << "; and " << noted_ - kListed << " more";
    text << "): open its hps.json with hps_open, or name it in " << kVariable;
    throw Error(ErrorCode::kNotFound, text.str());
  }

 private:
  const NodeIdentity& identity_;
  std::ostringstream looked_;
  std::size_t noted_ = 0;
};

}  // namespace

std::shared_ptr<Deployment> resolve_deployment(const NodeIdentity& identity) {
  Search search(identity);
  const auto opened = deployments_of_handles();
  if (opened.empty()) search.note("opened", "none");
  for (const auto& deployment : opened) {
    if (auto found = search.try_opened(deployment)) return found;
  }
  const char* const variable = std::getenv(kVariable);
  if (variable == nullptr || *variable == '\0') search.note(kVariable, "not set");
  for (const std::string& entry : split(variable != nullptr ? variable : "")) {
    for (const std::string& file : expand(entry)) {
      if (auto found = search.try_file(kVariable, file)) return found;
    }
  }
  if (identity.config_file.empty()) {
    search.note("the node", "names no file");
  } else if (auto found = search.try_file("the node's", identity.config_file)) {
    return found;
  }
  search.fail_not_found();
}

}  // namespace hps
