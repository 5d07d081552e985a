#include "config/config_texts.h"
#include "config/known_keys.h"

namespace hps::test {
namespace {

/// Every key of the three sections, valid and none at its default.
json sections() {
  return json::parse(R"({
    "volatile": {"type": "redis_cluster", "address": "a-1.example:7001, [::1]:7002;10.0.0.3:7003",
      "user_name": "me", "password": "hunter2", "num_partitions": 8, "allocation_rate": 1024,
      "shared_memory_size": 4096, "shared_memory_name": "rows.1",
      "shared_memory_auto_remove": false, "num_node_connections": 3, "max_batch_size": 100,
      "enable_tls": true, "tls_ca_certificate": "tls/ca.pem", "tls_client_certificate": "/c.pem",
      "tls_client_key": "/c.key", "tls_server_name_identification": "redis.example",
      "overflow_margin": 18446744073709551615, "overflow_policy": "evict_least_used",
      "overflow_resolution_target": 0.5, "initialize_after_startup": false,
      "initial_cache_rate": 0.25, "cache_missed_embeddings": true, "update_filters": [".+", "x"]},
    "persistent": {"type": "rocksdb", "path": "db", "num_threads": 4, "read_only": true,
      "max_batch_size": 10, "initialize_after_startup": false, "update_filters": ["y"]},
    "updates": {"type": "kafka", "brokers": "k1:9092;k2:9093",
      "metadata_refresh_interval_ms": 1, "receive_buffer_size": 2, "poll_timeout_ms": 3,
      "max_batch_size": 4, "failure_backoff_ms": 5, "max_commit_interval": 6}})");
}

json with_sections(const json& given = sections()) {
  json document = hps_document();
  document.update(given);
  return document;
}

std::string error_with(const char* section, const char* key, const json& value) {
  json given = sections();
  given[section][key] = value;
  return error_of(with_sections(given));
}

TEST(StoresJson, ReadsEveryKey) {
  const json given = sections();
  for (const std::string_view key : config::kVolatileKeys) {
    ASSERT_TRUE(given["volatile"].contains(std::string(key))) << key;
  }
  for (const std::string_view key : config::kPersistentKeys) {
    ASSERT_TRUE(given["persistent"].contains(std::string(key))) << key;
  }
  for (const std::string_view key : config::kUpdatesKeys) {
    ASSERT_TRUE(given["updates"].contains(std::string(key))) << key;
  }
  const Config config = parse(with_sections());
  const VolatileConfig& store = config.volatile_store;
  EXPECT_EQ(store.kind, VolatileKind::kRedisCluster);
  ASSERT_EQ(store.addresses.size(), 3U);
  EXPECT_EQ(store.addresses[0].host, "a-1.example");
  EXPECT_EQ(store.addresses[0].port, 7001);
  EXPECT_EQ(store.addresses[1].host, "::1");
  EXPECT_EQ(store.addresses[2].port, 7003);
  EXPECT_EQ(store.user_name, "me");
  EXPECT_EQ(store.password.value, "hunter2");
  EXPECT_EQ(store.num_partitions, 8U);
  EXPECT_EQ(store.shared_memory_name, "rows.1");
  EXPECT_TRUE(store.tls.enabled);
  EXPECT_EQ(store.tls.ca_certificate, "/bundle/tls/ca.pem");
  EXPECT_EQ(store.tls.client_key, "/c.key");
  EXPECT_EQ(store.overflow_margin, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(store.overflow_policy, OverflowPolicy::kEvictLeastUsed);
  EXPECT_EQ(store.overflow_resolution_target, 0.5);
  EXPECT_EQ(store.initial_cache_rate, 0.25);
  EXPECT_EQ(store.update_filters, (std::vector<std::string>{".+", "x"}));
  EXPECT_EQ(config.persistent_store.kind, PersistentKind::kRocksDb);
  EXPECT_EQ(config.persistent_store.path, "/bundle/db");
  EXPECT_TRUE(config.persistent_store.read_only);
  EXPECT_EQ(config.updates.kind, UpdatesKind::kKafka);
  ASSERT_EQ(config.updates.brokers.size(), 2U);
  EXPECT_EQ(config.updates.brokers[1].host, "k2");
  EXPECT_EQ(config.updates.max_commit_interval, 6U);
}

TEST(StoresJson, EachMissingStoreIsANotice) {
  const Config config = parse(with_sections());
  ASSERT_EQ(config.notices.size(), 3U);
  const char* const where[] = {"volatile.type", "persistent.type", "updates.type"};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(config.notices[i].where, where[i]);
    EXPECT_EQ(config.notices[i].kind, Notice::Kind::kUnsupported);
  }
}

TEST(StoresJson, SecretsAreNeverShown) {
  EXPECT_EQ(to_json(parse(with_sections())).find("hunter2"), std::string::npos);
  const std::string document = with_sections().dump();
  std::vector<std::string> broken;
  const std::size_t at = document.find("hunter2");
  for (const char* instead :
       {"hunter2\\q", "hunter2\xff", "hunter2\n", "hunter2\\u0001", "hunter2\" \"x"}) {
    std::string text = document;
    broken.push_back(text.replace(at, 7, instead));
  }
  for (const std::string& text : broken) {
    EXPECT_EQ(error_of(text).find("hunter2"), std::string::npos) << error_of(text);
  }
  EXPECT_EQ(error_with("volatile", "password", json::array({"hunter2"})).find("hunter2"),
            std::string::npos);
  EXPECT_NE(error_with("volatile", "password", 1234567).find("expected a string, found a number"),
            std::string::npos);
  EXPECT_EQ(error_with("volatile", "password", 1234567).find("1234567"), std::string::npos);
}

TEST(StoresJson, AddressesNeedHostAndPort) {
  for (const char* address : {"", "host", "host:", "host:0", "host:65536", "host:12x", ":7000",
                              "a:1,,b:2", "a:1,", "ho st:1", "[::1:7000", "::1:7000", "[]:1"}) {
    EXPECT_NE(error_with("volatile", "address", address).find("is not host:port"),
              std::string::npos)
        << address;
  }
  EXPECT_NE(error_with("updates", "brokers", "k1").find("updates.brokers: \"k1\" is not host:port"),
            std::string::npos);
}

TEST(StoresJson, ValuesAreChecked) {
  EXPECT_NE(error_with("volatile", "overflow_resolution_target", 1.5).find("in 0..1"),
            std::string::npos);
  EXPECT_NE(error_with("volatile", "overflow_policy", "evict_oldst").find("\"evict_oldest\"?"),
            std::string::npos);
  EXPECT_NE(error_with("volatile", "shared_memory_name", "a/b").find("shared_memory_name: name"),
            std::string::npos);
  EXPECT_NE(error_with("volatile", "tls_client_key", "").find("tls_client_key is not"),
            std::string::npos);
  EXPECT_NE(error_with("volatile", "update_filters", ".+").find("expected a list"),
            std::string::npos);
  EXPECT_NE(error_with("persistent", "path", "").find("\"path\" is missing"), std::string::npos);
  EXPECT_NE(error_with("persistent", "num_threads", -1).find("1..1024"), std::string::npos);
  EXPECT_NE(error_with("updates", "poll_timeout_ms", -1).find("found -1"), std::string::npos);
  EXPECT_NE(error_with("updates", "type", "kafka_mq").find("is none of none, kafka"),
            std::string::npos);
  EXPECT_NE(error_with("volatile", "max_get_batch_size", 1).find("\"max_batch_size\""),
            std::string::npos);
  json no_type = sections();
  no_type["updates"].erase("type");
  EXPECT_NE(error_of(with_sections(no_type)).find("updates: the key \"type\" is missing"),
            std::string::npos);
}

TEST(StoresJson, NoneAndHashMapOpen) {
  const Config config = parse(with_sections({{"volatile", {{"type", "hash_map"}}},
                                             {"persistent", {{"type", "none"}}},
                                             {"updates", {{"type", "none"}}}}));
  ASSERT_EQ(config.notices.size(), 1U);
  EXPECT_EQ(config.notices[0].where, "volatile.type");
  EXPECT_EQ(config.notices[0].kind, Notice::Kind::kNotNeeded);
}

json with_gpu(const json& gpu) {
  json document = hps_document();
  document["models"][0]["tables"][0]["gpu"] = gpu;
  return document;
}

TEST(GpuJson, ReadsEveryKey) {
  const Config config = parse(with_gpu({{"placement", "cached"},
                                        {"cache_rows", 1000},
                                        {"frequency_file", "freq"},
                                        {"devices", {0, 2}}}));
  const GpuConfig& gpu = config.models[0].tables[0].gpu;
  EXPECT_EQ(gpu.placement, Placement::kCached);
  EXPECT_EQ(gpu.cache_rows, 1000U);
  EXPECT_EQ(gpu.frequency_file, "/bundle/freq");
  EXPECT_EQ(gpu.devices, (std::vector<std::uint32_t>{0, 2}));
  ASSERT_EQ(config.notices.size(), 1U);
  EXPECT_EQ(config.notices[0].kind, Notice::Kind::kUnsupported);
  EXPECT_EQ(config.notices[0].where, "models[0].tables[0].gpu.placement");
  EXPECT_EQ(parse(with_gpu({{"placement", "cached"}, {"cache_bytes", 7}}))
                .models[0]
                .tables[0]
                .gpu.cache_bytes,
            7U);
  EXPECT_EQ(parse(with_gpu({{"placement", "cached"}, {"cache_fraction", 0.5}}))
                .models[0]
                .tables[0]
                .gpu.cache_fraction,
            0.5);
}

TEST(GpuJson, OnlyPlacementNoneIsInThisBuild) {
  for (const char* placement : {"device", "pinned", "cached"}) {
    const Config config = parse(with_gpu({{"placement", placement}}));
    ASSERT_EQ(config.notices.size(), 1U);
    EXPECT_NE(config.notices[0].message.find(placement), std::string::npos);
  }
  EXPECT_TRUE(parse(with_gpu({{"placement", "none"}})).notices.empty());
  const Config idle = parse(with_gpu({{"placement", "none"}, {"devices", {0}}}));
  ASSERT_EQ(idle.notices.size(), 1U);
  EXPECT_EQ(idle.notices[0].kind, Notice::Kind::kNotNeeded);
}

TEST(GpuJson, ContradictionsAreErrors) {
  EXPECT_NE(error_of(with_gpu({{"placement", "device"}, {"cache_rows", 5}}))
                .find("gpu.cache_rows: only \"placement\": \"cached\" has a cache"),
            std::string::npos);
  EXPECT_NE(
      error_of(with_gpu({{"placement", "cached"}, {"cache_rows", 5}, {"cache_fraction", 0.1}}))
          .find("given by \"cache_rows\" already"),
      std::string::npos);
  EXPECT_NE(error_of(with_gpu({{"placement", "none"}, {"devices", {1, 1}}}))
                .find("gpu.devices[1]: device 1 is listed twice"),
            std::string::npos);
  EXPECT_NE(error_of(with_gpu({{"placement", "gpu"}})).find("is none of none, device"),
            std::string::npos);
  EXPECT_NE(error_of(with_gpu({{"placement", "cached"}, {"cache_fraction", 1.5}})).find("0..1"),
            std::string::npos);
}

}  // namespace
}  // namespace hps::test
