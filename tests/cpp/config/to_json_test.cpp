#include "config/config_texts.h"

namespace hps::test {
namespace {

TEST(ToJson, HasEveryFieldAndDefault) {
  json document = hps_document();
  document["bundle_id"] = kGoldenId;
  const json shown = json::parse(to_json(parse(document)));
  EXPECT_EQ(shown["file"], "/bundle/hps.json");
  EXPECT_EQ(shown["format"], "hps-trt/1");
  EXPECT_EQ(shown["bundle_id"], kGoldenId);
  EXPECT_EQ(shown["manifest_id"], kGoldenId);
  EXPECT_EQ(shown["threads"], 2);
  const json& table = shown["models"][0]["tables"][1];
  EXPECT_EQ(table["name"], "emb-1");
  EXPECT_EQ(table["path"], "/data/emb-1");
  EXPECT_EQ(table["rows"], 3);
  EXPECT_EQ(table["dim"], 5);
  EXPECT_EQ(table["type"], "int8");
  EXPECT_EQ(table["keys"], "hashed");
  EXPECT_EQ(table["default"], json::parse("[1.0, 2.0, 3.0, 4.0, 5.5]"));
  EXPECT_EQ(table["unknown"], "error");
  EXPECT_EQ(table["memory"], "copied");
  EXPECT_EQ(table["verify"], true);
  EXPECT_EQ(table["files"], document["models"][0]["tables"][1]["files"]);
  EXPECT_EQ(table["gpu"]["placement"], "none");
  EXPECT_EQ(shown["models"][1]["tables"][0]["default"], 0.0);
  EXPECT_EQ(shown["volatile"]["type"], "none");
  EXPECT_EQ(shown["persistent"]["num_threads"], 16);
  EXPECT_EQ(shown["updates"]["brokers"], "127.0.0.1:9092");
  EXPECT_TRUE(shown["notices"].empty());
}

TEST(ToJson, WritesFloatsAsShortAsTheyRead) {
  json document = hps_document();
  document["models"][0]["tables"][0]["default"] = 0.1;
  EXPECT_NE(to_json(parse(document)).find("\"default\": 0.1,"), std::string::npos);
}

TEST(ToJson, PsJson) {
  json document = ps_document();
  document["volatile_db"] = {{"type", "redis"}, {"password", "hunter2"}};
  const std::string text = to_json(parse(document));
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
  EXPECT_EQ(text.find("password"), std::string::npos);
  const json shown = json::parse(text);
  EXPECT_EQ(shown["format"], "ps.json");
  EXPECT_EQ(shown["manifest_id"], "");
  EXPECT_TRUE(shown["models"][0]["tables"][0]["rows"].is_null());
  EXPECT_EQ(shown["models"][0]["tables"][0]["keys"], "scan");
  EXPECT_EQ(shown["models"][0]["tables"][0]["keys_fit_32_bits"], false);
  std::size_t unsupported = 0;
  for (const json& notice : shown["notices"]) unsupported += notice["kind"] == "unsupported";
  EXPECT_EQ(unsupported, 1U);
}

TEST(ToJson, FileNamesNeedNotBeUtf8) {
  const std::string text = to_json(parse_config(hps_document().dump(), "/b\xff/hps.json"));
  EXPECT_EQ(json::parse(text)["file"], "/b\xef\xbf\xbd/hps.json");
}

}  // namespace
}  // namespace hps::test
