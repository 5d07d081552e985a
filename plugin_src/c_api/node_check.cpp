// A node's attributes as JSON, for tools: {"name": "text" | int | [ints]}.
#include <nlohmann/json.hpp>
#include <set>

#include "c_api/border.h"
#include "lookup/node_spec.h"

namespace hps::c_api {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t integer_of(const std::string& name, const Json& value) {
  const bool fits = value.is_number_integer() &&
                    !(value.is_number_unsigned() && value.get<std::uint64_t>() >> 63 != 0);
  if (fits) return value.get<std::int64_t>();
  const std::string shown =
      value.is_string() || value.is_structured() ? value.type_name() : value.dump();
  fail(ErrorCode::kInvalidArgument, "attribute '", name, "': ", shown,
       " is not an integer of 64 bits");
}

AttributeValue value_of(const std::string& name, const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  std::vector<std::int64_t> integers;
  if (!value.is_array()) {
    integers.push_back(integer_of(name, value));
    return integers;
  }
  for (const Json& one : value) integers.push_back(integer_of(name, one));
  return integers;
}

/// Watches the text being read: what the JSON library would take without a word, or end the process
/// over (it writes values out recursively).
class Watcher {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) {
      name_ = parsed.get<std::string>();
      if (names_.insert(name_).second) return true;
      fail(ErrorCode::kInvalidArgument, "attribute '", name_, "' is given twice");
    }
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth > 1) {
      fail(ErrorCode::kInvalidArgument, "attribute '", name_,
           "' is neither a text nor an integer nor a list of integers");
    }
    return true;
  }

 private:
  std::string name_;
  std::set<std::string> names_;
};

Attributes parse_attributes(const char* text) {
  Watcher watcher;
  const auto watch = [&watcher](int depth, Json::parse_event_t event, const Json& parsed) {
    return watcher(depth, event, parsed);
  };
  const Json object = Json::parse(text, watch, false);
  if (!object.is_object()) {
    fail(ErrorCode::kInvalidArgument,
         "attributes_json is not a JSON object {\"name\": \"text\" or a list of integers}");
  }
  Attributes attributes;
  for (const auto& [name, value] : object.items()) attributes[name] = value_of(name, value);
  return attributes;
}

std::string to_text(const Attributes& attributes) {
  Json object = Json::object();
  for (const auto& [name, value] : attributes) {
    std::visit([&, key = name](const auto& held) { object[key] = held; }, value);
  }
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace
}  // namespace hps::c_api

using namespace hps::c_api;

int hps_node_check(int version, const char* attributes_json, char** json) {
  return run([&] {
    need(attributes_json, "attributes_json");
    need(json, "json");
    *json = nullptr;
    give_text(
        to_text(hps::NodeSpec::parse(version, parse_attributes(attributes_json)).to_attributes()),
        json);
  });
}
