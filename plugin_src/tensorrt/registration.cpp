#include "tensorrt/registration.h"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/instance.h"
#include "tensorrt/creator.h"
#include "tensorrt/plugin.h"
#include "tensorrt/report.h"

namespace hps::tensorrt {
namespace {

std::mutex& mutex() {
  static std::mutex instance;
  return instance;
}

/// Registries that were given the creators, or that register them on their own.
std::vector<void*>& served() {
  static auto& registries = *std::make_unique<std::vector<void*>>().release();
  return registries;
}

/// A registry calls back into this library (names of creators), and on some paths into the
/// functions we interpose: on the same thread that is registering.
thread_local bool registering = false;

class Scope {
 public:
  Scope() noexcept { registering = true; }
  ~Scope() { registering = false; }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
};

/// Whether this copy may register; the refusal is reported once.
bool claimed() {
  static const bool first = [] {
    std::string other;
    if (claim_process(&other)) return true;
    const std::string message =
        "HPS_TRT: " + (other.empty() ? std::string("another copy of this library") : other) +
        " serves this process already; this second copy of libhps_plugin.so registers nothing";
    report(Severity::kWarning, message.c_str());
    return false;
  }();
  return first;
}

void register_all(const Library& library, void* registry) {
  for (nvinfer1::IPluginCreatorInterface* creator : creators()) {
    if (holds_creator(library.generation, registry, *creator)) continue;
    if (!register_creator(library.generation, registry, *creator)) {
      fail(ErrorCode::kInternal, "the plugin registry of ", library.path, " refused a creator of ",
           kPluginName);
    }
  }
}

}  // namespace

std::span<nvinfer1::IPluginCreatorInterface* const> creators() {
  static const std::array<nvinfer1::IPluginCreatorInterface*, 2> all = {
      std::make_unique<Creator>(1).release(), std::make_unique<Creator>(2).release()};
  return all;
}

void register_in(const Library& library) noexcept {
  if (registering || library.get_registry == nullptr) return;
  guarded([&] {
    const std::lock_guard lock(mutex());
    const Scope scope;
    void* registry = library.get_registry();
    auto& done = served();
    if (registry == nullptr || std::find(done.begin(), done.end(), registry) != done.end()) return;
    if (!claimed()) return;
    done.push_back(registry);  // whatever comes of it, it is tried and reported once
    if (library.generation == Generation::kUnknown) {
      fail(ErrorCode::kUnsupported, library.path, " reports version ", library.version,
           "; this library knows TensorRT 10 and 11 and registers nothing in it");
    }
    register_all(library, registry);
  });
}

bool hand_over_to(const Library& library) noexcept {
  bool ours = false;
  guarded([&] {
    const std::lock_guard lock(mutex());
    const Scope scope;
    if (!claimed()) return;
    ours = true;
    if (library.get_registry == nullptr || library.generation == Generation::kUnknown) return;
    void* registry = library.get_registry();
    if (registry == nullptr) return;
    auto& done = served();
    if (std::find(done.begin(), done.end(), registry) == done.end()) {
      done.push_back(registry);
      return;
    }
    for (nvinfer1::IPluginCreatorInterface* creator : creators()) {
      if (holds_creator(library.generation, registry, *creator)) {
        deregister_creator(library.generation, registry, *creator);
      }
    }
  });
  return ours;
}

}  // namespace hps::tensorrt
