#include "config/config_texts.h"

namespace hps::test {
namespace {

TEST(Manifest, GoldenId) { EXPECT_EQ(manifest_id(parse(hps_document())), kGoldenId); }

TEST(Manifest, RunTimeSettingsDoNotChangeIt) {
  json document = hps_document();
  document["threads"] = 7;
  json& table = document["models"][0]["tables"][0];
  table["memory"] = "copied";
  table["unknown"] = "error";
  table["default"] = 3.0;
  table["verify"] = true;
  table["path"] = "/elsewhere";
  EXPECT_EQ(manifest_id(parse(document)), kGoldenId);
}

TEST(Manifest, ContentsChangeIt) {
  const auto changed = [](auto&& edit) {
    json document = hps_document();
    edit(document["models"][0]);
    return manifest_id(parse(document));
  };
  EXPECT_NE(changed([](json& model) { model["name"] = "other"; }), kGoldenId);
  EXPECT_NE(changed([](json& model) { model["tables"][0]["name"] = "other"; }), kGoldenId);
  EXPECT_NE(changed([](json& model) { model["tables"][0]["keys"] = "hashed"; }), kGoldenId);
  EXPECT_NE(changed([](json& model) { std::swap(model["tables"][0], model["tables"][1]); }),
            kGoldenId);
  EXPECT_NE(changed([](json& model) {
              model["tables"][0]["files"]["key"]["xxh128"] = std::string(32, '0');
            }),
            kGoldenId);
}

TEST(Manifest, EmptyWhenAChecksumIsMissing) {
  for (const char* file : {"emb_vector", "key", "scale"}) {
    json without_digest = hps_document();
    json& files = without_digest["models"][0]["tables"][1]["files"];
    files[file].erase("xxh128");
    without_digest["models"][0]["tables"][1]["verify"] = false;
    EXPECT_EQ(manifest_id(parse(without_digest)), "") << file;
    files.erase(file);
    EXPECT_EQ(manifest_id(parse(without_digest)), "") << file;
  }
}

TEST(Manifest, StatedIdMustMatch) {
  json document = hps_document();
  document["bundle_id"] = kGoldenId;
  EXPECT_EQ(parse(document).bundle_id, kGoldenId);
  document["bundle_id"] = "93330fb3989a610c5ff3d0b47eb767fc";
  const std::string message = error_of(document);
  EXPECT_TRUE(
      message.starts_with("/bundle/hps.json: bundle_id: bundle_id does not match the "
                          "manifest: the file was edited"))
      << message;
  EXPECT_NE(message.find(kGoldenId), std::string::npos);
}

TEST(Manifest, StatedIdStandsWhenChecksumsAreMissing) {
  json document = hps_document();
  document["bundle_id"] = std::string(32, '7');
  document["models"][0]["tables"][0].erase("files");
  EXPECT_EQ(parse(document).bundle_id, std::string(32, '7'));
  for (const char* id : {"", "7", "7777777777777777777777777777777G"}) {
    document["bundle_id"] = id;
    EXPECT_NE(error_of(document).find("is not 32 lower-case hexadecimal digits"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace hps::test
