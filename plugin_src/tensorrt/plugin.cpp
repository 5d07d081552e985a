#include "tensorrt/plugin.h"

#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cuda/zero_fill.h"
#include "tensorrt/report.h"
#include "tensorrt/tensors.h"

namespace hps::tensorrt {
namespace {

constexpr std::int32_t kFailedExecution = 7;  // nvinfer1::ErrorCode::kFAILED_EXECUTION

template <class Item>
std::span<Item> span_of(Item* items, std::int32_t count) {
  if (count > 0 && items == nullptr) {
    fail(ErrorCode::kInvalidArgument, "TensorRT gave no descriptions of ", count, " tensors");
  }
  return {items, static_cast<std::size_t>(count)};
}

std::vector<const nvinfer1::PluginTensorDesc*> descriptions(
    std::span<const nvinfer1::DynamicPluginTensorDesc> in,
    std::span<const nvinfer1::DynamicPluginTensorDesc> out) {
  std::vector<const nvinfer1::PluginTensorDesc*> all;
  for (const auto& tensor : in) all.push_back(&tensor.desc);
  for (const auto& tensor : out) all.push_back(&tensor.desc);
  return all;
}

}  // namespace

const char* plugin_version(int version) noexcept { return version == 1 ? "1" : "2"; }

PluginState::PluginState(NodeSpec spec, nvinfer1::TensorRTPhase phase)
    : spec_(std::move(spec)), phase_(phase), fields_(spec_.to_attributes()) {}

const Node& PluginState::open() {
  const std::lock_guard lock(mutex_);
  if (node_ == nullptr) node_ = std::make_unique<Node>(spec_);
  return *node_;
}

Plugin::Plugin(std::shared_ptr<PluginState> state, void* recorder) noexcept
    : state_(std::move(state)), recorder_(recorder) {
  if (recorder_ != nullptr) retain_recorder(recorder_);
}

Plugin::~Plugin() noexcept {
  if (recorder_ != nullptr) release_recorder(recorder_);
}

template <class Body>
std::int32_t Plugin::status_of(Body&& body) const noexcept {
  if (guarded(std::forward<Body>(body))) return 0;
  if (recorder_ != nullptr) report_error(recorder_, kFailedExecution, last_error());
  return -1;
}

nvinfer1::IPluginCapability* Plugin::getCapabilityInterface(
    nvinfer1::PluginCapabilityType type) noexcept {
  switch (type) {
    case nvinfer1::PluginCapabilityType::kCORE:
      return static_cast<nvinfer1::IPluginV3OneCore*>(this);
    case nvinfer1::PluginCapabilityType::kBUILD:
      return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
    case nvinfer1::PluginCapabilityType::kRUNTIME:
      return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
  }
  return nullptr;
}

nvinfer1::IPluginV3* Plugin::clone() noexcept {
  nvinfer1::IPluginV3* made = nullptr;
  guarded([&] { made = std::make_unique<Plugin>(state_, recorder_).release(); });
  return made;
}

const nvinfer1::AsciiChar* Plugin::getPluginName() const noexcept { return kPluginName; }
const nvinfer1::AsciiChar* Plugin::getPluginVersion() const noexcept {
  return plugin_version(state_->spec().version);
}
const nvinfer1::AsciiChar* Plugin::getPluginNamespace() const noexcept { return kPluginNamespace; }

std::int32_t Plugin::configurePlugin(const nvinfer1::DynamicPluginTensorDesc* in,
                                     std::int32_t inputs,
                                     const nvinfer1::DynamicPluginTensorDesc* out,
                                     std::int32_t outputs) noexcept {
  return status_of([&] {
    check_counts(state_->spec(), inputs, outputs);
    check_types(state_->spec(), descriptions(span_of(in, inputs), span_of(out, outputs)));
  });
}

std::int32_t Plugin::getOutputDataTypes(nvinfer1::DataType* output_types, std::int32_t outputs,
                                        const nvinfer1::DataType*,
                                        std::int32_t inputs) const noexcept {
  // The inputs' types are not judged here: in a weakly typed network they are still TensorRT's to
  // choose, from those that supportsFormatCombination accepts.
  return status_of([&] {
    check_counts(state_->spec(), inputs, outputs);
    const std::span<nvinfer1::DataType> types = span_of(output_types, outputs);
    for (std::size_t i = 0; i < types.size(); ++i) types[i] = output_type(state_->spec(), i);
  });
}

std::int32_t Plugin::getOutputShapes(const nvinfer1::DimsExprs* in, std::int32_t inputs,
                                     const nvinfer1::DimsExprs*, std::int32_t,
                                     nvinfer1::DimsExprs* out, std::int32_t outputs,
                                     nvinfer1::IExprBuilder& builder) noexcept {
  return status_of([&] {
    check_counts(state_->spec(), inputs, outputs);
    symbolic_shapes(state_->spec(), span_of(in, inputs), span_of(out, outputs), builder);
  });
}

bool Plugin::supportsFormatCombination(std::int32_t position,
                                       const nvinfer1::DynamicPluginTensorDesc* all,
                                       std::int32_t inputs, std::int32_t outputs) noexcept {
  bool accepted = false;
  guarded([&] {
    check_counts(state_->spec(), inputs, outputs);
    const auto tensors = span_of(all, inputs + outputs);
    if (position < 0 || static_cast<std::size_t>(position) >= tensors.size()) {
      fail(ErrorCode::kInvalidArgument, "there is no tensor ", position, " of ", tensors.size());
    }
    const auto at = static_cast<std::size_t>(position);
    accepted = tensors[at].desc.format == nvinfer1::TensorFormat::kLINEAR &&
               accepts_type(state_->spec(), at, tensors[at].desc.type);
  });
  return accepted;
}

std::int32_t Plugin::getNbOutputs() const noexcept {
  return static_cast<std::int32_t>(state_->spec().outputs());
}

std::int32_t Plugin::onShapeChange(const nvinfer1::PluginTensorDesc* in, std::int32_t inputs,
                                   const nvinfer1::PluginTensorDesc* out,
                                   std::int32_t outputs) noexcept {
  return status_of([&] {
    check_counts(state_->spec(), inputs, outputs);
    check_shapes(state_->spec(), span_of(in, inputs), span_of(out, outputs));
    // Here and not in enqueue, which may run inside a stream capture.
    if (state_->phase() == nvinfer1::TensorRTPhase::kBUILD) cuda::prepare_zero_fill();
  });
}

void Plugin::zero_outputs(const nvinfer1::PluginTensorDesc* out, void* const* outputs,
                          cudaStream_t stream) const {
  const auto count = static_cast<std::int32_t>(state_->spec().outputs());
  const auto tensors = span_of(out, count);
  const auto addresses = span_of(outputs, count);
  std::vector<cuda::Region> regions(tensors.size());
  for (std::size_t i = 0; i < regions.size(); ++i) {
    regions[i] = {addresses[i], bytes_of(tensors[i])};
    if (regions[i].data == nullptr && regions[i].bytes > 0) {
      fail(ErrorCode::kInvalidArgument, "output ", i, " has ", regions[i].bytes,
           " bytes and no memory");
    }
  }
  cuda::zero_fill_async(regions, stream);
}

std::int32_t Plugin::enqueue(const nvinfer1::PluginTensorDesc*,
                             const nvinfer1::PluginTensorDesc* out, const void* const*,
                             void* const* outputs, void*, cudaStream_t stream) noexcept {
  return status_of([&] {
    if (state_->phase() == nvinfer1::TensorRTPhase::kBUILD) {
      zero_outputs(out, outputs, stream);
      return;
    }
    const Node& node = state_->open();
    fail(ErrorCode::kUnsupported, "the lookup on the GPU is not in this build, so model '",
         node.spec().model, "' cannot run in TensorRT; run its bundle in ONNX Runtime");
  });
}

nvinfer1::IPluginV3* Plugin::attachToContext(nvinfer1::IPluginResourceContext* context) noexcept {
  nvinfer1::IPluginV3* made = nullptr;
  guarded([&] {
    void* recorder = context != nullptr ? error_recorder_of(context) : nullptr;
    made = std::make_unique<Plugin>(state_, recorder).release();
  });
  return made;
}

const nvinfer1::PluginFieldCollection* Plugin::getFieldsToSerialize() noexcept {
  return state_->fields().collection();
}

}  // namespace hps::tensorrt
