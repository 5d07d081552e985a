#include <nlohmann/json.hpp>

#include "lookup/service.h"

namespace hps {
namespace {

using Json = nlohmann::ordered_json;

const char* text_of(Memory memory) {
  switch (memory) {
    case Memory::kMapped:
      return "mapped";
    case Memory::kCopied:
      return "copied";
    case Memory::kHuge:
      return "huge";
  }
  return "unknown";
}

Json json_of(Table& table) {
  const TableConfig& config = table.config();
  const TableCounters& counters = table.counters();
  return Json{{"name", config.name},
              {"rows", table.rows()},
              {"dim", config.dim},
              {"type", name_of(config.type)},
              {"keys", config.keys == KeyKind::kDense ? "dense" : "hashed"},
              {"memory", text_of(config.memory)},
              {"keys_held", table.store().size()},
              {"overlay_rows", table.store().changes()},
              {"lookups", counters.lookups.load(std::memory_order_relaxed)},
              {"keys_looked_up", counters.keys.load(std::memory_order_relaxed)},
              {"defaults", counters.defaults.load(std::memory_order_relaxed)},
              {"failures", counters.failures.load(std::memory_order_relaxed)}};
}

}  // namespace

std::string statistics_json(const Version& version) {
  Json models = Json::array();
  for (const Version::Model& model : version.models) {
    Json tables = Json::array();
    for (const auto& table : model.tables) tables.push_back(json_of(*table));
    models.push_back(Json{{"name", model.name}, {"tables", std::move(tables)}});
  }
  const Json all{{"version", version.serial},
                 {"file", version.config.file.string()},
                 {"bundle_id", version.config.bundle_id},
                 {"models", std::move(models)}};
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hps
