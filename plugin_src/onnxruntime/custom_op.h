// The tables of functions that describe HPS_TRT to ONNX Runtime.
#pragma once

#include "onnxruntime/ort_api.h"

namespace hps::ort {

/// For the domain `hps_trt`: any number of inputs and outputs of any type, versions "1" and "2".
/// The graph says the outputs' types (value_info).
/// For the default domain: version "1" alone, one input of any type and one fp32 output, so that
/// HPS's own graphs need no value_info.
/// Both live as long as the process: sessions keep pointers to them. `api` may differ between calls
/// only where two ONNX Runtimes share the process, and each then gets ops of its own.
struct CustomOps {
  const OrtCustomOp* any_version;
  const OrtCustomOp* version_1;
};
CustomOps make_custom_ops(const Api& api);

}  // namespace hps::ort
