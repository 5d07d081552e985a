// The plugin HPS_TRT: one node of a network or engine. Layer: lookup, cuda <- tensorrt.
#pragma once

#include <memory>
#include <mutex>

#include "lookup/node.h"
#include "lookup/node_spec.h"
#include "tensorrt/abi.h"
#include "tensorrt/fields.h"

namespace hps::tensorrt {

constexpr const char* kPluginName = "HPS_TRT";
constexpr const char* kPluginNamespace = "";
/// "1" or "2".
const char* plugin_version(int version) noexcept;

/// What all clones of a plugin share: the node, its phase and, at run time, its tables, which stay
/// open while a clone lives. Thread-safe.
class PluginState {
 public:
  PluginState(NodeSpec spec, nvinfer1::TensorRTPhase phase);

  const NodeSpec& spec() const noexcept { return spec_; }
  nvinfer1::TensorRTPhase phase() const noexcept { return phase_; }
  const Fields& fields() const noexcept { return fields_; }

  /// Opens the node's tables unless they are open. @throws what Node throws; the next call tries
  /// again.
  const Node& open();

 private:
  NodeSpec spec_;
  nvinfer1::TensorRTPhase phase_;
  Fields fields_;
  std::mutex mutex_;
  std::unique_ptr<Node> node_;
};

/// Created for a phase, which clones keep. Building: no table is opened, and enqueue zeroes the
/// outputs, so that TensorRT can time and capture it. Running: the tables were opened before the
/// first enqueue at the latest.
class Plugin final : public nvinfer1::IPluginV3,
                     public nvinfer1::IPluginV3OneCore,
                     public nvinfer1::IPluginV3OneBuild,
                     public nvinfer1::IPluginV3OneRuntime {
 public:
  /// `recorder` is the context's error recorder or null; retained.
  explicit Plugin(std::shared_ptr<PluginState> state, void* recorder = nullptr) noexcept;
  ~Plugin() noexcept override;
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  nvinfer1::IPluginCapability* getCapabilityInterface(
      nvinfer1::PluginCapabilityType type) noexcept override;
  nvinfer1::IPluginV3* clone() noexcept override;

  const nvinfer1::AsciiChar* getPluginName() const noexcept override;
  const nvinfer1::AsciiChar* getPluginVersion() const noexcept override;
  const nvinfer1::AsciiChar* getPluginNamespace() const noexcept override;

  std::int32_t configurePlugin(const nvinfer1::DynamicPluginTensorDesc* in, std::int32_t inputs,
                               const nvinfer1::DynamicPluginTensorDesc* out,
                               std::int32_t outputs) noexcept override;
  std::int32_t getOutputDataTypes(nvinfer1::DataType* output_types, std::int32_t outputs,
                                  const nvinfer1::DataType* input_types,
                                  std::int32_t inputs) const noexcept override;
  std::int32_t getOutputShapes(const nvinfer1::DimsExprs* in, std::int32_t inputs,
                               const nvinfer1::DimsExprs* shape_in, std::int32_t shape_inputs,
                               nvinfer1::DimsExprs* out, std::int32_t outputs,
                               nvinfer1::IExprBuilder& builder) noexcept override;
  bool supportsFormatCombination(std::int32_t position,
                                 const nvinfer1::DynamicPluginTensorDesc* all, std::int32_t inputs,
                                 std::int32_t outputs) noexcept override;
  std::int32_t getNbOutputs() const noexcept override;

  std::int32_t onShapeChange(const nvinfer1::PluginTensorDesc* in, std::int32_t inputs,
                             const nvinfer1::PluginTensorDesc* out,
                             std::int32_t outputs) noexcept override;
  std::int32_t enqueue(const nvinfer1::PluginTensorDesc* in, const nvinfer1::PluginTensorDesc* out,
                       const void* const* inputs, void* const* outputs, void* workspace,
                       cudaStream_t stream) noexcept override;
  nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext* context) noexcept override;
  const nvinfer1::PluginFieldCollection* getFieldsToSerialize() noexcept override;

 private:
  /// Runs `body`; a failure is reported to the logger and the context's error recorder. 0 or -1.
  template <class Body>
  std::int32_t status_of(Body&& body) const noexcept;

  void zero_outputs(const nvinfer1::PluginTensorDesc* out, void* const* outputs,
                    cudaStream_t stream) const;

  std::shared_ptr<PluginState> state_;
  void* recorder_ = nullptr;
};

}  // namespace hps::tensorrt
