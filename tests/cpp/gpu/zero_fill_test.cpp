// The zero fill on a real GPU: by memsets and by the kernel, at every alignment, many regions at
// once, and inside a stream capture. Skipped where there is no GPU.
#include "cuda/zero_fill.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <vector>

#include "cuda/zero_kernel.h"

namespace hps::cuda {
namespace {

#define ASSERT_CUDA(expression) ASSERT_EQ(cudaSuccess, expression)

class ZeroFill : public ::testing::Test {
 protected:
  static constexpr std::size_t kBytes = std::size_t{1} << 20;

  void SetUp() override {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) GTEST_SKIP() << "no GPU";
    ASSERT_CUDA(cudaMalloc(reinterpret_cast<void**>(&memory_), kBytes));
    ASSERT_CUDA(cudaStreamCreate(&stream_));
    ASSERT_CUDA(cudaMemset(memory_, 0xAB, kBytes));
  }
  void TearDown() override {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
    cudaFree(memory_);
  }

  /// Regions of many sizes that start at every alignment, with gaps between them.
  std::vector<Region> regions(std::size_t count) {
    std::vector<Region> made;
    std::size_t at = 1;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t bytes = i % 5 == 0 ? i * 67 : i % 37;
      made.push_back({memory_ + at, bytes});
      at += bytes + 1 + i % 3;
    }
    EXPECT_LT(at, kBytes);
    return made;
  }

  void expect_zeroed(const std::vector<Region>& filled) {
    std::vector<unsigned char> expected(kBytes, 0xAB);
    for (const Region& region : filled) {
      const auto from = static_cast<unsigned char*>(region.data) - memory_;
      std::fill_n(expected.begin() + from, region.bytes, static_cast<unsigned char>(0));
    }
    std::vector<unsigned char> found(kBytes);
    ASSERT_CUDA(cudaStreamSynchronize(stream_));
    ASSERT_CUDA(cudaMemcpy(found.data(), memory_, kBytes, cudaMemcpyDeviceToHost));
    EXPECT_TRUE(found == expected);
  }

  unsigned char* memory_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

TEST_F(ZeroFill, ByMemsets) {
  const auto all = regions(50);
  for (const Region& region : all) driver_zero_async(region, stream_);
  expect_zeroed(all);
}

TEST_F(ZeroFill, ByTheKernel) {
  prepare_zero_fill();
  ASSERT_TRUE(zero_kernel_ready());
  const auto all = regions(300);  // more than one launch takes
  zero_fill_async(all, stream_);
  expect_zeroed(all);
}

TEST_F(ZeroFill, OneLargeRegion) {
  prepare_zero_fill();
  const std::vector<Region> all = {{memory_ + 3, kBytes - 7}};
  zero_fill_async(all, stream_);
  expect_zeroed(all);
}

TEST_F(ZeroFill, InsideACapture) {
  prepare_zero_fill();
  const auto all = regions(100);
  ASSERT_CUDA(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal));
  zero_fill_async(all, stream_);
  cudaGraph_t graph = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(stream_, &graph));
  expect_zeroed({});  // captured, not run
  cudaGraphExec_t executable = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&executable, graph, 0));
  ASSERT_CUDA(cudaGraphLaunch(executable, stream_));
  expect_zeroed(all);
  ASSERT_CUDA(cudaGraphExecDestroy(executable));
  ASSERT_CUDA(cudaGraphDestroy(graph));
}

}  // namespace
}  // namespace hps::cuda
