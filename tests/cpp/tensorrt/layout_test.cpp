// The declarations of abi.h against numbered slots: our plugin interface is compiled here into
// objects whose functions say which they are, and called as TensorRT calls them.
#include <gtest/gtest.h>

#include "tensorrt/abi.h"
#include "tensorrt/raw.h"

namespace {

using raw::call;

/// Every function returns its slot.
class Build final : public nvinfer1::IPluginV3OneBuild {
 public:
  std::int32_t configurePlugin(const nvinfer1::DynamicPluginTensorDesc*, std::int32_t,
                               const nvinfer1::DynamicPluginTensorDesc*,
                               std::int32_t) noexcept override {
    return 4;
  }
  std::int32_t getOutputDataTypes(nvinfer1::DataType*, std::int32_t, const nvinfer1::DataType*,
                                  std::int32_t) const noexcept override {
    return 5;
  }
  std::int32_t getOutputShapes(const nvinfer1::DimsExprs*, std::int32_t, const nvinfer1::DimsExprs*,
                               std::int32_t, nvinfer1::DimsExprs*, std::int32_t,
                               nvinfer1::IExprBuilder&) noexcept override {
    return 6;
  }
  bool supportsFormatCombination(std::int32_t, const nvinfer1::DynamicPluginTensorDesc*,
                                 std::int32_t, std::int32_t) noexcept override {
    return true;
  }
  std::int32_t getNbOutputs() const noexcept override { return 8; }
  std::size_t getWorkspaceSize(const nvinfer1::DynamicPluginTensorDesc*, std::int32_t,
                               const nvinfer1::DynamicPluginTensorDesc*,
                               std::int32_t) const noexcept override {
    return 9;
  }
  std::int32_t getValidTactics(std::int32_t*, std::int32_t) noexcept override { return 10; }
  std::int32_t getNbTactics() noexcept override { return 11; }
  const char* getTimingCacheID() noexcept override { return "12"; }
  std::int32_t getFormatCombinationLimit() noexcept override { return 13; }
  const char* getMetadataString() noexcept override { return "14"; }
};

TEST(Layout, BuildCapability) {
  Build build;
  EXPECT_EQ(raw::kind_of(&build), "PLUGIN_V3ONE_BUILD 1.0");
  for (std::size_t slot : {4, 5, 6, 8, 10, 11, 13}) {
    EXPECT_EQ(call<std::int32_t>(&build, slot), static_cast<std::int32_t>(slot));
  }
  EXPECT_TRUE(call<bool>(&build, 7));
  EXPECT_EQ(call<std::size_t>(&build, 9), 9U);
  EXPECT_STREQ(call<const char*>(&build, 12), "12");
  EXPECT_STREQ(call<const char*>(&build, 14), "14");
}

class Runtime final : public nvinfer1::IPluginV3OneRuntime {
 public:
  std::int32_t setTactic(std::int32_t) noexcept override { return 4; }
  std::int32_t onShapeChange(const nvinfer1::PluginTensorDesc*, std::int32_t,
                             const nvinfer1::PluginTensorDesc*, std::int32_t) noexcept override {
    return 5;
  }
  std::int32_t enqueue(const nvinfer1::PluginTensorDesc*, const nvinfer1::PluginTensorDesc*,
                       const void* const*, void* const*, void*, cudaStream_t) noexcept override {
    return 6;
  }
  nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext*) noexcept override {
    return reinterpret_cast<nvinfer1::IPluginV3*>(7);
  }
  const nvinfer1::PluginFieldCollection* getFieldsToSerialize() noexcept override {
    return reinterpret_cast<const nvinfer1::PluginFieldCollection*>(8);
  }
};

TEST(Layout, RuntimeCapability) {
  Runtime runtime;
  EXPECT_EQ(raw::kind_of(&runtime), "PLUGIN_V3ONE_RUNTIME 1.0");
  for (std::size_t slot : {4, 5, 6}) {
    EXPECT_EQ(call<std::int32_t>(&runtime, slot), static_cast<std::int32_t>(slot));
  }
  EXPECT_EQ(call<std::uintptr_t>(&runtime, 7), 7U);
  EXPECT_EQ(call<std::uintptr_t>(&runtime, 8), 8U);
}

TEST(Layout, Structures) {
  raw::DynamicTensor tensor{};
  tensor.desc.dims.rank = 3;
  tensor.desc.dims.d[7] = 1LL << 40;
  tensor.desc.type = raw::kInt64;
  tensor.desc.format = 5;
  tensor.max.d[1] = 9;
  tensor.opt.rank = 2;
  nvinfer1::DynamicPluginTensorDesc ours;
  std::memcpy(static_cast<void*>(&ours), &tensor, sizeof(ours));
  EXPECT_EQ(ours.desc.dims.nbDims, 3);
  EXPECT_EQ(ours.desc.dims.d[7], 1LL << 40);
  EXPECT_EQ(ours.desc.type, nvinfer1::DataType::kINT64);
  EXPECT_EQ(static_cast<std::int32_t>(ours.desc.format), 5);
  EXPECT_EQ(ours.max.d[1], 9);
  EXPECT_EQ(ours.opt.nbDims, 2);
}

TEST(Layout, ExpressionsAreMadeThroughTheSecondWord) {
  raw::ExprBuilder fake;
  auto* builder = static_cast<nvinfer1::IExprBuilder*>(fake.get());
  const auto* seven = builder->constant(7);
  EXPECT_EQ(raw::ExprBuilder::text(seven), "7");
  const auto* less = builder->operation(nvinfer1::DimensionOperation::kSUB, *seven, *seven);
  EXPECT_EQ(raw::ExprBuilder::text(less), "7-7");
}

}  // namespace
