// A libcuda.so.1 whose device memory is the host's: what the plugin queues is done at once.
#include <cstddef>
#include <cstdint>
#include <cstring>

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int fake_cuda_result;
EXPORT int fake_cuda_calls;
EXPORT const void* fake_cuda_stream;
int fake_cuda_result = 0;
int fake_cuda_calls = 0;
const void* fake_cuda_stream = nullptr;

EXPORT int cuMemsetD8Async(std::uint64_t address, unsigned char value, std::size_t bytes,
                           const void* stream) {
  ++fake_cuda_calls;
  fake_cuda_stream = stream;
  if (fake_cuda_result == 0) std::memset(reinterpret_cast<void*>(address), value, bytes);
  return fake_cuda_result;
}
EXPORT int cuGetErrorName(int, const char** text) {
  *text = "CUDA_ERROR_FAKE";
  return 0;
}
EXPORT int cuGetErrorString(int, const char** text) {
  *text = "made up";
  return 0;
}
