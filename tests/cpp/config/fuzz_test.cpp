// Bytes of valid files changed at random: every text is read or refused with an Error of one line,
// and what was read can be shown. Sanitizers see what these tests cannot.
#include <random>

#include "config/config_texts.h"

namespace hps::test {
namespace {

class Mutator {
 public:
  explicit Mutator(std::string text, unsigned seed) : text_(std::move(text)), random_(seed) {}

  std::string next() {
    std::string text = text_;
    const std::size_t changes = 1 + below(3);
    for (std::size_t i = 0; i < changes && !text.empty(); ++i) change(text);
    return text;
  }

 private:
  std::size_t below(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
  }

  void change(std::string& text) {
    static const char* const kWords[] = {"null",
                                         "-1",
                                         "1e308",
                                         "1e400",
                                         "[]",
                                         "{}",
                                         "\"\"",
                                         "true",
                                         "0.5",
                                         "..",
                                         "\\u0000",
                                         "\"..\"",
                                         "18446744073709551616"};
    const std::size_t at = below(text.size());
    const std::size_t length = std::min(text.size() - at, 1 + below(12));
    switch (below(9)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      case 3:
        text.insert(at, text.substr(below(text.size()), length));
        break;
      case 4:
        text.resize(at);
        break;
      case 5:
      case 6:
      case 7:
        exchange(text[at]);
        break;
      default:
        replace_value(text, at, kWords[below(std::size(kWords))]);
    }
  }

  /// A letter for a letter and a digit for a digit: mostly still JSON, often still valid.
  void exchange(char& c) {
    if (c >= '0' && c <= '9') c = static_cast<char>('0' + below(10));
    if (c >= 'a' && c <= 'z') c = static_cast<char>('a' + below(26));
  }

  /// Puts `word` where the value behind the next colon stands, so that the text stays JSON.
  static void replace_value(std::string& text, std::size_t at, const char* word) {
    const std::size_t colon = text.find(':', at);
    if (colon == std::string::npos) return;
    const std::size_t end = text.find_first_of(",}", colon);
    if (end == std::string::npos) return;
    text.replace(colon + 1, end - colon - 1, word);
  }

  std::string text_;
  std::mt19937 random_;
};

struct Tally {
  int read = 0;
  int refused = 0;
};

Tally mutate(const json& document, unsigned seed, int times) {
  Mutator mutator(document.dump(), seed);
  Tally tally;
  for (int i = 0; i < times; ++i) {
    const std::string text = mutator.next();
    try {
      const Config config = parse_config(text, kFile);
      EXPECT_TRUE(json::accept(to_json(config)));
      ++tally.read;
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_TRUE(error.code() == ErrorCode::kConfig || error.code() == ErrorCode::kUnsupported)
          << message << " in " << text;
      EXPECT_TRUE(message.starts_with("/bundle/hps.json: ")) << message;
      EXPECT_EQ(message.find_first_of("\n\r"), std::string::npos) << message;
      ++tally.refused;
    }
  }
  return tally;
}

TEST(Fuzz, HpsJson) {
  json document = hps_document();
  document["models"][0]["tables"][0]["gpu"] = {
      {"placement", "cached"}, {"cache_rows", 10}, {"devices", {0, 1}}};
  document["volatile"] = {{"type", "redis_cluster"},
                          {"address", "a:1,b:2"},
                          {"password", "x"},
                          {"enable_tls", true},
                          {"update_filters", {".+"}}};
  document["persistent"] = {{"type", "rocksdb"}, {"path", "db"}};
  document["updates"] = {{"type", "kafka"}, {"brokers", "a:1;b:2"}};
  const Tally tally = mutate(document, 20240601, 6000);
  EXPECT_GT(tally.read, 100);
  EXPECT_GT(tally.refused, 3000);
}

TEST(Fuzz, PsJson) {
  json document = ps_document();
  document["volatile_db"] = {{"type", "parallel_hash_map"}, {"num_partitions", 8}};
  document["persistent_db"] = {{"type", "rocks_db"}, {"num_threads", 16}};
  document["update_source"] = {{"type", "kafka_mq"}, {"brokers", "a:1"}};
  const Tally tally = mutate(document, 20240602, 6000);
  EXPECT_GT(tally.read, 100);
  EXPECT_GT(tally.refused, 3000);
}

TEST(Fuzz, EveryPrefixOfAFile) {
  const std::string text = hps_document().dump();
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_THROW(parse_config(text.substr(0, length), kFile), Error) << length;
  }
}

}  // namespace
}  // namespace hps::test
