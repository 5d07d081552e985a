// Text that is not a configuration, or not JSON at all.
#include "config/config_texts.h"

namespace hps::test {
namespace {

using namespace std::string_literals;

std::string nested(std::size_t depth) {
  return R"({"format": )" + std::string(depth, '[') + std::string(depth, ']') + "}";
}

TEST(Document, KeysGivenTwiceAreErrors) {
  EXPECT_EQ(error_of(R"({"format": "hps-trt/1", "threads": 1, "threads": 1})"s),
            R"(/bundle/hps.json: top level: key "threads" is given twice; remove one)");
  EXPECT_EQ(error_of(R"({"format": "hps-trt/1", "models": [{"name": "a", "tables": []},
                        {"name": "b", "tables": [{}, {"files": {"key": 1, "key": 1}}]}]})"s),
            "/bundle/hps.json: models[1].tables[1].files: key \"key\" is given twice; remove one");
  EXPECT_NE(error_of(R"({"models": [{"model": "a", "gpucache": true, "gpucache": false}]})"s)
                .find("models[0]: key \"gpucache\" is given twice"),
            std::string::npos);
}

TEST(Document, SyntaxErrorsSayTheLine) {
  EXPECT_NE(error_of("{\n  \"format\": hps\n}"s).find("line 2, column 13"), std::string::npos);
  EXPECT_NE(error_of("{\"format\": \"hps-trt/1\", }"s).find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("// bundle\n{}"s).find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("{} {}"s).find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of(""s).find("the file is empty"), std::string::npos);
  EXPECT_NE(error_of(" \n"s).find("the file is empty"), std::string::npos);
}

TEST(Document, InvalidUtf8IsAnError) {
  EXPECT_NE(error_of("{\"format\": \"\xff\"}"s).find("ill-formed UTF-8"), std::string::npos);
  EXPECT_NE(error_of("{\"\xc3\": 1}"s).find("ill-formed UTF-8"), std::string::npos);
  EXPECT_NE(error_of("{\"format\": \"\\ud800\"}"s).find("not valid JSON"), std::string::npos);
}

TEST(Document, NumbersBeyondDoubleAreErrors) {
  EXPECT_NE(error_of("{\"format\": 1e999}"s).find("number overflow"), std::string::npos);
  EXPECT_NE(error_of("{\"format\": NaN}"s).find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("{\"format\": Infinity}"s).find("not valid JSON"), std::string::npos);
  json document = hps_document();
  std::string text = document.dump();
  const std::size_t rows = text.find("\"rows\":1000") + 7;
  text.replace(rows, 4, "99999999999999999999999999");
  EXPECT_NE(error_of(text).find("tables[0].rows: expected a whole number in 0..1099511627776"),
            std::string::npos);
}

TEST(Document, DepthIsBounded) {
  EXPECT_NE(error_of(nested(32)).find("nested deeper than 32"), std::string::npos);
  EXPECT_NE(error_of(nested(1 << 20)).find("nested deeper than 32"), std::string::npos);
  EXPECT_NE(error_of(std::string(1 << 20, '[')).find("nested deeper than 32"), std::string::npos);
  EXPECT_EQ(error_of(nested(31)).find("nested deeper"), std::string::npos);
}

TEST(Document, SizeIsBounded) {
  std::string text = R"({"format": "hps-trt/1"})";
  text.append((std::size_t{64} << 20) + 1 - text.size(), ' ');
  EXPECT_NE(error_of(text).find("67108865 bytes; a configuration has at most 67108864"),
            std::string::npos);
  std::string values = R"({"format": [0)";
  for (int i = 0; i < (4 << 20); ++i) values += ",0";
  EXPECT_NE(error_of(values + "]}").find("more than 4194304 values"), std::string::npos);
}

TEST(Document, ControlCharactersAreEscapedInMessages) {
  const std::string message = error_of("{\"a\\nb\\u0000\xc3\xa4\": 1, \"format\": \"hps-trt/1\"}"s);
  EXPECT_NE(message.find("unknown key \"a\\x0ab\\x00\\xc3\\xa4\""), std::string::npos) << message;
  const std::string longer =
      error_of("{\"format\": \"hps-trt/1\", \"" + std::string(100000, 'k') + "\": 1}");
  EXPECT_LT(longer.size(), 300U);
}

}  // namespace
}  // namespace hps::test
