#include "tensorrt/fields.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>

#include "base/error.h"

namespace hps::tensorrt {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

constexpr std::int32_t kMaxFields = 256;
constexpr std::size_t kMaxName = 256;
constexpr std::int32_t kMaxLength = 1 << 24;
/// How far a version 1 string of declared length 1 is read: its longest use is a path (PATH_MAX).
constexpr std::size_t kMaxUndeclared = 4096;

std::string_view name_of(const PluginField& field, std::int32_t position) {
  if (field.name == nullptr) {
    fail(ErrorCode::kInvalidArgument, "plugin field ", position, " has no name");
  }
  const std::size_t length = strnlen(field.name, kMaxName);
  if (length == 0 || length == kMaxName) {
    fail(ErrorCode::kInvalidArgument, "the name of plugin field ", position, " must have 1 to ",
         kMaxName - 1, " characters");
  }
  return {field.name, length};
}

std::string read_text(int version, std::string_view name, const PluginField& field) {
  const auto* text = static_cast<const char*>(field.data);
  if (version == 1 && field.length == 1) {
    const std::size_t length = strnlen(text, kMaxUndeclared);
    if (length == kMaxUndeclared) {
      fail(ErrorCode::kInvalidArgument, "plugin field '", name,
           "' has length 1 and no C string of up to ", kMaxUndeclared - 1, " characters behind it");
    }
    return {text, length};
  }
  const std::string_view all(text, static_cast<std::size_t>(field.length));
  const std::string_view value = all.substr(0, all.find('\0'));
  if (all.find_first_not_of('\0', value.size()) != std::string_view::npos) {
    fail(ErrorCode::kInvalidArgument, "plugin field '", name,
         "' holds several strings; it must be one");
  }
  return std::string(value);
}

template <class Integer>
std::vector<std::int64_t> read_integers(const PluginField& field) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(field.length));
  const auto* bytes = static_cast<const char*>(field.data);
  for (std::size_t i = 0; i < values.size(); ++i) {
    Integer value;  // the data need not be aligned
    std::memcpy(&value, bytes + i * sizeof(Integer), sizeof(Integer));
    values[i] = value;
  }
  return values;
}

AttributeValue read_value(int version, std::string_view name, const PluginField& field) {
  if (field.length < 0 || field.length > kMaxLength ||
      (field.length > 0 && field.data == nullptr)) {
    fail(ErrorCode::kInvalidArgument, "plugin field '", name, "' has length ", field.length,
         field.data == nullptr ? " and no data" : "");
  }
  switch (field.type) {
    case PluginFieldType::kCHAR:
      return read_text(version, name, field);
    case PluginFieldType::kINT32:
      return read_integers<std::int32_t>(field);
    case PluginFieldType::kINT64:
      return read_integers<std::int64_t>(field);
    default:
      fail(ErrorCode::kInvalidArgument, "plugin field '", name, "' has type ",
           static_cast<std::int32_t>(field.type),
           "; strings are kCHAR (6), integers kINT32 (5) or kINT64 (10)");
  }
}

bool fits_32_bits(const std::vector<std::int64_t>& values) {
  return std::all_of(values.begin(), values.end(), [](std::int64_t value) {
    return value >= std::numeric_limits<std::int32_t>::min() &&
           value <= std::numeric_limits<std::int32_t>::max();
  });
}

}  // namespace

Attributes read_fields(int version, const nvinfer1::PluginFieldCollection* fields) {
  if (fields == nullptr || fields->nbFields < 0 || fields->nbFields > kMaxFields ||
      (fields->nbFields > 0 && fields->fields == nullptr)) {
    fail(ErrorCode::kInvalidArgument, "the plugin's collection of fields is not valid");
  }
  Attributes attributes;
  for (std::int32_t i = 0; i < fields->nbFields; ++i) {
    const PluginField& field = fields->fields[i];
    const std::string_view name = name_of(field, i);
    // These chose the creator; some callers pass them along.
    if (name == "plugin_version" || name == "plugin_namespace") continue;
    if (!attributes.emplace(name, read_value(version, name, field)).second) {
      fail(ErrorCode::kInvalidArgument, "plugin field '", name, "' is given twice");
    }
  }
  return attributes;
}

/// One field's name and data; its address is stable, short strings included.
struct Fields::Value {
  std::string name;
  std::string text;
  std::vector<std::int32_t> narrow;
  std::vector<std::int64_t> wide;

  PluginField field() const {
    PluginField made;
    made.name = name.c_str();
    if (!narrow.empty()) {
      made.type = PluginFieldType::kINT32;
      made.data = narrow.data();
      made.length = static_cast<std::int32_t>(narrow.size());
    } else if (!wide.empty()) {
      made.type = PluginFieldType::kINT64;
      made.data = wide.data();
      made.length = static_cast<std::int32_t>(wide.size());
    } else {
      made.type = PluginFieldType::kCHAR;
      made.data = text.c_str();
      made.length =
          static_cast<std::int32_t>(text.size() + 1);  // with its '\0', as parsers send it
    }
    return made;
  }
};

Fields::Fields(const Attributes& attributes) {
  for (const auto& [name, value] : attributes) {
    auto stored = std::make_unique<Value>();
    stored->name = name;
    if (const auto* text = std::get_if<std::string>(&value)) {
      stored->text = *text;
    } else {
      const auto& integers = std::get<std::vector<std::int64_t>>(value);
      if (fits_32_bits(integers)) {
        stored->narrow.assign(integers.begin(), integers.end());
      } else {
        stored->wide = integers;
      }
    }
    fields_.push_back(stored->field());
    values_.push_back(std::move(stored));
  }
  collection_.nbFields = static_cast<std::int32_t>(fields_.size());
  collection_.fields = fields_.data();
}

Fields::~Fields() = default;

const nvinfer1::PluginFieldCollection* field_names(int version) {
  struct Names {
    std::vector<PluginField> fields;
    nvinfer1::PluginFieldCollection collection;
    explicit Names(int of) {
      for (const AttributeName& attribute : attribute_names(of)) {
        PluginField field;
        field.name = attribute.name;
        field.type = attribute.is_string ? PluginFieldType::kCHAR : PluginFieldType::kINT32;
        field.length = 1;
        fields.push_back(field);
      }
      collection.nbFields = static_cast<std::int32_t>(fields.size());
      collection.fields = fields.data();
    }
  };
  // Never destroyed: a registry may ask while the process ends.
  static const Names& one = *std::make_unique<Names>(1).release();
  static const Names& two = *std::make_unique<Names>(2).release();
  return version == 1 ? &one.collection : &two.collection;
}

}  // namespace hps::tensorrt
