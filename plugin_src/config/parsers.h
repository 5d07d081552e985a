// The parts of the parser, each in a source file of its own. Internal to the config layer.
#pragma once

#include <unordered_map>

#include "config/config.h"
#include "config/reader.h"

namespace hps::config {

/// hps.json; `config.file` is set already.
void parse_hps_json(const Document& document, Config& config);

/// ps.json; `config.file` is set already.
void parse_ps_json(const Document& document, Config& config);

/// Whose spelling a section of stores has.
enum class Dialect { kHpsJson, kPsJson };

/// The three sections. Each adds a Notice for what this build does not have or does not need.
void parse_volatile(const Value& section, Dialect dialect, Config& config);
void parse_persistent(const Value& section, Dialect dialect, Config& config);
void parse_updates(const Value& section, Dialect dialect, Config& config);

/// A table's "gpu" object.
void parse_gpu(const Value& section, TableConfig& table, std::vector<Notice>& notices);

/// A path inside hps.json: not empty, inside the bundle or absolute. @returns it made absolute.
std::filesystem::path bundle_path(const Value& value);

/// Valid and without meaning here: a warning.
inline void not_needed(std::vector<Notice>& notices, const Value& value, std::string_view why) {
  notices.push_back({Notice::Kind::kNotNeeded, value.where(), std::string(why)});
}
/// Valid and missing here: opening the configuration fails with this.
inline void not_here(std::vector<Notice>& notices, const Value& value, const std::string& what,
                     std::string_view mend) {
  notices.push_back({Notice::Kind::kUnsupported, value.where(),
                     what + " is not in this build; " + std::string(mend)});
}

/// Names given so far, so that a second use says where both stand.
class Names {
 public:
  void add(const Value& value, const std::string& name);

 private:
  std::unordered_map<std::string, std::string> places_;
};

}  // namespace hps::config
