#include "tensorrt/creator.h"

#include <cstdlib>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "tensorrt/fields.h"
#include "tensorrt/plugin.h"
#include "tensorrt/report.h"

namespace hps::tensorrt {
namespace {

bool opens_lazily() {
  const char* value = std::getenv("HPS_TRT_LOAD");
  const std::string_view mode = value != nullptr ? value : "";
  if (mode.empty() || mode == "eager") return false;
  if (mode == "lazy") return true;
  fail(ErrorCode::kInvalidArgument, "HPS_TRT_LOAD is '", mode, "'; it may be eager or lazy");
}

}  // namespace

nvinfer1::IPluginV3* Creator::createPlugin(const nvinfer1::AsciiChar*,
                                           const nvinfer1::PluginFieldCollection* fields,
                                           nvinfer1::TensorRTPhase phase) noexcept {
  nvinfer1::IPluginV3* made = nullptr;
  guarded([&] {
    NodeSpec spec = NodeSpec::parse(version_, read_fields(version_, fields));
    auto state = std::make_shared<PluginState>(std::move(spec), phase);
    if (phase == nvinfer1::TensorRTPhase::kRUNTIME && !opens_lazily()) state->open();
    made = std::make_unique<Plugin>(std::move(state)).release();
  });
  return made;
}

const nvinfer1::PluginFieldCollection* Creator::getFieldNames() noexcept {
  const nvinfer1::PluginFieldCollection* names = nullptr;
  guarded([&] { names = field_names(version_); });
  return names;
}

const nvinfer1::AsciiChar* Creator::getPluginName() const noexcept { return kPluginName; }
const nvinfer1::AsciiChar* Creator::getPluginVersion() const noexcept {
  return plugin_version(version_);
}
const nvinfer1::AsciiChar* Creator::getPluginNamespace() const noexcept { return kPluginNamespace; }

}  // namespace hps::tensorrt
