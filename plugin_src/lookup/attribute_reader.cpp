#include "lookup/attribute_reader.h"

#include <algorithm>

#include "base/error.h"
#include "lookup/node_rules.h"

namespace hps {
namespace {

/// Hosts that pass on every attribute of a node pass these too.
constexpr std::string_view kPluginVersion = "plugin_version";
constexpr std::string_view kPluginNamespace = "plugin_namespace";

}  // namespace

std::string AttributeReader::text(const char* name) const {
  const auto* found = std::get_if<std::string>(&get(name));
  if (found == nullptr) invalid("attribute '", name, "' must be a string, not integers");
  std::string value = *found;
  while (!value.empty() && value.back() == '\0') value.pop_back();
  if (value.find('\0') != std::string::npos) {
    invalid("attribute '", name, "' has a NUL byte at position ", value.find('\0'));
  }
  if (value.size() > kMaxText) {
    invalid("attribute '", name, "' has ", value.size(), " bytes; at most ", kMaxText,
            " are allowed");
  }
  return value;
}

const std::vector<std::int64_t>& AttributeReader::integers(const char* name) const {
  const auto* found = std::get_if<std::vector<std::int64_t>>(&get(name));
  if (found == nullptr) invalid("attribute '", name, "' must be integers, not a string");
  for (std::size_t i = 0; i < found->size(); ++i) {
    const std::int64_t value = (*found)[i];
    if (value < kMinInt32 || value > kMaxInt32) {
      invalid("attribute '", name, "'[", i, "] is ", value, ", which does not fit in 32 bits");
    }
  }
  return *found;
}

std::int32_t AttributeReader::integer(const char* name, std::int64_t low, std::int64_t high) const {
  const auto& values = integers(name);
  if (values.size() != 1) {
    invalid("attribute '", name, "' has ", values.size(), " values; it must have one");
  }
  if (values[0] < low || values[0] > high) {
    invalid("attribute '", name, "' is ", values[0], "; it must be between ", low, " and ", high);
  }
  return static_cast<std::int32_t>(values[0]);
}

std::vector<std::int32_t> AttributeReader::per_lookup(const char* name, std::size_t lookups,
                                                      std::int64_t low, std::int64_t high,
                                                      bool may_grow) const {
  const auto& values = integers(name);
  if (values.size() != lookups) {
    invalid("attribute '", name, "' has ", values.size(), " values, but 'tables' names ", lookups,
            " lookups; it must have one value for each");
  }
  std::vector<std::int32_t> result(lookups);
  for (std::size_t i = 0; i < lookups; ++i) {
    if (values[i] < low || values[i] > high) {
      fail(may_grow && values[i] > high ? ErrorCode::kUnsupported : ErrorCode::kInvalidArgument,
           "HPS_TRT node: attribute '", name, "'[", i, "] is ", values[i],
           "; this build knows the values ", low, " to ", high);
    }
    result[i] = static_cast<std::int32_t>(values[i]);
  }
  return result;
}

std::vector<DataType> AttributeReader::types(const char* name, std::size_t most,
                                             bool inputs) const {
  const auto& values = integers(name);
  if (values.empty() || values.size() > most) {
    invalid("attribute '", name, "' has ", values.size(), " values; 1 to ", most, " are allowed");
  }
  std::vector<DataType> result;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto type = static_cast<DataType>(values[i]);
    if (!is_output_type(type) && !(inputs && is_id_type(type))) {
      fail(ErrorCode::kUnsupported, "HPS_TRT node: attribute '", name, "'[", i, "] is ", values[i],
           "; it must be one of ", inputs ? "6, 7, " : "", "1, 10 and 16");
    }
    result.push_back(type);
  }
  return result;
}

void AttributeReader::check_names(int version) const {
  const auto names = attribute_names(version);
  for (const AttributeName& wanted : names) {
    if (wanted.required && !has(wanted.name)) {
      invalid("attribute '", wanted.name, "' is missing; version \"", version, "\" needs it");
    }
  }
  for (const auto& [name, value] : attributes_) {
    if (name == kPluginVersion || name == kPluginNamespace) continue;
    const bool known = std::any_of(names.begin(), names.end(),
                                   [&](const AttributeName& n) { return n.name == name; });
    if (!known) {
      fail(ErrorCode::kUnsupported, "HPS_TRT node: attribute '", name,
           "' is not known in version \"", version, "\" by this build");
    }
  }
  if (has(kPluginVersion) && text(kPluginVersion.data()) != std::to_string(version)) {
    invalid("attribute 'plugin_version' is '", text(kPluginVersion.data()), "', read as version \"",
            version, "\"");
  }
  if (has(kPluginNamespace) && !text(kPluginNamespace.data()).empty()) {
    invalid("attribute 'plugin_namespace' is '", text(kPluginNamespace.data()),
            "'; it must be empty");
  }
}

const AttributeValue& AttributeReader::get(const char* name) const {
  const auto found = attributes_.find(std::string_view(name));
  if (found == attributes_.end()) invalid("attribute '", name, "' is missing");
  return found->second;
}

}  // namespace hps
