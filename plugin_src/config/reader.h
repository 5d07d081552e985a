// A JSON text read with care: every value knows where it stands, every object knows its keys.
// Internal to the config layer (the only header here that shows the JSON library).
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace hps::config {

constexpr std::size_t kLargestFile = std::size_t{64} << 20;

/// A parsed text. Not movable while Values refer to it.
struct Document {
  std::string file;              ///< as messages name it
  std::filesystem::path folder;  ///< what relative paths are relative to; absolute
  nlohmann::json root;
  bool scalars_in_quotes = false;  ///< ps.json: "64" and "true" stand for 64 and true

  /// Joined to `folder` when relative.
  std::filesystem::path resolve(const std::string& path) const { return folder / path; }
};

/// @throws Error(kConfig) for what is not JSON, and for JSON that repeats a key, nests deeper than
/// 32, has more than 4 million values, or is larger than 64 MB. Never quotes the text's strings:
/// there may be a password among them.
Document read_document(const std::string& text, const std::filesystem::path& file);

template <class T>
struct Choice {
  std::string_view name;
  T value;
};

using Keys = std::span<const std::string_view>;
class Object;

/// A value and its place. Cheap to copy; refers to the Document.
class Value {
 public:
  Value(const Document& document, const nlohmann::json& json, std::string where)
      : document_(&document), json_(&json), where_(std::move(where)) {}

  const Document& document() const noexcept { return *document_; }
  const std::string& where() const noexcept { return where_; }  ///< "" for the whole text
  bool is_list() const noexcept { return json_->is_array(); }

  /// Each throws Error(kConfig) that names what was expected and what was found.
  std::string text() const;    ///< without control characters
  std::string secret() const;  ///< the same, and no message shows it
  bool flag() const;
  std::uint64_t whole(std::uint64_t least, std::uint64_t most) const;
  std::uint32_t whole32(std::uint32_t least, std::uint32_t most) const;
  double number(double least, double most) const;
  float fp32() const;
  std::size_t size() const;  ///< of a list
  Value at(std::size_t position) const;
  Object object(Keys keys) const;

  template <class T>
  T choice(std::span<const Choice<T>> choices) const {
    const std::string word = text();
    std::vector<std::string_view> names;
    for (const Choice<T>& each : choices) {
      if (each.name == word) return each.value;
      names.push_back(each.name);
    }
    refuse_choice(word, names);
  }

  /// Throws Error(kConfig, "FILE: WHERE: parts...").
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kConfig, document_->file, ": ", place(), ": ", parts...);
  }
  template <class... Parts>
  [[noreturn]] void unsupported(const Parts&... parts) const {
    fail(ErrorCode::kUnsupported, document_->file, ": ", place(), ": ", parts...);
  }

 private:
  friend class Object;
  std::string_view place() const noexcept {
    return where_.empty() ? std::string_view("top level") : std::string_view(where_);
  }
  [[noreturn]] void wrong_type(std::string_view expected, bool show = true) const;
  [[noreturn]] void refuse_choice(const std::string& word, Keys names) const;
  std::string checked_text(bool show) const;
  nlohmann::json scalar() const;  ///< the value, out of its quotes where the document allows that

  const Document* document_;
  const nlohmann::json* json_;
  std::string where_;
};

/// An object whose keys are all known, and which remembers the ones that were read.
class Object {
 public:
  /// @throws Error(kConfig) for another type, and for a key not in `keys`, with the nearest of
  /// them.
  Object(Value value, Keys keys);

  const Value& value() const noexcept { return value_; }
  std::optional<Value> find(std::string_view key) const;
  Value need(std::string_view key) const;
  bool has(std::string_view key) const;  ///< does not count as reading it

  /// The last thing a parser does: a key that is known and yet was never read is a bug in it.
  /// @throws Error(kInternal).
  void all_read() const;

 private:
  Value value_;
  mutable std::set<std::string, std::less<>> read_;
};

}  // namespace hps::config
