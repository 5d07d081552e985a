// Text to JSON tree, with the checks that the JSON library leaves to its callers.
#include <algorithm>
#include <unordered_set>

#include "config/names.h"
#include "config/reader.h"

namespace hps::config {
namespace {

using nlohmann::json;

constexpr std::size_t kDeepest = 32;
constexpr std::size_t kMostValues = std::size_t{4} << 20;

/// Follows the parser through the text, to know where it is and which keys an object has had.
class Watcher {
 public:
  explicit Watcher(const std::string& file) : file_(file) {}

  bool operator()(json::parse_event_t event, const json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
        open(false);
        break;
      case json::parse_event_t::array_start:
        open(true);
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        frames_.pop_back();
        break;
      case json::parse_event_t::key:
        key(parsed.get_ref<const std::string&>());
        break;
      case json::parse_event_t::value:
        begin_value();
        break;
    }
    return true;
  }

 private:
  struct Frame {
    bool is_array = false;
    std::size_t elements = 0;
    std::string key{};
    std::unordered_set<std::string> keys{};
  };

  void open(bool is_array) {
    begin_value();
    if (frames_.size() == kDeepest) {
      fail(ErrorCode::kConfig, file_, ": ", where(), ": nested deeper than ", kDeepest,
           " levels; no configuration is");
    }
    frames_.push_back({.is_array = is_array});
  }

  void begin_value() {
    if (++values_ > kMostValues) {
      fail(ErrorCode::kConfig, file_, ": more than ", kMostValues, " values; split the file");
    }
    if (!frames_.empty() && frames_.back().is_array) ++frames_.back().elements;
  }

  void key(const std::string& name) {
    if (!frames_.back().keys.insert(name).second) {
      fail(ErrorCode::kConfig, file_, ": ", where(), ": key ", in_quotes(name),
           " is given twice; remove one");
    }
    frames_.back().key = name;
  }

  /// The innermost object or list that is open.
  std::string where() const {
    std::string path;
    for (std::size_t i = 0; i + 1 < frames_.size(); ++i) {
      const Frame& frame = frames_[i];
      if (frame.is_array) {
        path += "[" + std::to_string(frame.elements - 1) + "]";
      } else {
        path += (path.empty() ? "" : ".") + frame.key.substr(0, 120);
      }
    }
    return path.empty() ? "top level" : path;
  }

  const std::string& file_;
  std::vector<Frame> frames_;
  std::size_t values_ = 0;
};

/// The library's complaint without its prefix and without the text it last read.
std::string complaint(const std::string& what) {
  std::string text = what.substr(0, what.find("; last read"));
  const std::size_t prefix = text.find("] ");
  if (prefix != std::string::npos) text.erase(0, prefix + 2);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return text.substr(0, 200);
}

}  // namespace

Document read_document(const std::string& text, const std::filesystem::path& file) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(file, error);
  if (error) fail(ErrorCode::kIo, file.string(), ": ", error.message(), "; give an absolute path");
  Document document{.file = file.string(), .folder = absolute.parent_path(), .root = {}};
  if (text.size() > kLargestFile) {
    fail(ErrorCode::kConfig, document.file, ": ", text.size(),
         " bytes; a configuration has at most ", kLargestFile, " bytes");
  }
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    fail(ErrorCode::kConfig, document.file, ": the file is empty; write a JSON object");
  }
  Watcher watcher(document.file);
  try {
    document.root = json::parse(text, [&watcher](int, json::parse_event_t event, json& parsed) {
      return watcher(event, parsed);
    });
  } catch (const json::exception& wrong) {
    fail(ErrorCode::kConfig, document.file, ": not valid JSON (", complaint(wrong.what()),
         "); mend the text there (comments and trailing commas are not JSON)");
  }
  return document;
}

}  // namespace hps::config
