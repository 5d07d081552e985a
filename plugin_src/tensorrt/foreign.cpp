#include "tensorrt/foreign.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace hps::tensorrt {
namespace {

/// Function number `index` of the object's virtual table (Itanium ABI: `this` is the first
/// argument).
template <class Function>
Function slot(void* object, std::size_t index) {
  return reinterpret_cast<Function>((*static_cast<void***>(object))[index]);
}

struct RegistrySlots {
  std::size_t register_creator;
  std::size_t all_creators;
  std::size_t deregister_creator;
};
constexpr RegistrySlots kRegistryTen{12, 13, 15};
constexpr RegistrySlots kRegistryEleven{8, 9, 11};

constexpr const RegistrySlots& registry_slots(Generation generation) {
  return generation == Generation::kTen ? kRegistryTen : kRegistryEleven;
}
// In 10.x these two interfaces have no base; in 11.x they are IVersionedInterface, whose four slots
// come first.
constexpr std::size_t log_slot(Generation generation) {
  return generation == Generation::kTen ? 0 : 4;
}

constexpr std::size_t kContextErrorRecorder = 1;
constexpr std::size_t kRecorderReportError = 9;
constexpr std::size_t kRecorderRetain = 10;
constexpr std::size_t kRecorderRelease = 11;

Generation generation_of(int version) {
  switch (version / 10000) {
    case 10:
      return Generation::kTen;
    case 1:  // TensorRT for RTX
    case 11:
      return Generation::kEleven;
    default:
      return Generation::kUnknown;
  }
}

/// Start of the object that holds `address`; null when it is no code of a loaded object.
const void* base_of(const void* address) {
  Dl_info info{};
  return dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

bool is_ours(const void* address) {
  static const char anchor = 0;  // internal linkage: no other library's symbol can stand in for it
  return base_of(address) == base_of(&anchor);
}

/// `name` as the object behind `handle` sees it through its own dependencies; never ours.
void* foreign_symbol(void* handle, const char* name) {
  void* address = dlsym(handle, name);
  return address != nullptr && is_ours(address) ? nullptr : address;
}

Library describe(void* handle, const char* path) {
  Library library;
  library.path = path;
  auto* const version = foreign_symbol(handle, "getInferLibVersion");
  auto* const registry = foreign_symbol(handle, "getPluginRegistry");
  if (version == nullptr || registry == nullptr) return library;
  library.version = reinterpret_cast<std::int32_t (*)()>(version)();
  library.generation = generation_of(library.version);
  library.get_registry = reinterpret_cast<void* (*)()>(registry);
  library.get_logger = reinterpret_cast<void* (*)()>(foreign_symbol(handle, "getLogger"));
  library.create_runtime = reinterpret_cast<void* (*)(void*, std::int32_t)>(
      foreign_symbol(handle, "createInferRuntime_INTERNAL"));
  return library;
}

/// A null `path` is the program itself.
Library describe_loaded(const char* path) {
  void* handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return {};
  Library library = describe(handle, path != nullptr ? path : "");
  dlclose(handle);  // the object stays: it was loaded before
  return library;
}

constexpr std::array<std::string_view, 3> kNames = {"libnvinfer.so", "libnvinfer_lean.so",
                                                    "libtensorrt_rtx.so"};

int collect(dl_phdr_info* info, std::size_t, void* paths) {
  const std::string_view path = info->dlpi_name != nullptr ? info->dlpi_name : "";
  const std::string_view file = path.substr(path.find_last_of('/') + 1);
  for (const std::string_view name : kNames) {
    if (file.starts_with(name)) static_cast<std::vector<std::string>*>(paths)->emplace_back(path);
  }
  return 0;
}

}  // namespace

std::vector<Library> loaded_libraries() {
  std::vector<std::string> paths;
  dl_iterate_phdr(collect, &paths);
  std::vector<Library> libraries;
  for (const std::string& path : paths) {
    Library library = describe_loaded(path.c_str());
    if (library.get_registry != nullptr) libraries.push_back(std::move(library));
  }
  return libraries;
}

Library library_of(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) != 0 && info.dli_fname != nullptr) {
    Library library = describe_loaded(info.dli_fname);
    if (library.get_registry != nullptr) return library;
    // The program's own name is not one it can be opened by; and code that a loader of its own
    // opened globally is found in the order after us.
    library = describe_loaded(nullptr);
    if (library.get_registry != nullptr) return library;
  }
  Library next = describe(RTLD_NEXT, "");
  if (next.get_registry != nullptr) return next;
  const std::vector<Library> libraries = loaded_libraries();
  return libraries.empty() ? Library{} : libraries.front();
}

bool register_creator(Generation generation, void* registry,
                      nvinfer1::IPluginCreatorInterface& creator) {
  using Register = bool (*)(void*, nvinfer1::IPluginCreatorInterface&, const char*);
  return slot<Register>(registry, registry_slots(generation).register_creator)(registry, creator,
                                                                               "");
}

bool deregister_creator(Generation generation, void* registry,
                        nvinfer1::IPluginCreatorInterface& creator) {
  using Deregister = bool (*)(void*, const nvinfer1::IPluginCreatorInterface&);
  return slot<Deregister>(registry, registry_slots(generation).deregister_creator)(registry,
                                                                                   creator);
}

bool holds_creator(Generation generation, void* registry,
                   const nvinfer1::IPluginCreatorInterface& creator) {
  using List = const nvinfer1::IPluginCreatorInterface* const* (*)(void*, std::int32_t*);
  std::int32_t count = 0;
  const auto* const all =
      slot<List>(registry, registry_slots(generation).all_creators)(registry, &count);
  return all != nullptr && count > 0 && std::find(all, all + count, &creator) != all + count;
}

void* find_logger(Generation generation, void* finder) {
  return slot<void* (*)(void*)>(finder, log_slot(generation))(finder);
}

void log(Generation generation, void* logger, std::int32_t severity, const char* message) noexcept {
  using Log = void (*)(void*, std::int32_t, const char*);
  slot<Log>(logger, log_slot(generation))(logger, severity, message);
}

void* error_recorder_of(nvinfer1::IPluginResourceContext* context) {
  return slot<void* (*)(void*)>(context, kContextErrorRecorder)(context);
}

void report_error(void* recorder, std::int32_t code, const char* message) noexcept {
  using Report = bool (*)(void*, std::int32_t, const char*);
  slot<Report>(recorder, kRecorderReportError)(recorder, code, message);
}

void retain_recorder(void* recorder) noexcept {
  slot<std::int32_t (*)(void*)>(recorder, kRecorderRetain)(recorder);
}

void release_recorder(void* recorder) noexcept {
  slot<std::int32_t (*)(void*)>(recorder, kRecorderRelease)(recorder);
}

}  // namespace hps::tensorrt
