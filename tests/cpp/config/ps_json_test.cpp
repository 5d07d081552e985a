#include <algorithm>

#include "config/config_texts.h"
#include "config/known_keys.h"

namespace hps::test {
namespace {

json& model_of(json& document) { return document["models"][0]; }

std::string error_with(const char* key, const json& value) {
  json document = ps_document();
  model_of(document)[key] = value;
  return error_of(document);
}

TEST(PsJson, TablesComeFromTheLists) {
  const Config config = parse(ps_document());
  EXPECT_EQ(config.format, ConfigFormat::kPsJson);
  EXPECT_EQ(config.bundle_id, "");
  ASSERT_EQ(config.models.size(), 1U);
  EXPECT_EQ(config.models[0].name, "wdl");
  ASSERT_EQ(config.models[0].tables.size(), 2U);
  const TableConfig& first = config.models[0].tables[0];
  EXPECT_EQ(first.name, "table1");
  EXPECT_EQ(first.folder, "/wdl/0_sparse.model");
  EXPECT_EQ(first.dim, 1U);
  const TableConfig& table = config.models[0].tables[1];
  EXPECT_EQ(table.name, "table2");
  EXPECT_EQ(table.folder, "/bundle/../wdl/1_sparse.model");
  EXPECT_EQ(table.rows, std::nullopt);
  EXPECT_EQ(table.dim, 15U);
  EXPECT_EQ(table.type, DataType::kFloat32);
  EXPECT_EQ(table.keys, KeyKind::kScan);
  EXPECT_FALSE(table.keys_fit_32_bits);
  EXPECT_EQ(table.default_vector, std::vector<float>{-1.5F});
  EXPECT_EQ(table.unknown, UnknownKey::kDefault);
  EXPECT_EQ(table.memory, Memory::kMapped);
}

TEST(PsJson, EveryKeyOfAModelIsUsedOrReported) {
  const json document = ps_document();
  const Config config = parse(document);
  const std::vector<std::string> used = {"model", "sparse_files", "embedding_table_names",
                                         "embedding_vecsize_per_table",
                                         "default_value_for_each_table"};
  for (const std::string_view key : config::kPsModelKeys) {
    ASSERT_TRUE(document["models"][0].contains(std::string(key))) << key;
    const Notice* notice = notice_at(config, "models[0]." + std::string(key));
    if (std::find(used.begin(), used.end(), key) != used.end()) {
      EXPECT_EQ(notice, nullptr) << key;
    } else {
      ASSERT_NE(notice, nullptr) << key;
      EXPECT_EQ(notice->kind, Notice::Kind::kNotNeeded) << key;
    }
  }
  EXPECT_NE(notice_at(config, "fuse_embedding_table"), nullptr);
}

TEST(PsJson, SmallestFile) {
  const Config config = parse(json::parse(R"({"models": [{"model": "m.v-1_a",
      "sparse_files": ["a", "b"], "embedding_vecsize_per_table": [4, 8]}]})"));
  EXPECT_TRUE(config.notices.empty());
  EXPECT_EQ(config.models[0].tables[0].name, "sparse_embedding0");
  EXPECT_EQ(config.models[0].tables[1].name, "sparse_embedding1");
  EXPECT_EQ(config.models[0].tables[1].folder, "/bundle/b");
  EXPECT_TRUE(config.models[0].tables[0].keys_fit_32_bits);
  EXPECT_EQ(config.models[0].tables[0].default_vector, std::vector<float>{0.0F});
}

TEST(PsJson, ListsHaveOneEntryForEachTable) {
  for (const char* key :
       {"embedding_table_names", "embedding_vecsize_per_table",
        "maxnum_catfeature_query_per_table_per_sample", "default_value_for_each_table"}) {
    EXPECT_EQ(error_with(key, json::array({1, 2, 3})),
              "/bundle/hps.json: models[0]." + std::string(key) +
                  ": a list of 3, and sparse_files is a list of 2; give one entry for each table");
  }
  EXPECT_NE(error_with("sparse_files", json::array()).find("sparse_files: an empty list"),
            std::string::npos);
}

TEST(PsJson, UnknownAndMissingKeys) {
  EXPECT_NE(
      error_with("gpucachepre", 0.5)
          .find(R"(models[0]: unknown key "gpucachepre"; the nearest valid key is "gpucacheper")"),
      std::string::npos);
  json document = ps_document();
  document["volatiledb"] = json::object();
  EXPECT_NE(error_of(document).find(R"(the nearest valid key is "volatile_db")"),
            std::string::npos);
  for (const char* key : {"model", "sparse_files", "embedding_vecsize_per_table"}) {
    json missing = ps_document();
    model_of(missing).erase(key);
    EXPECT_NE(error_of(missing).find("models[0]: the key \"" + std::string(key) + "\" is missing"),
              std::string::npos);
  }
}

TEST(PsJson, ScalarsMayStandInQuotes) {
  json document = ps_document();
  document["supportlonglong"] = "true";
  model_of(document)["max_batch_size"] = "64";
  model_of(document)["gpucacheper"] = "0.5";
  model_of(document)["default_value_for_each_table"] = {"0.25", "1e3"};
  const Config config = parse(document);
  EXPECT_FALSE(config.models[0].tables[0].keys_fit_32_bits);
  EXPECT_EQ(config.models[0].tables[1].default_vector, std::vector<float>{1000.0F});
  EXPECT_NE(error_with("max_batch_size", "64x").find("expected a whole number, found a string"),
            std::string::npos);
  EXPECT_NE(error_with("gpucacheper", "nan").find("expected a number"), std::string::npos);
}

TEST(PsJson, NumbersOutOfRange) {
  for (const auto& [key, value] :
       std::vector<std::pair<const char*, json>>{{"max_batch_size", -1},
                                                 {"max_batch_size", 0},
                                                 {"gpucacheper", 1.5},
                                                 {"gpucacheper", -0.1},
                                                 {"hit_rate_threshold", -0.1},
                                                 {"hit_rate_threshold", 90},
                                                 {"cache_refresh_percentage_per_iteration", 2},
                                                 {"refresh_interval", -1},
                                                 {"deployed_device_list", {0, -1}},
                                                 {"embedding_vecsize_per_table", {0, 1}},
                                                 {"num_of_worker_buffer_in_pool", -4}}) {
    EXPECT_NE(error_with(key, value).find(key), std::string::npos) << key;
  }
  json above_one = ps_document();
  model_of(above_one)["hit_rate_threshold"] = 1.1;  // how HPS' users asked for exact lookups
  EXPECT_NO_THROW(parse(above_one));
  EXPECT_NE(error_with("embedding_cache_type", "dynamc").find(R"(did you mean "dynamic"?)"),
            std::string::npos);
}

TEST(PsJson, Names) {
  for (const char* name : {"", ".", "..", "a b", "a/b"}) {
    EXPECT_NE(error_with("model", name).find("models[0].model: name"), std::string::npos) << name;
  }
  EXPECT_NE(error_with("embedding_table_names", json::array({"t", "t"}))
                .find("embedding_table_names[1]: name \"t\" is used at "
                      "models[0].embedding_table_names[0] too"),
            std::string::npos);
  json twice = ps_document();
  twice["models"].push_back(twice["models"][0]);
  EXPECT_NE(error_of(twice).find("models[1].model: name \"wdl\" is used at models[0].model too"),
            std::string::npos);
}

TEST(PsJson, InProcessHashMapsAreTheHostTier) {
  for (const char* type : {"hash_map", "hashmap", "hash", "map", "parallel_hash_map",
                           "parallel_hashmap", "parallel_hash", "parallel_map"}) {
    json document = ps_document();
    document["volatile_db"] = {{"type", type}, {"num_partitions", 8}, {"algorithm", "phm"}};
    const Config config = parse(document);
    EXPECT_EQ(config.volatile_store.kind, VolatileKind::kHashMap) << type;
    EXPECT_EQ(config.volatile_store.num_partitions, 8U);
    for (const char* key : {"type", "num_partitions", "algorithm"}) {
      const Notice* notice = notice_at(config, "volatile_db." + std::string(key));
      ASSERT_NE(notice, nullptr) << key;
      EXPECT_EQ(notice->kind, Notice::Kind::kNotNeeded);
    }
  }
}

TEST(PsJson, StoresThatThisBuildLacksAreNotices) {
  const auto unsupported = [](const char* section, const json& value, const std::string& where) {
    json document = ps_document();
    document[section] = value;
    const Config config = parse(document);
    const Notice* notice = notice_at(config, where);
    EXPECT_NE(notice, nullptr) << value;
    if (notice == nullptr) return std::string();
    EXPECT_EQ(notice->kind, Notice::Kind::kUnsupported) << value;
    EXPECT_NE(notice->message.find("not in this build"), std::string::npos);
    return notice->message;
  };
  for (const char* type : {"redis_cluster", "redis", "multi_process_hash_map"}) {
    EXPECT_NE(unsupported("volatile_db", {{"type", type}}, "volatile_db.type").find(type),
              std::string::npos);
  }
  for (const char* type : {"rocks_db", "rocksdb", "rocks"}) {
    unsupported("persistent_db", {{"type", type}, {"path", "/db"}}, "persistent_db.type");
  }
  for (const char* type : {"kafka_message_queue", "kafka_mq", "kafka"}) {
    unsupported("update_source", {{"type", type}}, "update_source.type");
  }
  unsupported("update_source", {{"brokers", "127.0.0.1:9092"}}, "update_source");
  unsupported("persistent_db", {{"type", "rocks_db"}}, "persistent_db.type");
}

TEST(PsJson, DisabledSectionsAreFine) {
  json document = ps_document();
  document["volatile_db"] = {{"type", "disabled"}, {"num_partitions", 4}};
  document["persistent_db"] = {{"type", "none"}, {"path", "/x"}};
  document["update_source"] = {{"type", "null"}, {"poll_timeout_ms", 5}};
  const Config config = parse(document);
  EXPECT_EQ(config.volatile_store.kind, VolatileKind::kNone);
  EXPECT_TRUE(std::all_of(config.notices.begin(), config.notices.end(), [](const Notice& notice) {
    return notice.kind == Notice::Kind::kNotNeeded;
  }));
  EXPECT_NE(notice_at(config, "persistent_db.path"), nullptr);
  EXPECT_NE(notice_at(config, "update_source.poll_timeout_ms"), nullptr);
}

}  // namespace
}  // namespace hps::test
