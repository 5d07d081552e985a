#include "c_api/border.h"

#include <cstdlib>
#include <new>

namespace hps::c_api {
namespace {

template <class List, class NameOf>
std::string names_of(const List& list, NameOf name_of_one) {
  constexpr std::size_t kListed = 12;
  std::string names;
  for (std::size_t i = 0; i < std::min(list.size(), kListed); ++i) {
    names += (i == 0 ? "" : ", ") + name_of_one(list[i]);
  }
  if (list.size() > kListed) names += ", and " + std::to_string(list.size() - kListed) + " more";
  return names.empty() ? "none" : names;
}

}  // namespace

void need(const void* pointer, const char* what) {
  if (pointer == nullptr) fail(ErrorCode::kInvalidArgument, what, " is a null pointer");
}

void read_struct(const void* given, const char* what, std::size_t required, std::size_t ours,
                 void* copy) {
  need(given, what);
  std::size_t size = 0;
  std::memcpy(&size, given, sizeof(size));
  if (size < required) {
    fail(ErrorCode::kInvalidArgument, what, "->struct_size is ", size, ", and ", required,
         " is the least; set it to sizeof the structure");
  }
  // Every version of every structure ends where a pointer could begin; another size would cut a
  // field in two.
  constexpr std::size_t kSensible = 4096;
  if (size > kSensible || size % alignof(void*) != 0) {
    fail(ErrorCode::kInvalidArgument, what, "->struct_size is ", size,
         ", which is no structure of this library; set it to sizeof the structure");
  }
  const auto* bytes = static_cast<const unsigned char*>(given);
  if (std::any_of(bytes + std::min(size, ours), bytes + size,
                  [](auto byte) { return byte != 0; })) {
    fail(ErrorCode::kUnsupported, what, " sets fields that this library, ", hps_version(),
         ", does not know; leave them 0 or install the library of your header");
  }
  std::memcpy(copy, given, std::min(size, ours));
}

OpenTable open_table_of(hps_handle handle, const char* model, const char* table) {
  need(model, "model");
  need(table, "table");
  OpenTable found{from_handle(handle)->snapshot()};
  const Version::Model* const in = found.version->find(model);
  const std::filesystem::path& file = found.version->config.file;
  if (in == nullptr) {
    fail(ErrorCode::kNotFound, file.string(), ": no model '", model, "'; it has ",
         names_of(found.version->models, [](const auto& one) { return one.name; }));
  }
  found.table = in->find(table);
  if (found.table == nullptr) {
    fail(ErrorCode::kNotFound, file.string(), ": model '", model, "' has no table '", table,
         "'; it has ", names_of(in->tables, [](const auto& one) { return one->config().name; }));
  }
  return found;
}

void give_text(const std::string& text, char** to) {
  auto* const copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, text.c_str(), text.size() + 1);
  *to = copy;
}

}  // namespace hps::c_api
