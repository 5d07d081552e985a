// TensorRT's side of the plugin interface, by hand: structures and numbered virtual slots as they
// are from TensorRT 10.0 to 11.x. On purpose it shares nothing with plugin_src/tensorrt/abi.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace raw {

struct Field {
  const char* name;
  const void* data;
  std::int32_t type;
  std::int32_t length;
};
struct Fields {
  std::int32_t count;
  const Field* fields;
};
struct Dims {
  std::int32_t rank;
  std::int64_t d[8];
};
struct Tensor {
  Dims dims;
  std::int32_t type;
  std::int32_t format;
  float scale;
};
struct DynamicTensor {
  Tensor desc;
  Dims min, max, opt;
};
struct DimsExprs {
  std::int32_t rank;
  const void* d[8];
};
struct Interface {
  const char* kind;
  std::int32_t major, minor;
};
static_assert(sizeof(Field) == 24 && sizeof(Fields) == 16 && sizeof(Dims) == 72);
static_assert(sizeof(Tensor) == 88 && sizeof(DynamicTensor) == 304 && sizeof(DimsExprs) == 72);

enum : std::int32_t { kFloat = 0, kHalf = 1, kInt32 = 3, kBf16 = 7, kInt64 = 8, kTypes = 12 };
enum : std::int32_t { kFieldInt32 = 5, kFieldChar = 6, kFieldInt64 = 10 };
enum : std::int32_t { kBuild = 0, kRuntime = 1 };
enum : std::int32_t { kCore = 0, kBuildCapability = 1, kRuntimeCapability = 2 };

/// Calls virtual function number `slot`.
template <class Result, class... Args>
Result call(void* object, std::size_t slot, Args... args) {
  using Function = Result (*)(void*, Args...);
  return reinterpret_cast<Function>((*static_cast<void***>(object))[slot])(object, args...);
}

inline std::string kind_of(void* object) {
  const auto info = call<Interface>(object, 1);
  return std::string(info.kind) + " " + std::to_string(info.major) + "." +
         std::to_string(info.minor);
}
inline void destroy(void* object) { call<void>(object, 3); }  // the deleting destructor

/// Destroys a plugin as TensorRT does.
struct Destroy {
  void operator()(void* object) const { destroy(object); }
};
using Plugin = std::unique_ptr<void, Destroy>;

inline void* capability(const Plugin& plugin, std::int32_t type) {
  return call<void*>(plugin.get(), 4, type);
}
inline Plugin clone(const Plugin& plugin) { return Plugin(call<void*>(plugin.get(), 5)); }

/// Fields with their memory; strings with a trailing '\0', as newer parsers send them.
class FieldSet {
 public:
  FieldSet& text(const std::string& name, const std::string& value) {
    entries_[name].bytes.assign(value.c_str(), value.c_str() + value.size() + 1);
    entries_[name].type = kFieldChar;
    return *this;
  }
  /// `bytes` as they are; `length` may lie, as callers of HPS did.
  FieldSet& chars(const std::string& name, std::vector<char> bytes, std::int32_t length) {
    entries_[name] = {std::move(bytes), kFieldChar, length};
    return *this;
  }
  FieldSet& ints(const std::string& name, const std::vector<std::int32_t>& values) {
    Entry& entry = entries_[name];
    entry.bytes.resize(values.size() * 4);
    std::memcpy(entry.bytes.data(), values.data(), entry.bytes.size());
    entry.type = kFieldInt32;
    entry.length = static_cast<std::int32_t>(values.size());
    return *this;
  }
  FieldSet& longs(const std::string& name, const std::vector<std::int64_t>& values) {
    Entry& entry = entries_[name];
    entry.bytes.resize(values.size() * 8);
    std::memcpy(entry.bytes.data(), values.data(), entry.bytes.size());
    entry.type = kFieldInt64;
    entry.length = static_cast<std::int32_t>(values.size());
    return *this;
  }
  FieldSet& erase(const std::string& name) {
    entries_.erase(name);
    return *this;
  }

  /// Valid until the next change.
  const Fields* collection() {
    fields_.clear();
    for (const auto& [name, entry] : entries_) {
      const auto length =
          entry.length >= 0 ? entry.length : static_cast<std::int32_t>(entry.bytes.size());
      fields_.push_back({name.c_str(), entry.bytes.data(), entry.type, length});
    }
    collection_ = {static_cast<std::int32_t>(fields_.size()), fields_.data()};
    return &collection_;
  }

 private:
  struct Entry {
    std::vector<char> bytes;
    std::int32_t type = 0;
    std::int32_t length = -1;  // -1: all bytes
  };
  std::map<std::string, Entry> entries_;
  std::vector<Field> fields_;
  Fields collection_{};
};

/// Fields as text: {"name": "type:length:bytes in hexadecimal"}.
inline std::map<std::string, std::string> dump(const Fields* fields) {
  std::map<std::string, std::string> all;
  for (std::int32_t i = 0; i < fields->count; ++i) {
    const Field& field = fields->fields[i];
    const std::size_t width = field.type == kFieldChar ? 1 : field.type == kFieldInt32 ? 4 : 8;
    std::string text = std::to_string(field.type) + ":" + std::to_string(field.length) + ":";
    const auto* bytes = static_cast<const unsigned char*>(field.data);
    for (std::size_t b = 0; b < width * static_cast<std::size_t>(field.length); ++b) {
      text += "0123456789abcdef"[bytes[b] / 16];
      text += "0123456789abcdef"[bytes[b] % 16];
    }
    all[field.name] = text;
  }
  return all;
}

/// The object that getOutputShapes is given: an owner whose second word points to the functions.
/// Expressions are opaque; `text` says what each one is.
class ExprBuilder {
 public:
  ExprBuilder() : impl_{impl_table_, this}, owner_{owner_table_, &impl_} {
    impl_table_[2] = reinterpret_cast<void*>(&ExprBuilder::constant);
    impl_table_[3] = reinterpret_cast<void*>(&ExprBuilder::operation);
  }
  ExprBuilder(const ExprBuilder&) = delete;
  void* get() { return &owner_; }

  const void* symbol(const std::string& text) {
    texts_.push_back(std::make_unique<std::string>(text));
    return texts_.back().get();
  }
  static std::string text(const void* expression) {
    return *static_cast<const std::string*>(expression);
  }
  bool refuse = false;  ///< constant() returns null

 private:
  struct Impl {
    void** table;
    ExprBuilder* builder;
  };
  struct Owner {
    void** table;
    Impl* impl;
  };
  static const void* constant(Impl* self, std::int64_t value) {
    return self->builder->refuse ? nullptr : self->builder->symbol(std::to_string(value));
  }
  static const void* operation(Impl* self, std::int32_t op, const void* first, const void* second) {
    const char* sign = op == 0 ? "+" : op == 4 ? "-" : "?";
    return self->builder->symbol(text(first) + sign + text(second));
  }

  void* impl_table_[5] = {};
  void* owner_table_[2] = {};
  Impl impl_;
  Owner owner_;
  std::vector<std::unique_ptr<std::string>> texts_;
};

}  // namespace raw
