#include "onnxruntime/attributes.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hps::ort {
namespace {

/// Asks for the size first. Empty when the node has no such string.
std::optional<std::string> read_string(const Api& api, const OrtKernelInfo* info,
                                       const char* name) {
  std::size_t size = 0;
  if (!api.succeeded(api.get_string(info, name, nullptr, &size))) return std::nullopt;
  std::string value(size, '\0');
  if (size == 0) return value;
  if (!api.succeeded(api.get_string(info, name, value.data(), &size))) return std::nullopt;
  return value;  // its trailing '\0' is NodeSpec's to strip
}

/// A list, or a single integer as a list of one.
std::optional<std::vector<std::int64_t>> read_integers(const Api& api, const OrtKernelInfo* info,
                                                       const char* name) {
  std::int64_t single = 0;
  if (api.succeeded(api.get_int(info, name, &single))) return std::vector<std::int64_t>{single};
  std::size_t count = 0;
  if (!api.succeeded(api.get_ints(info, name, nullptr, &count))) return std::nullopt;
  std::vector<std::int64_t> values(count);
  if (count == 0) return values;
  if (!api.succeeded(api.get_ints(info, name, values.data(), &count))) return std::nullopt;
  return values;
}

}  // namespace

int plugin_version(const Api& api, const OrtKernelInfo* info) {
  std::string text = read_string(api, info, "plugin_version").value_or("1");
  while (!text.empty() && text.back() == '\0') text.pop_back();
  if (text == "1") return 1;
  if (text == "2") return 2;
  fail(ErrorCode::kUnsupported, "HPS_TRT node: attribute 'plugin_version' is '", text,
       "'; this build knows \"1\" and \"2\"");
}

Attributes read_attributes(const Api& api, const OrtKernelInfo* info, int version) {
  Attributes attributes;
  for (const AttributeName& name : attribute_names(version)) {
    if (name.is_string) {
      if (auto value = read_string(api, info, name.name)) {
        attributes.emplace(name.name, *std::move(value));
      }
    } else if (auto values = read_integers(api, info, name.name)) {
      attributes.emplace(name.name, *std::move(values));
    }
  }
  return attributes;
}

}  // namespace hps::ort
