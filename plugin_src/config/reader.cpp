#include "config/reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "config/names.h"

namespace hps::config {
namespace {

using nlohmann::json;

constexpr double kLargestExact = 9007199254740992.0;  // 2^53: beyond, a double skips whole numbers

std::string_view type_name(const json& value) {
  if (value.is_number()) return "a number";
  switch (value.type()) {
    case json::value_t::null:
      return "null";
    case json::value_t::boolean:
      return "a boolean";
    case json::value_t::string:
      return "a string";
    case json::value_t::array:
      return "a list";
    default:
      return "an object";
  }
}

/// " (value)" for scalars, " of N" for lists.
std::string shown(const json& value) {
  if (value.is_string()) return " (" + in_quotes(value.get_ref<const std::string&>()) + ")";
  if (value.is_number() || value.is_boolean()) return " (" + value.dump() + ")";
  if (value.is_array()) return " of " + std::to_string(value.size());
  return "";
}

std::optional<std::uint64_t> to_whole(const json& value) {
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  const bool exact = number >= 0.0 && number <= kLargestExact && std::trunc(number) == number;
  return exact ? std::optional(static_cast<std::uint64_t>(number)) : std::nullopt;
}

std::string join(const std::string& parent, std::string_view key) {
  return parent.empty() ? std::string(key) : parent + "." + std::string(key);
}

}  // namespace

void Value::wrong_type(std::string_view expected, bool show) const {
  refuse("expected ", expected, ", found ", type_name(*json_), show ? shown(*json_) : "");
}

void Value::refuse_choice(const std::string& word, Keys names) const {
  std::string list;
  for (const std::string_view name : names) (list += list.empty() ? "" : ", ") += name;
  refuse(in_quotes(word), " is none of ", list, "; did you mean ", in_quotes(nearest(word, names)),
         "?");
}

std::string Value::checked_text(bool show) const {
  if (!json_->is_string()) wrong_type("a string", show);
  const std::string& value = json_->get_ref<const std::string&>();
  const bool printable = std::none_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
  if (!printable) {
    refuse("a control character in the string", show ? shown(*json_) : "", "; remove it");
  }
  return value;
}

std::string Value::text() const { return checked_text(true); }
std::string Value::secret() const { return checked_text(false); }

json Value::scalar() const {
  if (!document_->scalars_in_quotes || !json_->is_string()) return *json_;
  const std::string& word = json_->get_ref<const std::string&>();
  if (word == "true") return true;
  if (word == "false") return false;
  const char* const end = word.data() + word.size();
  std::uint64_t whole = 0;
  if (const auto [at, error] = std::from_chars(word.data(), end, whole);
      error == std::errc{} && at == end) {
    return whole;
  }
  double number = 0.0;
  if (const auto [at, error] = std::from_chars(word.data(), end, number);
      error == std::errc{} && at == end && std::isfinite(number)) {
    return number;
  }
  return *json_;
}

bool Value::flag() const {
  const json value = scalar();
  if (!value.is_boolean()) wrong_type("true or false");
  return value.get<bool>();
}

std::uint64_t Value::whole(std::uint64_t least, std::uint64_t most) const {
  const json value = scalar();
  if (!value.is_number()) wrong_type("a whole number");
  const std::optional<std::uint64_t> number = to_whole(value);
  if (!number || *number < least || *number > most) {
    refuse("expected a whole number in ", least, "..", most, ", found ", value.dump());
  }
  return *number;
}

std::uint32_t Value::whole32(std::uint32_t least, std::uint32_t most) const {
  return static_cast<std::uint32_t>(whole(least, most));
}

double Value::number(double least, double most) const {
  const json value = scalar();
  if (!value.is_number()) wrong_type("a number");
  const double number = value.get<double>();
  if (!(number >= least && number <= most)) {
    refuse("expected a number in ", least, "..", most, ", found ", value.dump());
  }
  return number;
}

float Value::fp32() const {
  constexpr double kMax = std::numeric_limits<float>::max();
  return static_cast<float>(number(-kMax, kMax));
}

std::size_t Value::size() const {
  if (!json_->is_array()) wrong_type("a list");
  return json_->size();
}

Value Value::at(std::size_t position) const {
  return {*document_, json_->at(position), where_ + "[" + std::to_string(position) + "]"};
}

Object Value::object(Keys keys) const { return Object(*this, keys); }

Object::Object(Value value, Keys keys) : value_(std::move(value)) {
  if (!value_.json_->is_object()) value_.wrong_type("an object");
  for (const auto& [key, unused] : value_.json_->items()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    value_.refuse("unknown key ", in_quotes(key), "; the nearest valid key is ",
                  in_quotes(nearest(key, keys)));
  }
}

std::optional<Value> Object::find(std::string_view key) const {
  read_.emplace(key);
  const auto found = value_.json_->find(std::string(key));
  if (found == value_.json_->end()) return std::nullopt;
  return Value(*value_.document_, *found, join(value_.where_, key));
}

Value Object::need(std::string_view key) const {
  if (const std::optional<Value> found = find(key)) return *found;
  value_.refuse("the key ", in_quotes(key), " is missing; add it");
}

bool Object::has(std::string_view key) const { return value_.json_->contains(std::string(key)); }

void Object::all_read() const {
  for (const auto& [key, unused] : value_.json_->items()) {
    if (read_.find(key) == read_.end()) {
      fail(ErrorCode::kInternal, value_.document_->file, ": ", join(value_.where_, key),
           ": known, and yet not read: this is a bug of the library");
    }
  }
}

}  // namespace hps::config
