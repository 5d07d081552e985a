#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "base/error.h"
#include "cuda/zero_kernel.h"

namespace hps::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr std::size_t kMaxRegions = 128;     // 2 KiB of kernel arguments; 4 KiB are allowed
constexpr std::size_t kBytesPerThread = 64;  // four 16-byte stores before another block pays
constexpr unsigned kMaxBlocks = 1024;        // per region; larger regions loop
constexpr int kMaxDevices = 64;

struct Regions {
  Region at[kMaxRegions];
};

/// Row y of the grid zeroes region y: whole 16-byte words, and single bytes at both ends.
__global__ void __launch_bounds__(kThreads) zero_regions(const Regions regions) {
  const Region region = regions.at[blockIdx.y];
  auto* const begin = static_cast<unsigned char*>(region.data);
  const std::size_t to_aligned = (16 - reinterpret_cast<std::uintptr_t>(begin) % 16) % 16;
  const std::size_t head = to_aligned < region.bytes ? to_aligned : region.bytes;
  const std::size_t words = (region.bytes - head) / 16;
  const std::size_t tail = region.bytes - head - words * 16;

  const std::size_t thread = std::size_t{blockIdx.x} * kThreads + threadIdx.x;
  const std::size_t threads = std::size_t{gridDim.x} * kThreads;
  auto* const body = reinterpret_cast<uint4*>(begin + head);
  for (std::size_t i = thread; i < words; i += threads) body[i] = make_uint4(0, 0, 0, 0);
  if (thread < head) begin[thread] = 0;
  if (thread < tail) begin[head + words * 16 + thread] = 0;
}

std::array<std::atomic<bool>, kMaxDevices>& ready() {
  static std::array<std::atomic<bool>, kMaxDevices> flags{};
  return flags;
}

int current_device() noexcept {
  int device = -1;
  if (cudaGetDevice(&device) != cudaSuccess) {
    (void)cudaGetLastError();  // ours to clear: TensorRT must not find it later
    return -1;
  }
  return device < kMaxDevices ? device : -1;
}

/// CUDA 13 code under an older driver fails at its first call; the version is a query that does
/// not.
bool driver_fits() noexcept {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess && version >= CUDART_VERSION;
}

void launch(const Regions& regions, unsigned count, std::size_t largest, Stream stream) {
  const std::size_t blocks =
      (largest + kThreads * kBytesPerThread - 1) / (kThreads * kBytesPerThread);
  const dim3 grid(static_cast<unsigned>(std::min<std::size_t>(blocks, kMaxBlocks)), count);
  void* arguments[] = {const_cast<Regions*>(&regions)};
  const cudaError_t result = cudaLaunchKernel(reinterpret_cast<const void*>(&zero_regions), grid,
                                              dim3(kThreads), arguments, 0, stream);
  if (result != cudaSuccess) {
    (void)cudaGetLastError();  // reported here; must not surface again in the host's next check
    fail(ErrorCode::kInternal, "the launch that zeroes ", count,
         " outputs failed: ", cudaGetErrorName(result), " (", cudaGetErrorString(result), ")");
  }
}

}  // namespace

void prepare_zero_kernel() noexcept {
  if (!driver_fits()) return;
  const int device = current_device();
  if (device < 0 || ready()[static_cast<std::size_t>(device)].load(std::memory_order_acquire))
    return;
  cudaFuncAttributes attributes{};
  if (cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&zero_regions)) !=
      cudaSuccess) {
    (void)
        cudaGetLastError();  // a device older than every architecture we compile for: memsets serve
    return;
  }
  ready()[static_cast<std::size_t>(device)].store(true, std::memory_order_release);
}

bool zero_kernel_ready() noexcept {
  if (!driver_fits()) return false;
  const int device = current_device();
  return device >= 0 && ready()[static_cast<std::size_t>(device)].load(std::memory_order_acquire);
}

void launch_zero_kernel(const Region* regions, std::size_t count, Stream stream) {
  Regions batch;
  unsigned filled = 0;
  std::size_t largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (regions[i].bytes == 0) continue;
    batch.at[filled++] = regions[i];
    largest = std::max(largest, regions[i].bytes);
    if (filled == kMaxRegions) {
      launch(batch, filled, largest, stream);
      filled = 0;
      largest = 0;
    }
  }
  if (filled > 0) launch(batch, filled, largest, stream);
}

}  // namespace hps::cuda
