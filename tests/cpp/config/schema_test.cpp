// The JSON schema that the Python package ships, and CONFIG.md, say the same as the reader.
#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "config/config_texts.h"
#include "config/known_keys.h"
#include "config/reader.h"

namespace hps::test {
namespace {

std::string text_of(const char* path) {
  const auto root = std::filesystem::path(__FILE__).parent_path() / "../../..";
  std::ifstream file(root / path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

const json& schema() {
  static const json document = json::parse(text_of("hps_trt/schemas/hps.schema.json"));
  return document;
}

std::set<std::string> keys_of(const json& object) {
  std::set<std::string> keys;
  for (const auto& [key, unused] : object.at("properties").items()) keys.insert(key);
  return keys;
}

template <std::size_t N>
std::set<std::string> as_set(const std::string_view (&keys)[N]) {
  return {std::begin(keys), std::end(keys)};
}

TEST(Schema, HasTheSameKeys) {
  const json& parts = schema().at("$defs");
  EXPECT_EQ(keys_of(schema()), as_set(config::kTopKeys));
  EXPECT_EQ(keys_of(parts.at("model")), as_set(config::kModelKeys));
  EXPECT_EQ(keys_of(parts.at("table")), as_set(config::kTableKeys));
  EXPECT_EQ(keys_of(parts.at("files")), as_set(config::kFilesKeys));
  EXPECT_EQ(keys_of(parts.at("file")), as_set(config::kFileKeys));
  EXPECT_EQ(keys_of(parts.at("gpu")), as_set(config::kGpuKeys));
  EXPECT_EQ(keys_of(parts.at("volatile")), as_set(config::kVolatileKeys));
  EXPECT_EQ(keys_of(parts.at("persistent")), as_set(config::kPersistentKeys));
  EXPECT_EQ(keys_of(parts.at("updates")), as_set(config::kUpdatesKeys));
}

/// A document in which `key` of `part` has `value`.
json with(const std::string& part, const std::string& key, const json& value) {
  json document = hps_document();
  json& table = document["models"][0]["tables"][0];
  if (part == "table") {
    table.erase("files");
    table["default"] = 0.0;
    table[key] = value;
  } else if (part == "gpu") {
    table["gpu"] = {{"placement", key.starts_with("cache_") ? "cached" : "device"}};
    table["gpu"][key] = value;
  } else if (part == "top") {
    document[key] = value;
  } else {
    document[part] = {{"type", "none"}};
    document[part][key] = value;
  }
  return document;
}

/// Every range and choice of the schema: the ends are read, and what is beyond them is refused.
void compare_values(const std::string& part, const json& properties) {
  for (const auto& [key, rule] : properties.items()) {
    if (rule.contains("enum")) {
      if (part != "table" && part != "gpu" && key == "type") continue;  // below
      for (const json& value : rule["enum"]) EXPECT_NO_THROW(parse(with(part, key, value))) << key;
      EXPECT_THROW(parse(with(part, key, "no such word")), Error) << key;
    }
    if (rule.value("type", "") == "boolean") {
      EXPECT_NO_THROW(parse(with(part, key, rule["default"]))) << key;
      EXPECT_THROW(parse(with(part, key, "yes")), Error) << key;
    }
    if (!rule.contains("minimum")) continue;
    EXPECT_NO_THROW(parse(with(part, key, rule["minimum"]))) << part << " " << key;
    EXPECT_NO_THROW(parse(with(part, key, rule["maximum"]))) << part << " " << key;
    EXPECT_THROW(parse(with(part, key, rule["minimum"].get<std::int64_t>() - 1)), Error) << key;
    const auto most = rule["maximum"].get<std::uint64_t>();
    if (most != std::numeric_limits<std::uint64_t>::max()) {
      EXPECT_THROW(parse(with(part, key, most + 1)), Error) << part << " " << key;
    }
  }
}

TEST(Schema, HasTheSameRangesAndChoices) {
  const json& parts = schema().at("$defs");
  compare_values("top", schema().at("properties"));
  for (const char* part : {"table", "gpu", "volatile", "persistent", "updates"}) {
    compare_values(part, parts.at(part).at("properties"));
  }
  for (const char* part : {"volatile", "persistent", "updates"}) {
    for (const json& type : parts.at(part).at("properties").at("type").at("enum")) {
      json document = hps_document();
      document[part] = {{"type", type}};
      if (type == "rocksdb") document[part]["path"] = "db";
      EXPECT_NO_THROW(parse(document)) << part << type;
    }
  }
}

TEST(Schema, EveryKeyIsDocumented) {
  const std::string document = text_of("plugin_src/CONFIG.md");
  const auto expect_in = [&document](config::Keys keys) {
    for (const std::string_view key : keys) {
      EXPECT_NE(document.find("`" + std::string(key) + "`"), std::string::npos) << key;
    }
  };
  for (const config::Keys keys :
       {config::Keys(config::kTopKeys), config::Keys(config::kModelKeys),
        config::Keys(config::kTableKeys), config::Keys(config::kFilesKeys),
        config::Keys(config::kGpuKeys), config::Keys(config::kVolatileKeys),
        config::Keys(config::kPersistentKeys), config::Keys(config::kUpdatesKeys),
        config::Keys(config::kOldVolatileKeys), config::Keys(config::kOldPersistentKeys),
        config::Keys(config::kOldUpdatesKeys), config::Keys(config::kPsTopKeys),
        config::Keys(config::kPsModelKeys)}) {
    expect_in(keys);
  }
}

}  // namespace
}  // namespace hps::test
