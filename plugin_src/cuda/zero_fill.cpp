#include "cuda/zero_fill.h"

#include "cuda/zero_kernel.h"

namespace hps::cuda {

// Two ways to the same bytes. One kernel launch covers a node's outputs, but the runtime linked
// into this library needs a driver of its own generation. TensorRT itself may be older than that
// (an engine built with CUDA 12 on its driver), and then the driver's own memset, one per output,
// works.
#ifdef HPS_TRT_WITH_CUDA

void prepare_zero_fill() noexcept { prepare_zero_kernel(); }

void zero_fill_async(std::span<const Region> regions, Stream stream) {
  if (zero_kernel_ready()) {
    launch_zero_kernel(regions.data(), regions.size(), stream);
    return;
  }
  for (const Region& region : regions) driver_zero_async(region, stream);
}

#else

void prepare_zero_fill() noexcept {}

void zero_fill_async(std::span<const Region> regions, Stream stream) {
  for (const Region& region : regions) driver_zero_async(region, stream);
}

#endif

}  // namespace hps::cuda
