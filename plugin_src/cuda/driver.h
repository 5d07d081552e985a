// The few entry points of the CUDA driver that work without a toolkit and with any driver version.
// libcuda.so.1 is looked up at the first use, never when this library is loaded. Layer: base <-
// cuda.
#pragma once

#include <cstddef>

struct CUstream_st;

namespace hps::cuda {

/// The same type as the runtime's cudaStream_t and the driver's CUstream.
using Stream = CUstream_st*;

/// Device memory of the caller's. Not owned.
struct Region {
  void* data = nullptr;
  std::size_t bytes = 0;
};

/// Queues a memset to zero on `stream` of the current context; does not synchronise and may be
/// captured into a graph. Empty regions are skipped. Thread-safe.
/// @throws Error(kUnsupported) when there is no driver, Error(kInternal) with the driver's words.
void driver_zero_async(const Region& region, Stream stream);

}  // namespace hps::cuda
