// The part of TensorRT's binary interface that a version 3 plugin needs, declared by us, so that
// building this library needs no TensorRT SDK. The layout (sizes, order of virtual functions) is
// the same in every release from 10.0 on; tests/cpp/tensorrt holds it to raw table slots. With
// HPS_OFFICIAL_TENSORRT_HEADERS (CMake: HPS_TRT_TENSORRT_INCLUDE) the official headers are used.
//
// Only what we implement or are handed stands here. What differs between TensorRT 10 and 11
// (registry, logger, logger finder) is in foreign.h and is never declared as a class.
#pragma once

#ifdef HPS_OFFICIAL_TENSORRT_HEADERS
#include <NvInferRuntime.h>
#else

#include <cstddef>
#include <cstdint>

struct CUstream_st;
using cudaStream_t = CUstream_st*;

namespace nvinfer1 {

using AsciiChar = char;

enum class DataType : std::int32_t {
  kFLOAT,
  kHALF,
  kINT8,
  kINT32,
  kBOOL,
  kUINT8,
  kFP8,
  kBF16,
  kINT64
};
enum class TensorFormat : std::int32_t { kLINEAR = 0 };
enum class TensorRTPhase : std::int32_t { kBUILD = 0, kRUNTIME = 1 };
enum class PluginCapabilityType : std::int32_t { kCORE = 0, kBUILD = 1, kRUNTIME = 2 };
enum class PluginFieldType : std::int32_t { kINT32 = 5, kCHAR = 6, kUNKNOWN = 8, kINT64 = 10 };
enum class DimensionOperation : std::int32_t { kSUM = 0, kSUB = 4 };
enum class APILanguage : std::int32_t { kCPP = 0 };

struct Dims {
  static constexpr std::int32_t MAX_DIMS = 8;
  std::int32_t nbDims;
  std::int64_t d[MAX_DIMS];
};

struct PluginField {
  AsciiChar const* name = nullptr;
  void const* data = nullptr;
  PluginFieldType type = PluginFieldType::kUNKNOWN;
  std::int32_t length = 0;
};

struct PluginFieldCollection {
  std::int32_t nbFields = 0;
  PluginField const* fields = nullptr;
};

struct PluginTensorDesc {
  Dims dims;
  DataType type;
  TensorFormat format;
  float scale;
};

struct DynamicPluginTensorDesc {
  PluginTensorDesc desc;
  Dims min;
  Dims max;
  Dims opt;
};

struct InterfaceInfo {
  char const* kind;
  std::int32_t major;
  std::int32_t minor;
};

class IVersionedInterface {
 public:
  virtual APILanguage getAPILanguage() const noexcept { return APILanguage::kCPP; }
  virtual InterfaceInfo getInterfaceInfo() const noexcept = 0;
  virtual ~IVersionedInterface() noexcept = default;
};

/// TensorRT's own objects behind symbolic extents: an owner whose second word points to these.
class IDimensionExpr;
namespace apiv {
class VExprBuilder {
 public:
  virtual ~VExprBuilder() noexcept = default;
  virtual IDimensionExpr const* constant(std::int64_t value) = 0;
  virtual IDimensionExpr const* operation(DimensionOperation op, IDimensionExpr const& first,
                                          IDimensionExpr const& second) = 0;
};
}  // namespace apiv

class IExprBuilder {
 public:
  virtual ~IExprBuilder() noexcept = default;
  IDimensionExpr const* constant(std::int64_t value) { return mImpl->constant(value); }
  IDimensionExpr const* operation(DimensionOperation op, IDimensionExpr const& first,
                                  IDimensionExpr const& second) {
    return mImpl->operation(op, first, second);
  }

 protected:
  apiv::VExprBuilder* mImpl = nullptr;
};

struct DimsExprs {
  std::int32_t nbDims;
  IDimensionExpr const* d[Dims::MAX_DIMS];
};

/// Called through a raw slot (foreign.h).
class IPluginResourceContext;

inline namespace v_1_0 {

class IPluginCapability : public IVersionedInterface {};
class IPluginCreatorInterface : public IVersionedInterface {};

class IPluginV3 : public IVersionedInterface {
 public:
  InterfaceInfo getInterfaceInfo() const noexcept override { return {"PLUGIN", 1, 0}; }
  virtual IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept = 0;
  virtual IPluginV3* clone() noexcept = 0;
};

class IPluginV3OneCore : public IPluginCapability {
 public:
  InterfaceInfo getInterfaceInfo() const noexcept override { return {"PLUGIN_V3ONE_CORE", 1, 0}; }
  virtual AsciiChar const* getPluginName() const noexcept = 0;
  virtual AsciiChar const* getPluginVersion() const noexcept = 0;
  virtual AsciiChar const* getPluginNamespace() const noexcept = 0;
};

class IPluginV3OneBuild : public IPluginCapability {
 public:
  InterfaceInfo getInterfaceInfo() const noexcept override { return {"PLUGIN_V3ONE_BUILD", 1, 0}; }
  virtual std::int32_t configurePlugin(DynamicPluginTensorDesc const* in, std::int32_t inputs,
                                       DynamicPluginTensorDesc const* out,
                                       std::int32_t outputs) noexcept = 0;
  virtual std::int32_t getOutputDataTypes(DataType* output_types, std::int32_t outputs,
                                          DataType const* input_types,
                                          std::int32_t inputs) const noexcept = 0;
  virtual std::int32_t getOutputShapes(DimsExprs const* in, std::int32_t inputs,
                                       DimsExprs const* shape_in, std::int32_t shape_inputs,
                                       DimsExprs* out, std::int32_t outputs,
                                       IExprBuilder& builder) noexcept = 0;
  virtual bool supportsFormatCombination(std::int32_t position, DynamicPluginTensorDesc const* all,
                                         std::int32_t inputs, std::int32_t outputs) noexcept = 0;
  virtual std::int32_t getNbOutputs() const noexcept = 0;
  virtual std::size_t getWorkspaceSize(DynamicPluginTensorDesc const*, std::int32_t,
                                       DynamicPluginTensorDesc const*,
                                       std::int32_t) const noexcept {
    return 0;
  }
  virtual std::int32_t getValidTactics(std::int32_t*, std::int32_t) noexcept { return 0; }
  virtual std::int32_t getNbTactics() noexcept { return 0; }
  virtual char const* getTimingCacheID() noexcept { return nullptr; }
  virtual std::int32_t getFormatCombinationLimit() noexcept { return 100; }
  virtual char const* getMetadataString() noexcept { return nullptr; }
};

class IPluginV3OneRuntime : public IPluginCapability {
 public:
  InterfaceInfo getInterfaceInfo() const noexcept override {
    return {"PLUGIN_V3ONE_RUNTIME", 1, 0};
  }
  virtual std::int32_t setTactic(std::int32_t) noexcept { return 0; }
  virtual std::int32_t onShapeChange(PluginTensorDesc const* in, std::int32_t inputs,
                                     PluginTensorDesc const* out,
                                     std::int32_t outputs) noexcept = 0;
  virtual std::int32_t enqueue(PluginTensorDesc const* in, PluginTensorDesc const* out,
                               void const* const* inputs, void* const* outputs, void* workspace,
                               cudaStream_t stream) noexcept = 0;
  virtual IPluginV3* attachToContext(IPluginResourceContext* context) noexcept = 0;
  virtual PluginFieldCollection const* getFieldsToSerialize() noexcept = 0;
};

class IPluginCreatorV3One : public IPluginCreatorInterface {
 public:
  InterfaceInfo getInterfaceInfo() const noexcept override {
    return {"PLUGIN CREATOR_V3ONE", 1, 0};
  }
  virtual IPluginV3* createPlugin(AsciiChar const* name, PluginFieldCollection const* fields,
                                  TensorRTPhase phase) noexcept = 0;
  virtual PluginFieldCollection const* getFieldNames() noexcept = 0;
  virtual AsciiChar const* getPluginName() const noexcept = 0;
  virtual AsciiChar const* getPluginVersion() const noexcept = 0;
  virtual AsciiChar const* getPluginNamespace() const noexcept = 0;
};

}  // namespace v_1_0
}  // namespace nvinfer1

#endif  // HPS_OFFICIAL_TENSORRT_HEADERS

namespace hps::tensorrt {

// The same sizes hold with either set of declarations, for every release from 10.0 on.
static_assert(sizeof(nvinfer1::Dims) == 72);
static_assert(sizeof(nvinfer1::DimsExprs) == 72);
static_assert(sizeof(nvinfer1::PluginField) == 24);
static_assert(sizeof(nvinfer1::PluginFieldCollection) == 16);
static_assert(sizeof(nvinfer1::PluginTensorDesc) == 88);
static_assert(sizeof(nvinfer1::DynamicPluginTensorDesc) == 304);
static_assert(sizeof(nvinfer1::InterfaceInfo) == 16);
static_assert(sizeof(nvinfer1::IPluginV3) == 8);
static_assert(sizeof(nvinfer1::IPluginV3OneCore) == 8);
static_assert(sizeof(nvinfer1::IPluginV3OneBuild) == 8);
static_assert(sizeof(nvinfer1::IPluginV3OneRuntime) == 8);
static_assert(sizeof(nvinfer1::IPluginCreatorV3One) == 8);
static_assert(sizeof(nvinfer1::IExprBuilder) == 16);

static_assert(static_cast<int>(nvinfer1::DataType::kFLOAT) == 0);
static_assert(static_cast<int>(nvinfer1::DataType::kHALF) == 1);
static_assert(static_cast<int>(nvinfer1::DataType::kINT32) == 3);
static_assert(static_cast<int>(nvinfer1::DataType::kBF16) == 7);
static_assert(static_cast<int>(nvinfer1::DataType::kINT64) == 8);
static_assert(static_cast<int>(nvinfer1::TensorFormat::kLINEAR) == 0);
static_assert(static_cast<int>(nvinfer1::TensorRTPhase::kRUNTIME) == 1);
static_assert(static_cast<int>(nvinfer1::PluginFieldType::kINT32) == 5);
static_assert(static_cast<int>(nvinfer1::PluginFieldType::kCHAR) == 6);
static_assert(static_cast<int>(nvinfer1::PluginFieldType::kINT64) == 10);
static_assert(static_cast<int>(nvinfer1::DimensionOperation::kSUB) == 4);

}  // namespace hps::tensorrt
