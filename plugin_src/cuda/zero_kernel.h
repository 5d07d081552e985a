// The kernel behind zero_fill.h; only in builds with CUDA. Also read by nvcc. Layer: base <- cuda.
#pragma once

#include <cstddef>

#include "cuda/driver.h"

namespace hps::cuda {

/// Loads the kernel for the current device if driver and device can run it. Not inside a capture.
void prepare_zero_kernel() noexcept;

/// Whether prepare_zero_kernel succeeded for the current device.
bool zero_kernel_ready() noexcept;

/// One launch for up to 128 regions that are not empty (more regions, more launches).
/// Requires zero_kernel_ready(). @throws Error(kInternal) when a launch is refused.
void launch_zero_kernel(const Region* regions, std::size_t count, Stream stream);

}  // namespace hps::cuda
