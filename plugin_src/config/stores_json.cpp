// The sections of the stores and of the update source, in the words of hps.json and of ps.json.
#include <algorithm>

#include "config/known_keys.h"
#include "config/names.h"
#include "config/parsers.h"

namespace hps::config {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 50;
constexpr std::uint32_t kMostBatch = 1U << 30;
constexpr std::uint32_t kMostMilliseconds = 86'400'000;
constexpr std::uint32_t kMostFilters = 1000;
constexpr std::size_t kMostAddresses = 1000;

constexpr Choice<VolatileKind> kVolatileKinds[] = {{"none", VolatileKind::kNone},
                                                   {"hash_map", VolatileKind::kHashMap},
                                                   {"shared_memory", VolatileKind::kSharedMemory},
                                                   {"redis_cluster", VolatileKind::kRedisCluster}};
// HPS took several spellings of each.
constexpr Choice<VolatileKind> kPsVolatileKinds[] = {
    {"disabled", VolatileKind::kNone},
    {"disable", VolatileKind::kNone},
    {"none", VolatileKind::kNone},
    {"hash_map", VolatileKind::kHashMap},
    {"hashmap", VolatileKind::kHashMap},
    {"hash", VolatileKind::kHashMap},
    {"map", VolatileKind::kHashMap},
    {"parallel_hash_map", VolatileKind::kHashMap},
    {"parallel_hashmap", VolatileKind::kHashMap},
    {"parallel_hash", VolatileKind::kHashMap},
    {"parallel_map", VolatileKind::kHashMap},
    {"multi_process_hash_map", VolatileKind::kSharedMemory},
    {"multi_process_hashmap", VolatileKind::kSharedMemory},
    {"multi_process_hash", VolatileKind::kSharedMemory},
    {"multi_process_map", VolatileKind::kSharedMemory},
    {"redis_cluster", VolatileKind::kRedisCluster},
    {"redis", VolatileKind::kRedisCluster}};
constexpr Choice<PersistentKind> kPersistentKinds[] = {{"none", PersistentKind::kNone},
                                                       {"rocksdb", PersistentKind::kRocksDb}};
constexpr Choice<PersistentKind> kPsPersistentKinds[] = {
    {"disabled", PersistentKind::kNone},   {"disable", PersistentKind::kNone},
    {"none", PersistentKind::kNone},       {"rocks_db", PersistentKind::kRocksDb},
    {"rocksdb", PersistentKind::kRocksDb}, {"rocks", PersistentKind::kRocksDb}};
constexpr Choice<UpdatesKind> kUpdatesKinds[] = {{"none", UpdatesKind::kNone},
                                                 {"kafka", UpdatesKind::kKafka}};
constexpr Choice<UpdatesKind> kPsUpdatesKinds[] = {{"null", UpdatesKind::kNone},
                                                   {"none", UpdatesKind::kNone},
                                                   {"kafka_message_queue", UpdatesKind::kKafka},
                                                   {"kafka_mq", UpdatesKind::kKafka},
                                                   {"kafka", UpdatesKind::kKafka}};
constexpr Choice<OverflowPolicy> kOverflowPolicies[] = {
    {"evict_random", OverflowPolicy::kEvictRandom},
    {"evict_least_used", OverflowPolicy::kEvictLeastUsed},
    {"evict_oldest", OverflowPolicy::kEvictOldest}};
constexpr Choice<OverflowPolicy> kPsOverflowPolicies[] = {
    {"evict_random", OverflowPolicy::kEvictRandom},
    {"random", OverflowPolicy::kEvictRandom},
    {"evict_least_used", OverflowPolicy::kEvictLeastUsed},
    {"least_used", OverflowPolicy::kEvictLeastUsed},
    {"evict_oldest", OverflowPolicy::kEvictOldest},
    {"oldest", OverflowPolicy::kEvictOldest}};

void read(const Object& object, std::string_view key, bool& out) {
  if (const auto value = object.find(key)) out = value->flag();
}
void read(const Object& object, std::string_view key, std::string& out) {
  if (const auto value = object.find(key)) out = value->text();
}
void read(const Object& object, std::string_view key, double& out, double least, double most) {
  if (const auto value = object.find(key)) out = value->number(least, most);
}
void read(const Object& object, std::string_view key, std::uint32_t& out, std::uint32_t least,
          std::uint32_t most) {
  if (const auto value = object.find(key)) out = value->whole32(least, most);
}
void read(const Object& object, std::string_view key, std::uint64_t& out, std::uint64_t least,
          std::uint64_t most) {
  if (const auto value = object.find(key)) out = value->whole(least, most);
}

/// Certificates and stores lie where their owner put them: absolute or relative, `..` allowed.
void read(const Object& object, std::string_view key, std::filesystem::path& out) {
  const auto value = object.find(key);
  if (!value) return;
  const std::string text = value->text();
  if (!text.empty()) out = value->document().resolve(text);
}

/// A list of host:port, written as one string with ',' or ';' between.
void read_addresses(const Object& object, std::string_view key, std::vector<Address>& out) {
  const auto value = object.find(key);
  if (!value) return;
  const std::string text = value->text();
  out.clear();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find_first_of(",;", begin), text.size());
    std::string_view word = std::string_view(text).substr(begin, end - begin);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    const auto address = parse_address(word);
    if (!address) value->refuse(in_quotes(word), " is not host:port (port 1..65535)");
    if (out.size() == kMostAddresses) value->refuse("more than ", kMostAddresses, " addresses");
    out.push_back(*address);
    begin = end + 1;
  }
}

void read_filters(const Object& object, std::vector<std::string>& out) {
  const auto value = object.find("update_filters");
  if (!value) return;
  if (value->size() > kMostFilters) value->refuse("more than ", kMostFilters, " filters");
  for (std::size_t i = 0; i < value->size(); ++i) out.push_back(value->at(i).text());
}

void read_tls(const Object& object, TlsConfig& tls) {
  read(object, "enable_tls", tls.enabled);
  read(object, "tls_ca_certificate", tls.ca_certificate);
  read(object, "tls_client_certificate", tls.client_certificate);
  read(object, "tls_client_key", tls.client_key);
  read(object, "tls_server_name_identification", tls.server_name);
  if (tls.enabled && tls.client_certificate.empty() != tls.client_key.empty()) {
    const bool no_key = tls.client_key.empty();
    object.value().refuse(no_key ? "tls_client_certificate is set and tls_client_key is not"
                                 : "tls_client_key is set and tls_client_certificate is not",
                          "; give both, or neither");
  }
}

void read_overflow(const Object& object, Dialect dialect, VolatileConfig& out) {
  read(object, "overflow_margin", out.overflow_margin, 1, kMost);
  if (const auto policy = object.find("overflow_policy")) {
    out.overflow_policy = dialect == Dialect::kPsJson
                              ? policy->choice<OverflowPolicy>(kPsOverflowPolicies)
                              : policy->choice<OverflowPolicy>(kOverflowPolicies);
  }
  read(object, "overflow_resolution_target", out.overflow_resolution_target, 0.0, 1.0);
}

void read_volatile(const Object& object, Dialect dialect, VolatileConfig& out) {
  read_addresses(object, "address", out.addresses);
  read(object, "user_name", out.user_name);
  if (const auto password = object.find("password")) out.password.value = password->secret();
  read(object, "num_partitions", out.num_partitions, 1, 1U << 20);
  read(object, "allocation_rate", out.allocation_rate, 1, kMostBytes);
  read(object, "shared_memory_size", out.shared_memory_size, 1, kMostBytes);
  if (const auto name = object.find("shared_memory_name")) {
    out.shared_memory_name = name->text();
    if (!is_ps_name(out.shared_memory_name)) {
      name->refuse("name ", in_quotes(out.shared_memory_name),
                   ": use 1 to 120 of the characters a-z, A-Z, 0-9, _ - and .");
    }
  }
  read(object, "shared_memory_auto_remove", out.shared_memory_auto_remove);
  read(object, "num_node_connections", out.num_node_connections, 1, 1024);
  read(object, "max_batch_size", out.max_batch_size, 1, kMostBatch);
  read_tls(object, out.tls);
  read_overflow(object, dialect, out);
  read(object, "initialize_after_startup", out.initialize_after_startup);
  read(object, "initial_cache_rate", out.initial_cache_rate, 0.0, 1.0);
  read(object, "cache_missed_embeddings", out.cache_missed_embeddings);
  read_filters(object, out.update_filters);
}

/// Keys that only older HPS releases had.
void read_old(const Object& object, Keys keys) {
  for (const std::string_view key : keys) {
    const auto value = object.find(key);
    if (!value) continue;
    if (key == "algorithm") {
      value->text();
    } else if (key == "refresh_time_after_fetch") {
      value->flag();
    } else {
      value->whole(1, kMostBatch);
    }
  }
}

std::vector<std::string_view> joined(Keys keys, Keys more) {
  std::vector<std::string_view> all(keys.begin(), keys.end());
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// One Notice for each key that is set and means nothing, because the section's type uses none.
void all_unused(const Object& object, Keys keys, std::string_view why, Config& config) {
  for (const std::string_view key : keys) {
    if (key != "type" && object.has(key)) not_needed(config.notices, object.need(key), why);
  }
}

}  // namespace

void parse_volatile(const Value& section, Dialect dialect, Config& config) {
  const bool ps = dialect == Dialect::kPsJson;
  const auto keys = joined(kVolatileKeys, ps ? Keys(kOldVolatileKeys) : Keys());
  const Object object = section.object(keys);
  VolatileConfig& out = config.volatile_store;
  const auto type = object.find("type");
  if (!ps && !type) object.need("type");
  out.kind = VolatileKind::kHashMap;
  if (type) {
    out.kind = ps ? type->choice<VolatileKind>(kPsVolatileKinds)
                  : type->choice<VolatileKind>(kVolatileKinds);
  }
  read_volatile(object, dialect, out);
  if (ps) read_old(object, kOldVolatileKeys);
  object.all_read();
  switch (out.kind) {
    case VolatileKind::kNone:
      return all_unused(object, keys, "the section's type is disabled", config);
    case VolatileKind::kHashMap:
      if (type) {
        not_needed(config.notices, *type, "the host tier serves every row from the table files");
      }
      return all_unused(object, keys, "the host tier holds whole tables and evicts nothing",
                        config);
    case VolatileKind::kSharedMemory:
    case VolatileKind::kRedisCluster:
      not_here(config.notices, *type, "volatile store " + in_quotes(type->text()),
               R"(use "hash_map" or remove the section: the host tier serves the table files)");
  }
}

void parse_persistent(const Value& section, Dialect dialect, Config& config) {
  const bool ps = dialect == Dialect::kPsJson;
  const auto keys = joined(kPersistentKeys, ps ? Keys(kOldPersistentKeys) : Keys());
  const Object object = section.object(keys);
  PersistentConfig& out = config.persistent_store;
  const auto type = object.find("type");
  if (!ps && !type) object.need("type");
  if (type) {
    out.kind = ps ? type->choice<PersistentKind>(kPsPersistentKinds)
                  : type->choice<PersistentKind>(kPersistentKinds);
  }
  read(object, "path", out.path);
  read(object, "num_threads", out.num_threads, 1, 1024);
  read(object, "read_only", out.read_only);
  read(object, "max_batch_size", out.max_batch_size, 1, kMostBatch);
  read(object, "initialize_after_startup", out.initialize_after_startup);
  read_filters(object, out.update_filters);
  if (ps) read_old(object, kOldPersistentKeys);
  object.all_read();
  if (out.kind == PersistentKind::kNone) {
    return all_unused(object, keys, "the section's type is disabled", config);
  }
  if (out.path.empty()) {
    if (!ps) section.refuse(R"(the key "path" is missing; name the store's folder)");
    out.path = std::filesystem::path("/tmp/rocksdb");  // where HPS put it
  }
  not_here(config.notices, *type, "persistent store " + in_quotes(type->text()),
           "remove the section: the host tier serves the table files");
}

void parse_updates(const Value& section, Dialect dialect, Config& config) {
  const bool ps = dialect == Dialect::kPsJson;
  const auto keys = joined(kUpdatesKeys, ps ? Keys(kOldUpdatesKeys) : Keys());
  const Object object = section.object(keys);
  UpdatesConfig& out = config.updates;
  const auto type = object.find("type");
  if (!ps && !type) object.need("type");
  out.kind = UpdatesKind::kKafka;  // what HPS took a section without a type for
  if (type) {
    out.kind =
        ps ? type->choice<UpdatesKind>(kPsUpdatesKinds) : type->choice<UpdatesKind>(kUpdatesKinds);
  }
  read_addresses(object, "brokers", out.brokers);
  read(object, "metadata_refresh_interval_ms", out.metadata_refresh_interval_ms, 0,
       kMostMilliseconds);
  read(object, "receive_buffer_size", out.receive_buffer_size, 1, 1U << 31);
  read(object, "poll_timeout_ms", out.poll_timeout_ms, 0, kMostMilliseconds);
  read(object, "max_batch_size", out.max_batch_size, 1, kMostBatch);
  read(object, "failure_backoff_ms", out.failure_backoff_ms, 0, kMostMilliseconds);
  read(object, "max_commit_interval", out.max_commit_interval, 1, 1U << 30);
  if (ps) read_old(object, kOldUpdatesKeys);
  object.all_read();
  if (out.kind == UpdatesKind::kNone) {
    return all_unused(object, keys, "the section's type is disabled", config);
  }
  not_here(config.notices, type ? *type : section,
           "update source " + in_quotes(type ? type->text() : "kafka"),
           "remove the section and put new rows through the C API, or open a new bundle");
}

}  // namespace hps::config
