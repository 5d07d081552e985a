#include "config/config.h"

#include <algorithm>

#include "base/xxh128.h"
#include "config/known_keys.h"
#include "config/parsers.h"

namespace hps {
namespace {

using nlohmann::json;

bool has_any(const json& object, config::Keys keys) {
  return std::any_of(keys.begin(), keys.end(), [&object](std::string_view key) {
    return key != "models" && object.contains(std::string(key));
  });
}

/// "models" stands in both formats; one more key of HPS makes it ps.json.
bool is_ps_json(const json& root) {
  const auto models = root.find("models");
  if (models == root.end()) return false;
  if (has_any(root, config::kPsTopKeys)) return true;
  if (!models->is_array()) return false;
  return std::any_of(models->begin(), models->end(), [](const json& model) {
    return model.is_object() && has_any(model, config::kPsModelKeys);
  });
}

/// One file's part of a manifest line; "" when its checksum is not known.
std::string manifest_part(const TableFile& file) {
  return file.xxh128.empty() ? "" : std::to_string(file.bytes) + ":" + file.xxh128;
}

/// A table's line of the manifest; "" when something in it is not known.
std::string manifest_line(const TableConfig& table) {
  const bool scaled = table.type == DataType::kInt8;
  const std::string rows = manifest_part(table.row_file);
  const std::string keys = manifest_part(table.key_file);
  const std::string scale = scaled ? manifest_part(table.scale_file) : "0:-";
  if (!table.rows || table.keys == KeyKind::kScan) return "";
  if (rows.empty() || keys.empty() || scale.empty()) return "";
  return "table " + table.name + " " + std::to_string(*table.rows) + " " +
         std::to_string(table.dim) + " " + std::string(name_of(table.type)) +
         (table.keys == KeyKind::kDense ? " dense " : " hashed ") + rows + " " + keys + " " +
         scale + "\n";
}

}  // namespace

const TableConfig* ModelConfig::find(std::string_view table) const noexcept {
  const auto found = std::find_if(tables.begin(), tables.end(),
                                  [table](const auto& t) { return t.name == table; });
  return found == tables.end() ? nullptr : &*found;
}

const ModelConfig* Config::find(std::string_view model) const noexcept {
  const auto found = std::find_if(models.begin(), models.end(),
                                  [model](const auto& m) { return m.name == model; });
  return found == models.end() ? nullptr : &*found;
}

Config parse_config(const std::string& text, const std::filesystem::path& file) {
  config::Document document = config::read_document(text, file);
  Config result;
  result.file = document.folder / file.filename();
  const config::Value root(document, document.root, "");
  if (!document.root.is_object()) root.object({});
  if (document.root.contains("format")) {
    result.format = ConfigFormat::kHpsJson;
    config::parse_hps_json(document, result);
  } else if (is_ps_json(document.root)) {
    result.format = ConfigFormat::kPsJson;
    document.scalars_in_quotes = true;
    config::parse_ps_json(document, result);
  } else {
    root.refuse(
        R"(neither hps.json (no "format") nor the ps.json of HPS (no "models" with its keys))",
        R"(; for hps.json add "format": "hps-trt/1")");
  }
  return result;
}

std::string manifest_id(const Config& config) {
  std::string manifest;
  for (const ModelConfig& model : config.models) {
    manifest += "model " + model.name + "\n";
    for (const TableConfig& table : model.tables) {
      const std::string line = manifest_line(table);
      if (line.empty()) return "";
      manifest += line;
    }
  }
  return xxh128_hex(manifest);
}

}  // namespace hps
