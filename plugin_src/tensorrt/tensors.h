// Types and shapes of a node's tensors, in TensorRT's terms. Layer: lookup <- tensorrt.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "lookup/node_spec.h"
#include "tensorrt/abi.h"

namespace hps::tensorrt {

/// @throws Error(kInternal) for a type that no tensor of a node has.
nvinfer1::DataType to_tensorrt(DataType type);

/// The type of output `output` of a node, the unresolved output (int32) included.
nvinfer1::DataType output_type(const NodeSpec& spec, std::size_t output);

/// Whether the tensor at `position` (inputs first, then outputs) may have `type` when it is linear.
/// Version 2: exactly one type each. Version 1: int32 or int64 ids; fp32, fp16 or bf16 rows.
bool accepts_type(const NodeSpec& spec, std::size_t position, nvinfer1::DataType type);

/// @throws Error(kInvalidArgument) when the numbers of tensors are not the node's.
void check_counts(const NodeSpec& spec, std::int32_t inputs, std::int32_t outputs);

/// Types and linear format of all tensors. @throws Error(kInvalidArgument) naming the tensor.
void check_types(const NodeSpec& spec, std::span<const nvinfer1::PluginTensorDesc* const> tensors);

/// Writes the symbolic shapes of all outputs. @throws Error when TensorRT makes no expression.
void symbolic_shapes(const NodeSpec& spec, std::span<const nvinfer1::DimsExprs> inputs,
                     std::span<nvinfer1::DimsExprs> outputs, nvinfer1::IExprBuilder& builder);

/// Compares the outputs' extents with those that the inputs' extents give.
/// @throws Error(kInvalidArgument) naming the output, the axis and both extents.
void check_shapes(const NodeSpec& spec, std::span<const nvinfer1::PluginTensorDesc> inputs,
                  std::span<const nvinfer1::PluginTensorDesc> outputs);

/// Bytes of a linear tensor with known extents. @throws Error(kInvalidArgument) otherwise.
std::size_t bytes_of(const nvinfer1::PluginTensorDesc& tensor);

}  // namespace hps::tensorrt
