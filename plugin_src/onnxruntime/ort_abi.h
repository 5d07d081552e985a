// The part of ONNX Runtime's binary interface that we use, declared by us: no SDK is needed to
// build.
//
// The interface is a table of functions that only grows, asked for by version. kApiVersion is the
// oldest that has everything used here (onnxruntime 1.17); newer releases hand out the same table
// under that number. Functions of the table are found by position (see ort_api.h), the table of a
// custom op by byte offset, which the assertions below hold.
#pragma once

#include <cstddef>
#include <cstdint>

// Opaque to us; the names are ONNX Runtime's because they stand in its entry point.
struct OrtStatus;
struct OrtSessionOptions;
struct OrtCustomOpDomain;
struct OrtKernelInfo;
struct OrtKernelContext;
struct OrtShapeInferContext;
struct OrtTensorTypeAndShapeInfo;
struct OrtValue;
struct OrtMemoryInfo;
struct OrtApi;

struct OrtApiBase {
  const OrtApi* (*GetApi)(std::uint32_t version) noexcept;
  const char* (*GetVersionString)() noexcept;
};

struct OrtCustomOp {
  std::uint32_t version;
  void* (*CreateKernel)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*);
  const char* (*GetName)(const OrtCustomOp*);
  const char* (*GetExecutionProviderType)(const OrtCustomOp*);
  int (*GetInputType)(const OrtCustomOp*, std::size_t index);
  std::size_t (*GetInputTypeCount)(const OrtCustomOp*);
  int (*GetOutputType)(const OrtCustomOp*, std::size_t index);
  std::size_t (*GetOutputTypeCount)(const OrtCustomOp*);
  void (*KernelCompute)(void* kernel, OrtKernelContext*);
  void (*KernelDestroy)(void* kernel);
  int (*GetInputCharacteristic)(const OrtCustomOp*, std::size_t index);
  int (*GetOutputCharacteristic)(const OrtCustomOp*, std::size_t index);
  int (*GetInputMemoryType)(const OrtCustomOp*, std::size_t index);
  int (*GetVariadicInputMinArity)(const OrtCustomOp*);
  int (*GetVariadicInputHomogeneity)(const OrtCustomOp*);
  int (*GetVariadicOutputMinArity)(const OrtCustomOp*);
  int (*GetVariadicOutputHomogeneity)(const OrtCustomOp*);
  OrtStatus* (*CreateKernelV2)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*,
                               void** kernel);
  OrtStatus* (*KernelComputeV2)(void* kernel, OrtKernelContext*);
  OrtStatus* (*InferOutputShapeFn)(const OrtCustomOp*, OrtShapeInferContext*);
  int (*GetStartVersion)(const OrtCustomOp*);
  int (*GetEndVersion)(const OrtCustomOp*);
};

namespace hps::ort {

inline constexpr std::uint32_t kApiVersion = 17;

static_assert(sizeof(void*) == 8, "the positions and offsets here are those of 64-bit systems");
static_assert(offsetof(OrtCustomOp, CreateKernel) == 8);
static_assert(offsetof(OrtCustomOp, GetName) == 16);
static_assert(offsetof(OrtCustomOp, GetInputType) == 32);
static_assert(offsetof(OrtCustomOp, KernelCompute) == 64);
static_assert(offsetof(OrtCustomOp, GetInputCharacteristic) == 80);
static_assert(offsetof(OrtCustomOp, GetInputMemoryType) == 96);
static_assert(offsetof(OrtCustomOp, GetVariadicOutputHomogeneity) == 128);
static_assert(offsetof(OrtCustomOp, CreateKernelV2) == 136);
static_assert(offsetof(OrtCustomOp, InferOutputShapeFn) == 152);
static_assert(offsetof(OrtCustomOp, GetEndVersion) == 168);

/// Values that OrtCustomOp's functions return.
inline constexpr int kAnyType = 0;  ///< ONNX element types; 0 accepts every one
inline constexpr int kFloatType = 1;
inline constexpr int kRequired = 0;
inline constexpr int kVariadic = 2;
inline constexpr int kDefaultMemory = 0;
inline constexpr int kCpuDevice = 0;

/// Status codes; Python raises an exception class per code.
enum StatusCode : int {
  kFail = 1,
  kInvalidArgument = 2,
  kNoSuchFile = 3,
  kRuntimeException = 6,
  kNotImplemented = 9,
};

}  // namespace hps::ort
