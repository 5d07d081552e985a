// The creators of HPS_TRT "1" and "2". Layer: lookup <- tensorrt.
#pragma once

#include "tensorrt/abi.h"

namespace hps::tensorrt {

class Creator final : public nvinfer1::IPluginCreatorV3One {
 public:
  /// `version`: 1 or 2.
  explicit Creator(int version) noexcept : version_(version) {}

  /// Building: checks the attributes. Running: opens the node's tables too, unless HPS_TRT_LOAD is
  /// `lazy` (then at the first enqueue). Null after a failure, which was reported.
  nvinfer1::IPluginV3* createPlugin(const nvinfer1::AsciiChar* name,
                                    const nvinfer1::PluginFieldCollection* fields,
                                    nvinfer1::TensorRTPhase phase) noexcept override;
  const nvinfer1::PluginFieldCollection* getFieldNames() noexcept override;
  const nvinfer1::AsciiChar* getPluginName() const noexcept override;
  const nvinfer1::AsciiChar* getPluginVersion() const noexcept override;
  const nvinfer1::AsciiChar* getPluginNamespace() const noexcept override;

 private:
  int version_;
};

}  // namespace hps::tensorrt
