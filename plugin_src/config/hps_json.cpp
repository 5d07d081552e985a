// hps.json: plugin_src/BUNDLE.md and plugin_src/CONFIG.md say what it is.
#include "config/known_keys.h"
#include "config/names.h"
#include "config/parsers.h"

namespace hps::config {
namespace {

constexpr std::uint64_t kMostRows = std::uint64_t{1} << 40;
constexpr std::uint32_t kMostElements = 1U << 20;
constexpr std::uint32_t kMostThreads = 1024;

constexpr Choice<KeyKind> kKeyKinds[] = {
    {"dense", KeyKind::kDense}, {"hashed", KeyKind::kHashed}, {"scan", KeyKind::kScan}};
constexpr Choice<UnknownKey> kUnknownKeys[] = {{"default", UnknownKey::kDefault},
                                               {"error", UnknownKey::kError}};
constexpr Choice<Memory> kMemories[] = {
    {"mapped", Memory::kMapped}, {"copied", Memory::kCopied}, {"huge", Memory::kHuge}};
constexpr Choice<DataType> kRowTypes[] = {{"fp32", DataType::kFloat32},
                                          {"fp16", DataType::kFloat16},
                                          {"bf16", DataType::kBFloat16},
                                          {"int8", DataType::kInt8}};

std::string parse_name(const Value& value, Names& names) {
  const std::string name = value.text();
  if (!is_name(name)) {
    value.refuse("name ", in_quotes(name),
                 ": use 1 to 120 of the characters a-z, A-Z, 0-9, _ and -");
  }
  names.add(value, name);
  return name;
}

DataType parse_row_type(const Value& value) {
  if (value.text().starts_with("fp8")) {
    value.unsupported("rows of type ", in_quotes(value.text()),
                      " are not in this build; use fp16, bf16 or int8");
  }
  return value.choice<DataType>(kRowTypes);
}

std::vector<float> parse_default(const Value& value, std::uint32_t dim) {
  if (!value.is_list()) return {value.fp32()};
  if (value.size() != dim) {
    value.refuse("a list of ", value.size(), " values and dim is ", dim,
                 "; give one number, or one for each element");
  }
  std::vector<float> defaults;
  defaults.reserve(dim);
  for (std::size_t i = 0; i < value.size(); ++i) defaults.push_back(value.at(i).fp32());
  return defaults;
}

/// `row_bytes`: bytes of the file per row of the table.
TableFile parse_file(const Value& value, const TableConfig& table, std::uint64_t row_bytes) {
  const Object object = value.object(kFileKeys);
  TableFile file{.bytes = object.need("bytes").whole(0, std::uint64_t{1} << 62), .xxh128 = {}};
  if (table.rows && file.bytes != *table.rows * row_bytes) {
    object.need("bytes").refuse("found ", file.bytes, ", and ", *table.rows, " rows of dim ",
                                table.dim, " need ", *table.rows * row_bytes,
                                "; correct rows, dim, type or this size");
  }
  if (const auto digest = object.find("xxh128")) {
    file.xxh128 = digest->text();
    if (!is_digest(file.xxh128)) {
      digest->refuse("checksum ", in_quotes(file.xxh128),
                     ": write 32 lower-case hexadecimal digits, or leave the key out");
    }
  }
  object.all_read();
  return file;
}

void parse_files(const Value& value, TableConfig& table) {
  const Object files = value.object(kFilesKeys);
  if (const auto rows = files.find("emb_vector")) {
    table.row_file = parse_file(*rows, table, table.dim * element_size(table.type));
  }
  if (const auto keys = files.find("key")) {
    table.key_file = parse_file(*keys, table, sizeof(std::int64_t));
  }
  if (const auto scale = files.find("scale")) {
    if (table.type != DataType::kInt8) {
      scale->refuse("the table is ", name_of(table.type),
                    " and only int8 tables have a scale file; remove it");
    }
    table.scale_file = parse_file(*scale, table, sizeof(float));
  }
  files.all_read();
}

void parse_host(const Object& object, TableConfig& table, std::vector<Notice>& notices) {
  if (const auto unknown = object.find("unknown")) {
    table.unknown = unknown->choice<UnknownKey>(kUnknownKeys);
  }
  if (const auto memory = object.find("memory")) table.memory = memory->choice<Memory>(kMemories);
  const auto verify = object.find("verify");
  if (verify) table.verify = verify->flag();
  if (!table.verify) return;
  if (table.memory == Memory::kMapped) {
    not_needed(notices, *verify, "mapped rows are not read at opening, so nothing is compared");
  } else if (table.row_file.xxh128.empty()) {
    verify->refuse("there is no files.emb_vector.xxh128 to compare with; add it, or set false");
  }
}

TableConfig parse_table(const Value& value, Names& names, std::vector<Notice>& notices) {
  const Object object = value.object(kTableKeys);
  TableConfig table;
  table.name = parse_name(object.need("name"), names);
  table.folder = bundle_path(object.need("path"));
  table.dim = object.need("dim").whole32(1, kMostElements);
  if (const auto type = object.find("type")) table.type = parse_row_type(*type);
  if (const auto keys = object.find("keys")) table.keys = keys->choice<KeyKind>(kKeyKinds);
  if (const auto rows = object.find("rows")) {
    table.rows = rows->whole(0, kMostRows);
  } else if (table.keys != KeyKind::kScan) {
    value.refuse(R"(the key "rows" is missing; add it, or set "keys": "scan" for an HPS folder)");
  }
  table.default_vector = {0.0F};
  if (const auto given = object.find("default")) {
    table.default_vector = parse_default(*given, table.dim);
  }
  if (const auto files = object.find("files")) parse_files(*files, table);
  parse_host(object, table, notices);
  if (const auto gpu = object.find("gpu")) parse_gpu(*gpu, table, notices);
  object.all_read();
  return table;
}

ModelConfig parse_model(const Value& value, Names& names, std::vector<Notice>& notices) {
  const Object object = value.object(kModelKeys);
  ModelConfig model;
  model.name = parse_name(object.need("name"), names);
  const Value tables = object.need("tables");
  Names table_names;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    model.tables.push_back(parse_table(tables.at(i), table_names, notices));
  }
  object.all_read();
  return model;
}

void check_bundle_id(const Value& value, Config& config) {
  config.bundle_id = value.text();
  if (!is_digest(config.bundle_id)) {
    value.refuse(in_quotes(config.bundle_id), " is not 32 lower-case hexadecimal digits; ",
                 "copy it from the bundle, or remove the key");
  }
  const std::string expected = manifest_id(config);
  if (!expected.empty() && expected != config.bundle_id) {
    value.refuse("bundle_id does not match the manifest: the file was edited (found ",
                 config.bundle_id, ", the tables give ", expected,
                 "); undo the edit of models, tables or files, or convert the model again");
  }
}

}  // namespace

std::filesystem::path bundle_path(const Value& value) {
  const std::string text = value.text();
  if (text.empty()) value.refuse("an empty path; name a folder or file");
  if (climbs_out(text)) {
    value.refuse("path ", in_quotes(text),
                 " leaves the folder of this file; use a path inside it, or an absolute one");
  }
  return value.document().resolve(text);
}

void Names::add(const Value& value, const std::string& name) {
  const auto [entry, added] = places_.emplace(name, value.where());
  if (!added)
    value.refuse("name ", in_quotes(name), " is used at ", entry->second, " too; rename one");
}

void parse_hps_json(const Document& document, Config& config) {
  const Object top(Value(document, document.root, ""), kTopKeys);
  const Value format = top.need("format");
  if (const std::string name = format.text(); name != "hps-trt/1") {
    if (!name.starts_with("hps-trt/")) format.refuse(in_quotes(name), R"(; write "hps-trt/1")");
    format.unsupported(in_quotes(name),
                       R"( is of another version and this build reads "hps-trt/1")",
                       "; update hps-trt, or convert the model again");
  }
  if (const auto threads = top.find("threads")) config.threads = threads->whole32(0, kMostThreads);
  const Value models = top.need("models");
  if (models.size() == 0) models.refuse("an empty list; describe at least one model");
  Names names;
  for (std::size_t i = 0; i < models.size(); ++i) {
    config.models.push_back(parse_model(models.at(i), names, config.notices));
  }
  if (const auto id = top.find("bundle_id")) check_bundle_id(*id, config);
  if (const auto section = top.find("volatile")) {
    parse_volatile(*section, Dialect::kHpsJson, config);
  }
  if (const auto section = top.find("persistent")) {
    parse_persistent(*section, Dialect::kHpsJson, config);
  }
  if (const auto section = top.find("updates")) parse_updates(*section, Dialect::kHpsJson, config);
  top.all_read();
}

}  // namespace hps::config
