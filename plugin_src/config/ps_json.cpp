// ps.json: the configuration of an HPS deployment, read as it is. Every key that HPS read is taken,
// refused with a reason, or reported as not needed; plugin_src/CONFIG.md has the table.
#include "config/known_keys.h"
#include "config/names.h"
#include "config/parsers.h"

namespace hps::config {
namespace {

constexpr std::uint32_t kMostElements = 1U << 20;
constexpr std::uint32_t kMostBatch = 1U << 30;
constexpr std::uint32_t kMostPool = 1U << 16;
constexpr double kMostSeconds = 1e9;

constexpr Choice<int> kCacheTypes[] = {
    {"dynamic", 0}, {"static", 1}, {"uvm", 2}, {"stochastic", 3}};

void check_text(const Value& value) { value.text(); }
void check_flag(const Value& value) { value.flag(); }
void check_count(const Value& value) { value.whole(0, kMostBatch); }
void check_batch(const Value& value) { value.whole(1, kMostBatch); }
void check_pool(const Value& value) { value.whole(0, kMostPool); }
void check_fraction(const Value& value) { value.number(0.0, 1.0); }
void check_seconds(const Value& value) { value.number(0.0, kMostSeconds); }
void check_cache_type(const Value& value) { value.choice<int>(kCacheTypes); }
/// Above 1 was how HPS' users asked for exact lookups.
void check_threshold(const Value& value) { value.number(0.0, 2.0); }
void check_devices(const Value& value) {
  for (std::size_t i = 0; i < value.size(); ++i) value.at(i).whole(0, 1023);
}
void check_queries(const Value& value) {
  for (std::size_t i = 0; i < value.size(); ++i) value.at(i).whole(0, kMostBatch);
}

/// A key that is checked and then only reported.
struct Unused {
  std::string_view key;
  void (*check)(const Value&);
  std::string_view why;
};

constexpr std::string_view kNoGpu = "the GPU cache is not in this build: the host tier serves";
constexpr std::string_view kAnyBatch = "memory follows the actual batch, of any size";
constexpr std::string_view kNoPools = "there are no pools of workers: any number of calls may run";
constexpr std::string_view kGraph = "only the embedding tables are served from here";

constexpr Unused kUnused[] = {
    {"maxnum_catfeature_query_per_table_per_sample", check_queries, kAnyBatch},
    {"deployed_device_list", check_devices, kNoGpu},
    {"max_batch_size", check_batch, kAnyBatch},
    {"gpucache", check_flag, kNoGpu},
    {"gpucacheper", check_fraction, kNoGpu},
    {"hit_rate_threshold", check_threshold,
     "every lookup waits for all its rows, as if HPS' threshold were above 1"},
    {"num_of_worker_buffer_in_pool", check_pool, kNoPools},
    {"num_of_refresher_buffer_in_pool", check_pool, kNoPools},
    {"cache_refresh_percentage_per_iteration", check_fraction, kNoGpu},
    {"refresh_delay", check_seconds, kNoGpu},
    {"refresh_interval", check_seconds, kNoGpu},
    {"embedding_cache_type", check_cache_type, kNoGpu},
    {"use_context_stream", check_flag, "the stream is always the one of the caller"},
    {"maxnum_des_feature_per_sample", check_count, kGraph},
    {"dense_file", check_text, kGraph},
    {"network_file", check_text, kGraph},
    {"label_dim", check_count, kGraph},
    {"slot_num", check_count, kGraph},
    {"use_static_table", check_flag, kNoGpu},
    {"use_hctr_cache_implementation", check_flag, "there is one implementation only"},
    {"thread_pool_size", check_pool, kNoPools},
    {"init_ec", check_flag, kNoGpu},
    {"enable_pagelock", check_flag, kNoGpu},
    {"fp8_quant", check_flag, "rows are served unquantised, as the files have them"},
    {"fuse_embedding_table", check_flag, "tables are served one by one, by their own ids"}};

void report_unused(const Object& object, Config& config) {
  for (const Unused& unused : kUnused) {
    const auto value = object.find(unused.key);
    if (!value) continue;
    unused.check(*value);
    not_needed(config.notices, *value, unused.why);
  }
}

void check_length(const Object& object, std::string_view key, std::size_t tables) {
  const auto list = object.find(key);
  if (!list || list->size() == tables) return;
  list->refuse("a list of ", list->size(), ", and sparse_files is a list of ", tables,
               "; give one entry for each table");
}

std::string ps_name(const Value& value, Names& names) {
  const std::string name = value.text();
  if (!is_ps_name(name)) {
    value.refuse("name ", in_quotes(name),
                 ": use 1 to 120 of the characters a-z, A-Z, 0-9, _ - and .");
  }
  names.add(value, name);
  return name;
}

TableConfig parse_ps_table(const Object& model, std::size_t position, bool keys_fit_32_bits,
                           Names& names) {
  TableConfig table;
  const auto table_names = model.find("embedding_table_names");
  table.name = table_names ? ps_name(table_names->at(position), names)
                           : "sparse_embedding" + std::to_string(position);
  const Value folder = model.need("sparse_files").at(position);
  const std::string path = folder.text();
  if (path.empty()) folder.refuse("an empty path; name the folder of the table");
  table.folder = folder.document().resolve(path);
  table.dim = model.need("embedding_vecsize_per_table").at(position).whole32(1, kMostElements);
  table.keys = KeyKind::kScan;
  table.keys_fit_32_bits = keys_fit_32_bits;
  const auto defaults = model.find("default_value_for_each_table");
  table.default_vector = {defaults ? defaults->at(position).fp32() : 0.0F};
  return table;
}

ModelConfig parse_ps_model(const Value& value, bool keys_fit_32_bits, Names& names,
                           Config& config) {
  const Object object = value.object(kPsModelKeys);
  ModelConfig model;
  model.name = ps_name(object.need("model"), names);
  const std::size_t tables = object.need("sparse_files").size();
  if (tables == 0)
    object.need("sparse_files").refuse("an empty list; name a folder for each table");
  object.need("embedding_vecsize_per_table");
  for (const std::string_view key :
       {"embedding_table_names", "embedding_vecsize_per_table", "default_value_for_each_table",
        "maxnum_catfeature_query_per_table_per_sample"}) {
    check_length(object, key, tables);
  }
  Names table_names;
  for (std::size_t i = 0; i < tables; ++i) {
    model.tables.push_back(parse_ps_table(object, i, keys_fit_32_bits, table_names));
  }
  report_unused(object, config);
  object.all_read();
  return model;
}

}  // namespace

void parse_ps_json(const Document& document, Config& config) {
  const Object top(Value(document, document.root, ""), kPsTopKeys);
  bool keys_fit_32_bits = true;  // HPS' default: 32-bit keys
  if (const auto wide = top.find("supportlonglong")) keys_fit_32_bits = !wide->flag();
  const Value models = top.need("models");
  if (models.size() == 0) models.refuse("an empty list; describe at least one model");
  Names names;
  for (std::size_t i = 0; i < models.size(); ++i) {
    config.models.push_back(parse_ps_model(models.at(i), keys_fit_32_bits, names, config));
  }
  if (const auto fuse = top.find("fuse_embedding_table")) {
    fuse->flag();
    not_needed(config.notices, *fuse, "tables are served one by one, by their own ids");
  }
  if (const auto section = top.find("volatile_db")) {
    parse_volatile(*section, Dialect::kPsJson, config);
  }
  if (const auto section = top.find("persistent_db")) {
    parse_persistent(*section, Dialect::kPsJson, config);
  }
  if (const auto section = top.find("update_source")) {
    parse_updates(*section, Dialect::kPsJson, config);
  }
  top.all_read();
}

}  // namespace hps::config
