// What TensorRT, a preloading loader and dlopen see of this library. Layer: tensorrt.
//
// Four ways lead to a registry that knows HPS_TRT:
//   loadLibrary        calls getCreators
//   dlopen             (ctypes, trtexec --staticPlugins, Triton) runs on_load: TensorRT is there
//   LD_PRELOAD         TensorRT comes later, if at all: our getPluginRegistry and
//                      createInferRuntime_INTERNAL are first in the search order, register when
//                      they are called, and pass the call on
// No way needs a TensorRT library linked to this one.
#include "tensorrt/foreign.h"
#include "tensorrt/registration.h"
#include "tensorrt/report.h"

#ifndef HPS_OFFICIAL_TENSORRT_HEADERS
namespace nvinfer1 {
class IPluginRegistry;
}
#endif

#define HPS_EXPORT __attribute__((visibility("default")))

namespace hps::tensorrt {
namespace {

/// Runs in every process that has this library preloaded, shells and stubs included: it may look at
/// the list of loaded objects and at nothing else.
__attribute__((constructor)) void on_load() {
  guarded([] {
    for (const Library& library : loaded_libraries()) register_in(library);
  });
}

/// The TensorRT that `caller` means, with our creators registered; `get_registry` is null without
/// one.
Library served_library(const void* caller, const char* function) noexcept {
  Library library;
  guarded([&] {
    library = library_of(caller);
    if (library.get_registry == nullptr) {
      fail(ErrorCode::kNotFound, function, " was called and no TensorRT is loaded (libnvinfer.so, ",
           "libnvinfer_lean.so or libtensorrt_rtx.so); load it first");
    }
  });
  register_in(library);
  return library;
}

}  // namespace
}  // namespace hps::tensorrt

extern "C" {

HPS_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(std::int32_t& count);
HPS_EXPORT void setLoggerFinder(void* finder);
HPS_EXPORT nvinfer1::IPluginRegistry* getPluginRegistry() noexcept;
HPS_EXPORT void* createInferRuntime_INTERNAL(void* logger, std::int32_t version) noexcept;

nvinfer1::IPluginCreatorInterface* const* getCreators(std::int32_t& count) {
  const void* caller = __builtin_return_address(0);
  count = 0;
  nvinfer1::IPluginCreatorInterface* const* all = nullptr;
  hps::tensorrt::guarded([&] {
    if (!hps::tensorrt::hand_over_to(hps::tensorrt::library_of(caller))) return;
    all = hps::tensorrt::creators().data();
    count = static_cast<std::int32_t>(hps::tensorrt::creators().size());
  });
  return all;
}

void setLoggerFinder(void* finder) {
  const void* caller = __builtin_return_address(0);
  hps::tensorrt::guarded([&] {
    const hps::tensorrt::Library library = hps::tensorrt::library_of(caller);
    hps::tensorrt::set_logger_finder(library.generation, finder);
  });
}

nvinfer1::IPluginRegistry* getPluginRegistry() noexcept {
  const auto library =
      hps::tensorrt::served_library(__builtin_return_address(0), "getPluginRegistry");
  if (library.get_registry == nullptr) return nullptr;
  return static_cast<nvinfer1::IPluginRegistry*>(library.get_registry());
}

void* createInferRuntime_INTERNAL(void* logger, std::int32_t version) noexcept {
  const auto library =
      hps::tensorrt::served_library(__builtin_return_address(0), "createInferRuntime");
  return library.create_runtime != nullptr ? library.create_runtime(logger, version) : nullptr;
}

}  // extern "C"
