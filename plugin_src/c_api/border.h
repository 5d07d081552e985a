// What every function of hps_c.h does with what it is given. Layer: c_api; for this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

#include "base/error.h"
#include "hps_c.h"
#include "lookup/service.h"

namespace hps::c_api {

template <class Body>
int run(Body&& body) noexcept {
  return static_cast<int>(guard(std::forward<Body>(body)));
}

/// @throws Error(kInvalidArgument) naming `what`.
void need(const void* pointer, const char* what);

/// Copies a structure of a caller who may be older (its fields end earlier: ours are 0) or newer
/// (its further fields must be 0, since we would not act on them).
/// `required` is the size up to which it must reach. @throws Error(kInvalidArgument).
void read_struct(const void* given, const char* what, std::size_t required, std::size_t ours,
                 void* copy);
template <class T>
T read_struct(const T* given, const char* what, std::size_t required) {
  T copy{};
  read_struct(given, what, required, sizeof(T), &copy);
  return copy;
}

/// Writes back as much of `value` as the caller's structure has; its struct_size stays.
template <class T>
void write_struct(T* given, T value) noexcept {
  value.struct_size = given->struct_size;
  std::memcpy(given, &value, std::min(given->struct_size, sizeof(T)));
}

/// A table, and what keeps it alive.
struct OpenTable {
  std::shared_ptr<const Version> version;
  Table* table = nullptr;
};
/// @throws Error(kInvalidArgument), Error(kNotFound) listing the names there are, Error(kForked).
OpenTable open_table_of(hps_handle handle, const char* model, const char* table);

/// Hands `text` to the caller, who frees it with hps_free.
void give_text(const std::string& text, char** to);

}  // namespace hps::c_api
