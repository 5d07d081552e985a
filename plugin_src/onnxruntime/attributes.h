// A node's attributes, read from ONNX Runtime.
#pragma once

#include "lookup/node_spec.h"
#include "onnxruntime/ort_api.h"

namespace hps::ort {

/// The version that the node's `plugin_version` says: 1 when it has none.
/// @throws Error(kUnsupported) for another one than "1" and "2".
int plugin_version(const Api& api, const OrtKernelInfo* info);

/// All attributes of `version` that the node has. One of the wrong kind looks absent here, because
/// the interface cannot tell; NodeSpec::parse then says which is missing.
Attributes read_attributes(const Api& api, const OrtKernelInfo* info, int version);

}  // namespace hps::ort
