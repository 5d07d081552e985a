// A stand-in for libnvinfer.so.N: a plugin registry, a logger and a logger finder whose virtual
// functions lie where those of TensorRT N (FAKE_VERSION / 10000) lie. Any other slot ends the test.
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr bool kTen = FAKE_VERSION / 10000 == 10;
constexpr int kRegister = kTen ? 12 : 8;
constexpr int kAll = kTen ? 13 : 9;
constexpr int kDeregister = kTen ? 15 : 11;
constexpr int kLog = kTen ? 0 : 4;

[[noreturn]] void wrong_slot() {
  std::fprintf(stderr, "a virtual slot was called that must not be\n");
  std::abort();
}

struct Object {
  void* slots[32];
  void** table = slots;
  Object() { std::fill(std::begin(slots), std::end(slots), reinterpret_cast<void*>(&wrong_slot)); }
  void* get() { return &table; }
};

std::vector<void*> creators;
std::string messages;
int refusals = 0;

bool register_creator(void*, void* creator, const char*) {
  if (std::find(creators.begin(), creators.end(), creator) != creators.end()) {
    ++refusals;  // the real one logs an error
    return false;
  }
  creators.push_back(creator);
  return true;
}
void* const* all_creators(void*, std::int32_t* count) {
  *count = static_cast<std::int32_t>(creators.size());
  return creators.data();
}
bool deregister_creator(void*, void* creator) {
  const auto at = std::find(creators.begin(), creators.end(), creator);
  if (at == creators.end()) std::abort();  // the real one corrupts itself
  creators.erase(at);
  return true;
}
void log(void*, std::int32_t severity, const char* message) {
  messages += std::to_string(severity) + " " + message + "\n";
}

Object& registry() {
  static Object object;
  object.slots[kRegister] = reinterpret_cast<void*>(&register_creator);
  object.slots[kAll] = reinterpret_cast<void*>(&all_creators);
  object.slots[kDeregister] = reinterpret_cast<void*>(&deregister_creator);
  return object;
}
Object& logger() {
  static Object object;
  object.slots[kLog] = reinterpret_cast<void*>(&log);
  return object;
}
void* find_logger(void*) { return logger().get(); }
Object& finder() {
  static Object object;
  object.slots[kLog] = reinterpret_cast<void*>(&find_logger);
  return object;
}

}  // namespace

EXPORT std::int32_t getInferLibVersion() { return FAKE_VERSION; }
EXPORT void* getPluginRegistry() { return registry().get(); }
EXPORT void* getLogger() { return nullptr; }
EXPORT void* createInferRuntime_INTERNAL(void* own_logger, std::int32_t version) {
  return version == FAKE_VERSION ? own_logger : nullptr;
}

/// What IPluginRegistry::loadLibrary does. 0, or what went wrong.
EXPORT const char* fake_load_library(const char* path) {
  void* library = dlopen(path, RTLD_LAZY);
  if (library == nullptr) return dlerror();
  const auto set = reinterpret_cast<void (*)(void*)>(dlsym(library, "setLoggerFinder"));
  const auto get = reinterpret_cast<void* const* (*)(std::int32_t&)>(dlsym(library, "getCreators"));
  if (set == nullptr || get == nullptr) return "an entry point is missing";
  set(finder().get());
  std::int32_t count = -1;
  void* const* given = get(count);
  for (std::int32_t i = 0; i < count; ++i) register_creator(nullptr, given[i], "");
  return nullptr;
}
/// Has the first creator make a plugin of no fields; whether there was one.
EXPORT bool fake_create() {
  using Create = void* (*)(void*, const char*, const void*, std::int32_t);
  void* creator = creators.at(0);
  return reinterpret_cast<Create>((*static_cast<void***>(creator))[4])(creator, "/n", nullptr, 0) !=
         nullptr;
}
EXPORT int fake_creators() { return static_cast<int>(creators.size()); }
EXPORT int fake_refusals() { return refusals; }
EXPORT const char* fake_messages() { return messages.c_str(); }
