#include "cuda/driver.h"

#include <dlfcn.h>

#include <cstdint>

#include "base/error.h"

namespace hps::cuda {
namespace {

using Result = int;  // CUresult: an enumeration, 0 is success
using MemsetD8Async = Result (*)(std::uint64_t, unsigned char, std::size_t, Stream);
using GetErrorText = Result (*)(Result, const char**);

struct Driver {
  MemsetD8Async memset_d8_async = nullptr;
  GetErrorText get_error_name = nullptr;
  GetErrorText get_error_string = nullptr;
};

template <class Function>
Function symbol(void* library, const char* name) {
  void* address = dlsym(library, name);
  if (address == nullptr) {
    fail(ErrorCode::kUnsupported, "the CUDA driver libcuda.so.1 lacks ", name,
         "; install a complete NVIDIA driver");
  }
  return reinterpret_cast<Function>(address);
}

Driver open_driver() {
  constexpr const char* kName = "libcuda.so.1";
  // Never closed: the process that has a GPU stream keeps its driver until it ends.
  void* library = dlopen(kName, RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) library = dlopen(kName, RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    fail(ErrorCode::kUnsupported, "no CUDA driver: ", why != nullptr ? why : kName,
         "; install the NVIDIA driver or put libcuda.so.1 on the library path");
  }
  Driver driver;
  driver.memset_d8_async = symbol<MemsetD8Async>(library, "cuMemsetD8Async");
  driver.get_error_name = symbol<GetErrorText>(library, "cuGetErrorName");
  driver.get_error_string = symbol<GetErrorText>(library, "cuGetErrorString");
  return driver;
}

/// A failed attempt throws and is made again by the next call.
const Driver& driver() {
  static const Driver opened = open_driver();
  return opened;
}

const char* text_of(GetErrorText get, Result result) {
  const char* text = nullptr;
  return get(result, &text) == 0 && text != nullptr ? text : "unknown";
}

}  // namespace

void driver_zero_async(const Region& region, Stream stream) {
  if (region.bytes == 0) return;
  const Driver& api = driver();
  const auto address = reinterpret_cast<std::uint64_t>(region.data);
  const Result result = api.memset_d8_async(address, 0, region.bytes, stream);
  if (result != 0) {
    fail(ErrorCode::kInternal, "cuMemsetD8Async of ", region.bytes,
         " bytes failed: ", text_of(api.get_error_name, result), " (",
         text_of(api.get_error_string, result), ")");
  }
}

}  // namespace hps::cuda
