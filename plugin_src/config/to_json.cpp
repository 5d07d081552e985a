// A parsed configuration as JSON text, for tools. Secrets are not among the fields written.
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "config/config.h"

namespace hps {
namespace {

using Json = nlohmann::ordered_json;

/// The number whose decimal form is the shortest that reads back as this float.
double shortest(float value) {
  char text[32];
  const auto written = std::to_chars(text, text + sizeof text, value);
  double number = 0.0;
  std::from_chars(text, written.ptr, number);
  return number;
}

Json default_json(const std::vector<float>& values) {
  if (values.size() == 1) return shortest(values.front());
  Json list = Json::array();
  for (const float value : values) list.push_back(shortest(value));
  return list;
}

std::string_view name_of(KeyKind keys) {
  return keys == KeyKind::kDense ? "dense" : keys == KeyKind::kHashed ? "hashed" : "scan";
}
std::string_view name_of(Memory memory) {
  return memory == Memory::kMapped ? "mapped" : memory == Memory::kCopied ? "copied" : "huge";
}
std::string_view name_of(Placement placement) {
  constexpr std::string_view kNames[] = {"none", "device", "pinned", "cached"};
  return kNames[static_cast<int>(placement)];
}
std::string_view name_of(VolatileKind kind) {
  constexpr std::string_view kNames[] = {"none", "hash_map", "shared_memory", "redis_cluster"};
  return kNames[static_cast<int>(kind)];
}
std::string_view name_of(OverflowPolicy policy) {
  constexpr std::string_view kNames[] = {"evict_random", "evict_least_used", "evict_oldest"};
  return kNames[static_cast<int>(policy)];
}

std::string joined(const std::vector<Address>& addresses) {
  std::string text;
  for (const Address& address : addresses) {
    const bool numeric = address.host.find(':') != std::string::npos;  // IPv6
    text += (text.empty() ? "" : ",") + (numeric ? "[" + address.host + "]" : address.host) + ":" +
            std::to_string(address.port);
  }
  return text;
}

void add_file(Json& files, const char* name, const TableFile& file) {
  if (file.bytes == 0 && file.xxh128.empty()) return;
  files[name] = {{"bytes", file.bytes}, {"xxh128", file.xxh128}};
}

Json gpu_json(const GpuConfig& gpu) {
  return {{"placement", name_of(gpu.placement)},
          {"cache_bytes", gpu.cache_bytes},
          {"cache_rows", gpu.cache_rows},
          {"cache_fraction", gpu.cache_fraction},
          {"frequency_file", gpu.frequency_file.string()},
          {"devices", gpu.devices}};
}

Json table_json(const TableConfig& table) {
  Json files = Json::object();
  add_file(files, "emb_vector", table.row_file);
  add_file(files, "key", table.key_file);
  add_file(files, "scale", table.scale_file);
  return {{"name", table.name},
          {"path", table.folder.string()},
          {"rows", table.rows ? Json(*table.rows) : Json()},
          {"dim", table.dim},
          {"type", name_of(table.type)},
          {"keys", name_of(table.keys)},
          {"keys_fit_32_bits", table.keys_fit_32_bits},
          {"default", default_json(table.default_vector)},
          {"unknown", table.unknown == UnknownKey::kError ? "error" : "default"},
          {"memory", name_of(table.memory)},
          {"verify", table.verify},
          {"gpu", gpu_json(table.gpu)},
          {"files", std::move(files)}};
}

Json volatile_json(const VolatileConfig& store) {
  return {{"type", name_of(store.kind)},
          {"address", joined(store.addresses)},
          {"user_name", store.user_name},
          {"num_partitions", store.num_partitions},
          {"allocation_rate", store.allocation_rate},
          {"shared_memory_size", store.shared_memory_size},
          {"shared_memory_name", store.shared_memory_name},
          {"shared_memory_auto_remove", store.shared_memory_auto_remove},
          {"num_node_connections", store.num_node_connections},
          {"max_batch_size", store.max_batch_size},
          {"enable_tls", store.tls.enabled},
          {"tls_ca_certificate", store.tls.ca_certificate.string()},
          {"tls_client_certificate", store.tls.client_certificate.string()},
          {"tls_client_key", store.tls.client_key.string()},
          {"tls_server_name_identification", store.tls.server_name},
          {"overflow_margin", store.overflow_margin},
          {"overflow_policy", name_of(store.overflow_policy)},
          {"overflow_resolution_target", store.overflow_resolution_target},
          {"initialize_after_startup", store.initialize_after_startup},
          {"initial_cache_rate", store.initial_cache_rate},
          {"cache_missed_embeddings", store.cache_missed_embeddings},
          {"update_filters", store.update_filters}};
}

Json persistent_json(const PersistentConfig& store) {
  return {{"type", store.kind == PersistentKind::kRocksDb ? "rocksdb" : "none"},
          {"path", store.path.string()},
          {"num_threads", store.num_threads},
          {"read_only", store.read_only},
          {"max_batch_size", store.max_batch_size},
          {"initialize_after_startup", store.initialize_after_startup},
          {"update_filters", store.update_filters}};
}

Json updates_json(const UpdatesConfig& updates) {
  return {{"type", updates.kind == UpdatesKind::kKafka ? "kafka" : "none"},
          {"brokers", joined(updates.brokers)},
          {"metadata_refresh_interval_ms", updates.metadata_refresh_interval_ms},
          {"receive_buffer_size", updates.receive_buffer_size},
          {"poll_timeout_ms", updates.poll_timeout_ms},
          {"max_batch_size", updates.max_batch_size},
          {"failure_backoff_ms", updates.failure_backoff_ms},
          {"max_commit_interval", updates.max_commit_interval}};
}

Json notice_json(const Notice& notice) {
  return {{"kind", notice.kind == Notice::Kind::kUnsupported ? "unsupported" : "not_needed"},
          {"where", notice.where},
          {"message", notice.message}};
}

}  // namespace

std::string to_json(const Config& config) {
  Json models = Json::array();
  for (const ModelConfig& model : config.models) {
    Json tables = Json::array();
    for (const TableConfig& table : model.tables) tables.push_back(table_json(table));
    models.push_back({{"name", model.name}, {"tables", std::move(tables)}});
  }
  Json notices = Json::array();
  for (const Notice& notice : config.notices) notices.push_back(notice_json(notice));
  const Json document = {
      {"file", config.file.string()},
      {"format", config.format == ConfigFormat::kHpsJson ? "hps-trt/1" : "ps.json"},
      {"bundle_id", config.bundle_id},
      {"manifest_id", manifest_id(config)},
      {"threads", config.threads},
      {"models", std::move(models)},
      {"volatile", volatile_json(config.volatile_store)},
      {"persistent", persistent_json(config.persistent_store)},
      {"updates", updates_json(config.updates)},
      {"notices", std::move(notices)}};
  // A path need not be UTF-8.
  return document.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hps
