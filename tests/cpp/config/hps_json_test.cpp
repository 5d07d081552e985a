#include <limits>

#include "config/config_texts.h"

namespace hps::test {
namespace {

using namespace std::string_literals;

json table_document() { return hps_document(); }
json& first_table(json& document) { return document["models"][0]["tables"][0]; }

/// The error after `key` of the first table was set to `value`.
std::string error_with(const char* key, const json& value, ErrorCode code = ErrorCode::kConfig) {
  json document = table_document();
  first_table(document)[key] = value;
  return error_of(document, code);
}

const std::string kTable = "/bundle/hps.json: models[0].tables[0]";

TEST(HpsJson, ReadsEveryFieldOfATable) {
  const Config config = parse(hps_document());
  EXPECT_EQ(config.format, ConfigFormat::kHpsJson);
  EXPECT_EQ(config.file, "/bundle/hps.json");
  EXPECT_EQ(config.threads, 2U);
  EXPECT_EQ(config.bundle_id, "");
  ASSERT_EQ(config.models.size(), 2U);
  ASSERT_EQ(config.models[0].tables.size(), 2U);
  const TableConfig& table = config.models[0].tables[1];
  EXPECT_EQ(table.name, "emb-1");
  EXPECT_EQ(table.folder, "/data/emb-1");
  EXPECT_EQ(table.rows, 3U);
  EXPECT_EQ(table.dim, 5U);
  EXPECT_EQ(table.type, DataType::kInt8);
  EXPECT_EQ(table.keys, KeyKind::kHashed);
  EXPECT_FALSE(table.keys_fit_32_bits);
  EXPECT_EQ(table.default_vector, (std::vector<float>{1, 2, 3, 4, 5.5F}));
  EXPECT_EQ(table.unknown, UnknownKey::kError);
  EXPECT_EQ(table.memory, Memory::kCopied);
  EXPECT_TRUE(table.verify);
  EXPECT_EQ(table.row_file.bytes, 15U);
  EXPECT_EQ(table.key_file.xxh128, "ffeeddccbbaa99887766554433221100");
  EXPECT_EQ(table.scale_file.bytes, 12U);
  EXPECT_TRUE(config.notices.empty());
}

TEST(HpsJson, FillsInDefaults) {
  const Config config = parse(json::parse(
      R"({"format": "hps-trt/1", "models": [{"name": "m", "tables": [
          {"name": "t", "path": "tables/t", "rows": 4, "dim": 2}]}]})"));
  const TableConfig& table = config.models[0].tables[0];
  EXPECT_EQ(config.threads, 0U);
  EXPECT_EQ(table.folder, "/bundle/tables/t");
  EXPECT_EQ(table.type, DataType::kFloat32);
  EXPECT_EQ(table.keys, KeyKind::kDense);
  EXPECT_EQ(table.default_vector, std::vector<float>{0.0F});
  EXPECT_EQ(table.unknown, UnknownKey::kDefault);
  EXPECT_EQ(table.memory, Memory::kMapped);
  EXPECT_FALSE(table.verify);
  EXPECT_EQ(table.row_file.bytes, 0U);
  EXPECT_EQ(manifest_id(config), "");
}

TEST(HpsJson, FindsModelsAndTablesByName) {
  const Config config = parse(hps_document());
  ASSERT_NE(config.find("wide"), nullptr);
  EXPECT_EQ(config.find("wide")->find("w")->dim, 2U);
  EXPECT_EQ(config.find("wide")->find("emb_0"), nullptr);
  EXPECT_EQ(config.find("none"), nullptr);
}

TEST(HpsJson, UnknownKeyNamesTheNearest) {
  json document = hps_document();
  document["models"][0]["tables"][1]["rosw"] = 1;
  const std::string message = error_of(document);
  EXPECT_EQ(
      message,
      R"(/bundle/hps.json: models[0].tables[1]: unknown key "rosw"; the nearest valid key is "rows")");
  json top = hps_document();
  top["modles"] = 1;
  EXPECT_NE(
      error_of(top).find(R"(top level: unknown key "modles"; the nearest valid key is "models")"),
      std::string::npos);
  json file = hps_document();
  first_table(file)["files"]["key"]["xxh64"] = "0";
  EXPECT_NE(error_of(file).find(R"(models[0].tables[0].files.key: unknown key "xxh64")"),
            std::string::npos);
}

TEST(HpsJson, MissingKeysAreNamed) {
  for (const char* key : {"name", "path", "dim", "rows"}) {
    json document = hps_document();
    first_table(document).erase(key);
    const std::string message = error_of(document);
    EXPECT_TRUE(message.starts_with(kTable + ": the key \"" + key + "\" is missing")) << message;
  }
}

TEST(HpsJson, WrongTypesNameExpectedAndFound) {
  EXPECT_EQ(error_with("rows", "many"),
            kTable + R"(.rows: expected a whole number, found a string ("many"))");
  EXPECT_EQ(error_with("rows", "1000"),
            kTable + R"(.rows: expected a whole number, found a string ("1000"))");
  EXPECT_EQ(error_with("verify", 1),
            kTable + ".verify: expected true or false, found a number (1)");
  EXPECT_EQ(error_with("name", nullptr), kTable + ".name: expected a string, found null");
  EXPECT_EQ(error_with("files", json::array({1, 2})),
            kTable + ".files: expected an object, found a list of 2");
  json document = hps_document();
  document["models"] = json::object();
  EXPECT_EQ(error_of(document), "/bundle/hps.json: models: expected a list, found an object");
}

TEST(HpsJson, NumbersOutOfRangeSayTheRange) {
  EXPECT_EQ(error_with("dim", 0), kTable + ".dim: expected a whole number in 1..1048576, found 0");
  EXPECT_NE(error_with("dim", (1 << 20) + 1).find("found 1048577"), std::string::npos);
  EXPECT_NE(error_with("rows", -1).find("found -1"), std::string::npos);
  EXPECT_NE(error_with("rows", 10.5).find("found 10.5"), std::string::npos);
  EXPECT_NE(error_with("rows", std::numeric_limits<std::uint64_t>::max()).find("0..1099511627776"),
            std::string::npos);
  EXPECT_NE(error_with("default", 1e39).find(".default: expected a number in"), std::string::npos);
  json document = hps_document();
  document["threads"] = 1025;
  EXPECT_NE(error_of(document).find("threads: expected a whole number in 0..1024"),
            std::string::npos);
}

TEST(HpsJson, WholeNumbersMayBeWrittenAsFloats) {
  json document = hps_document();
  first_table(document)["rows"] = 1000.0;
  EXPECT_EQ(parse(document).models[0].tables[0].rows, 1000U);
}

TEST(HpsJson, RefusesNames) {
  for (const std::string& name :
       {""s, "a b"s, "a/b"s, ".."s, "a.b"s, std::string(121, 'a'), "\xc3\xa4"s, "a\nb"s}) {
    const std::string message = error_with("name", name);
    EXPECT_TRUE(message.starts_with(kTable + ".name: ")) << message;
  }
  json document = hps_document();
  first_table(document)["name"] = std::string(120, 'a');
  EXPECT_EQ(parse(document).models[0].tables[0].name.size(), 120U);
  document["models"][1]["name"] = "../etc";
  EXPECT_NE(error_of(document).find("models[1].name: name \"../etc\""), std::string::npos);
}

TEST(HpsJson, NamesUsedTwiceSayBothPlaces) {
  json tables = hps_document();
  tables["models"][0]["tables"][1]["name"] = "emb_0";
  EXPECT_EQ(error_of(tables),
            "/bundle/hps.json: models[0].tables[1].name: name \"emb_0\" is used at "
            "models[0].tables[0].name too; rename one");
  json models = hps_document();
  models["models"][1]["name"] = "dlrm";
  EXPECT_NE(error_of(models).find("models[1].name: name \"dlrm\" is used at models[0].name too"),
            std::string::npos);
  json apart = hps_document();
  apart["models"][1]["tables"][0]["name"] = "emb_0";
  EXPECT_EQ(parse(apart).models[1].tables[0].name, "emb_0");
}

TEST(HpsJson, RelativePathsStayInside) {
  for (const char* path : {"../x", "tables/../../x", "a/..", ".."}) {
    EXPECT_NE(error_with("path", path).find("leaves the folder of this file"), std::string::npos);
  }
  EXPECT_NE(error_with("path", "").find("an empty path"), std::string::npos);
  EXPECT_NE(error_with("path", "a\0b"s).find("a control character"), std::string::npos);
  json document = hps_document();
  first_table(document)["path"] = "/elsewhere/../x";
  EXPECT_EQ(parse(document).models[0].tables[0].folder, "/elsewhere/../x");
  first_table(document)["path"] = "..tables/x";
  EXPECT_EQ(parse(document).models[0].tables[0].folder, "/bundle/..tables/x");
}

TEST(HpsJson, RowTypes) {
  EXPECT_EQ(error_with("type", "fp64"),
            kTable + R"(.type: "fp64" is none of fp32, fp16, bf16, int8; did you mean "fp32"?)");
  EXPECT_NE(error_with("type", "fp8", ErrorCode::kUnsupported).find("not in this build"),
            std::string::npos);
  EXPECT_NE(error_with("type", "fp8_e4m3", ErrorCode::kUnsupported).find("fp8_e4m3"),
            std::string::npos);
}

TEST(HpsJson, RowsAreKnownUnlessScanned) {
  json document = hps_document();
  first_table(document).erase("rows");
  first_table(document)["keys"] = "scan";
  const Config config = parse(document);
  EXPECT_EQ(config.models[0].tables[0].rows, std::nullopt);
  EXPECT_EQ(manifest_id(config), "");
}

TEST(HpsJson, DefaultHasOneOrDimValues) {
  EXPECT_EQ(error_with("default", json::array({1.0, 2.0})),
            kTable +
                ".default: a list of 2 values and dim is 128; give one number, or one for each "
                "element");
  json document = hps_document();
  document["models"][0]["tables"][1]["default"][3] = "x";
  EXPECT_NE(error_of(document).find("models[0].tables[1].default[3]: expected a number, found"),
            std::string::npos);
}

TEST(HpsJson, FileSizesAgreeWithTheShape) {
  json document = hps_document();
  first_table(document)["files"]["emb_vector"]["bytes"] = 511996;
  EXPECT_EQ(error_of(document),
            kTable +
                ".files.emb_vector.bytes: found 511996, and 1000 rows of dim 128 need 512000; "
                "correct rows, dim, type or this size");
  json keys = hps_document();
  first_table(keys)["files"]["key"]["bytes"] = 8001;
  EXPECT_NE(error_of(keys).find("need 8000"), std::string::npos);
  json scale = hps_document();
  first_table(scale)["files"]["scale"] = {{"bytes", 4000}};
  EXPECT_NE(error_of(scale).find("only int8 tables have a scale file"), std::string::npos);
  json digest = hps_document();
  first_table(digest)["files"]["key"]["xxh128"] = "FEDCBA9876543210fedcba9876543210";
  EXPECT_NE(error_of(digest).find("32 lower-case hexadecimal digits"), std::string::npos);
}

TEST(HpsJson, VerifyNeedsSomethingToCompare) {
  json document = hps_document();
  first_table(document)["verify"] = true;
  const Config mapped = parse(document);
  ASSERT_NE(notice_at(mapped, "models[0].tables[0].verify"), nullptr);
  EXPECT_EQ(notice_at(mapped, "models[0].tables[0].verify")->kind, Notice::Kind::kNotNeeded);
  first_table(document)["memory"] = "huge";
  EXPECT_TRUE(parse(document).notices.empty());
  first_table(document)["files"]["emb_vector"].erase("xxh128");
  EXPECT_NE(error_of(document).find("tables[0].verify: there is no files.emb_vector.xxh128"),
            std::string::npos);
}

TEST(HpsJson, FormatIsChecked) {
  json document = hps_document();
  document["format"] = "hps-trt/2";
  EXPECT_NE(error_of(document, ErrorCode::kUnsupported).find("\"hps-trt/2\" is of another version"),
            std::string::npos);
  document["format"] = "hps";
  EXPECT_NE(error_of(document).find(R"(format: "hps"; write "hps-trt/1")"), std::string::npos);
  document.erase("format");
  EXPECT_NE(error_of(document).find(R"(add "format": "hps-trt/1")"), std::string::npos);
  EXPECT_NE(error_of("{}"s).find("neither hps.json"), std::string::npos);
  EXPECT_EQ(error_of("[1]"s), "/bundle/hps.json: top level: expected an object, found a list of 1");
}

TEST(HpsJson, ModelsMayNotBeEmpty) {
  json document = hps_document();
  document["models"] = json::array();
  EXPECT_NE(error_of(document).find("models: an empty list"), std::string::npos);
  document["models"] = json::array({{{"name", "m"}, {"tables", json::array()}}});
  EXPECT_TRUE(parse(document).models[0].tables.empty());
}

TEST(HpsJson, RelativeFileNamesAreMadeAbsolute) {
  const Config config = parse_config(hps_document().dump(), "some/hps.json");
  EXPECT_EQ(config.file, std::filesystem::current_path() / "some/hps.json");
  EXPECT_EQ(config.models[0].tables[0].folder,
            std::filesystem::current_path() / "some/tables/emb_0");
}

}  // namespace
}  // namespace hps::test
