#include "tensorrt/tensors.h"

#include <limits>

#include "base/error.h"

namespace hps::tensorrt {
namespace {

using nvinfer1::Dims;
using nvinfer1::DimsExprs;
using nvinfer1::IDimensionExpr;
using nvinfer1::PluginTensorDesc;
using Type = nvinfer1::DataType;

/// "input 3" or "output 0", for messages.
std::string position_name(const NodeSpec& spec, std::size_t position) {
  const bool is_input = position < spec.inputs();
  return (is_input ? "input " : "output ") +
         std::to_string(is_input ? position : position - spec.inputs());
}

std::int32_t checked_rank(std::int32_t rank, std::size_t input) {
  if (rank < 0 || rank > Dims::MAX_DIMS) {
    fail(ErrorCode::kInvalidArgument, "input ", input, " has no shape (rank ", rank, ")");
  }
  return rank;
}

std::vector<DimSource> extents_of(const NodeSpec& spec, std::size_t output,
                                  std::span<const std::int32_t> ranks) {
  std::vector<DimSource> extents = spec.output_shape(output, ranks);
  if (extents.size() > static_cast<std::size_t>(Dims::MAX_DIMS)) {
    fail(ErrorCode::kInvalidArgument, "output ", output, " would have rank ", extents.size(),
         "; TensorRT knows at most ", static_cast<std::int32_t>(Dims::MAX_DIMS));
  }
  return extents;
}

const IDimensionExpr* expression(const DimSource& extent, std::span<const DimsExprs> inputs,
                                 nvinfer1::IExprBuilder& builder) {
  const IDimensionExpr* made = nullptr;
  if (extent.input < 0) {
    made = builder.constant(extent.constant);
  } else {
    made = inputs[static_cast<std::size_t>(extent.input)].d[extent.axis];
    if (made != nullptr && extent.addend != 0) {
      // Negative constants are avoided: the subtraction is what TensorRT's own extents use.
      const bool less = extent.addend < 0;
      const IDimensionExpr* by = builder.constant(less ? -extent.addend : extent.addend);
      if (by == nullptr) fail(ErrorCode::kInternal, "TensorRT made no expression for a constant");
      made = builder.operation(
          less ? nvinfer1::DimensionOperation::kSUB : nvinfer1::DimensionOperation::kSUM, *made,
          *by);
    }
  }
  if (made == nullptr) fail(ErrorCode::kInternal, "TensorRT made no expression for an extent");
  return made;
}

}  // namespace

Type to_tensorrt(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return Type::kFLOAT;
    case DataType::kFloat16:
      return Type::kHALF;
    case DataType::kBFloat16:
      return Type::kBF16;
    case DataType::kInt32:
      return Type::kINT32;
    case DataType::kInt64:
      return Type::kINT64;
    case DataType::kInt8:
      break;
  }
  fail(ErrorCode::kInternal, "no tensor of a node has the type ", hps::name_of(type));
}

Type output_type(const NodeSpec& spec, std::size_t output) {
  return output < spec.output_types.size() ? to_tensorrt(spec.output_types[output]) : Type::kINT32;
}

bool accepts_type(const NodeSpec& spec, std::size_t position, Type type) {
  const bool is_input = position < spec.inputs();
  if (spec.version != 1) {
    return type == (is_input ? to_tensorrt(spec.input_types[position])
                             : output_type(spec, position - spec.inputs()));
  }
  if (is_input) return type == Type::kINT32 || type == Type::kINT64;
  return type == Type::kFLOAT || type == Type::kHALF || type == Type::kBF16;
}

void check_counts(const NodeSpec& spec, std::int32_t inputs, std::int32_t outputs) {
  if (inputs < 0 || outputs < 0 || static_cast<std::size_t>(inputs) != spec.inputs() ||
      static_cast<std::size_t>(outputs) != spec.outputs()) {
    fail(ErrorCode::kInvalidArgument, "the node has ", inputs, " inputs and ", outputs,
         " outputs, its attributes describe ", spec.inputs(), " and ", spec.outputs());
  }
}

void check_types(const NodeSpec& spec, std::span<const PluginTensorDesc* const> tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!accepts_type(spec, i, tensors[i]->type)) {
      fail(ErrorCode::kInvalidArgument, position_name(spec, i), " has TensorRT type ",
           static_cast<std::int32_t>(tensors[i]->type), ", which the node's attributes exclude");
    }
    if (tensors[i]->format != nvinfer1::TensorFormat::kLINEAR) {
      fail(ErrorCode::kInvalidArgument, position_name(spec, i), " is not in linear format");
    }
  }
}

void symbolic_shapes(const NodeSpec& spec, std::span<const DimsExprs> inputs,
                     std::span<DimsExprs> outputs, nvinfer1::IExprBuilder& builder) {
  std::vector<std::int32_t> ranks;
  for (const DimsExprs& input : inputs) ranks.push_back(checked_rank(input.nbDims, ranks.size()));
  for (std::size_t output = 0; output < outputs.size(); ++output) {
    const std::vector<DimSource> extents = extents_of(spec, output, ranks);
    outputs[output].nbDims = static_cast<std::int32_t>(extents.size());
    for (std::size_t axis = 0; axis < extents.size(); ++axis) {
      outputs[output].d[axis] = expression(extents[axis], inputs, builder);
    }
  }
}

void check_shapes(const NodeSpec& spec, std::span<const PluginTensorDesc> inputs,
                  std::span<const PluginTensorDesc> outputs) {
  std::vector<std::int32_t> ranks;
  for (const PluginTensorDesc& input : inputs) {
    ranks.push_back(checked_rank(input.dims.nbDims, ranks.size()));
  }
  for (std::size_t output = 0; output < outputs.size(); ++output) {
    const std::vector<DimSource> extents = extents_of(spec, output, ranks);
    const Dims& found = outputs[output].dims;
    if (found.nbDims != static_cast<std::int32_t>(extents.size())) {
      fail(ErrorCode::kInvalidArgument, "output ", output, " has rank ", found.nbDims,
           " and must have ", extents.size());
    }
    for (std::size_t axis = 0; axis < extents.size(); ++axis) {
      const DimSource& extent = extents[axis];
      const std::int64_t expected =
          extent.input < 0
              ? extent.constant
              : inputs[static_cast<std::size_t>(extent.input)].dims.d[extent.axis] + extent.addend;
      if (found.d[axis] != expected) {
        fail(ErrorCode::kInvalidArgument, "axis ", axis, " of output ", output, " has extent ",
             found.d[axis], " and must have ", expected);
      }
    }
  }
}

std::size_t bytes_of(const PluginTensorDesc& tensor) {
  std::size_t bytes = 0;
  switch (tensor.type) {
    case Type::kFLOAT:
    case Type::kINT32:
      bytes = 4;
      break;
    case Type::kHALF:
    case Type::kBF16:
      bytes = 2;
      break;
    case Type::kINT64:
      bytes = 8;
      break;
    default:
      fail(ErrorCode::kInvalidArgument, "a tensor has TensorRT type ",
           static_cast<std::int32_t>(tensor.type), ", which no tensor of a node has");
  }
  if (tensor.dims.nbDims < 0 || tensor.dims.nbDims > Dims::MAX_DIMS) {
    fail(ErrorCode::kInvalidArgument, "a tensor has rank ", tensor.dims.nbDims);
  }
  for (std::int32_t axis = 0; axis < tensor.dims.nbDims; ++axis) {
    const std::int64_t extent = tensor.dims.d[axis];
    if (extent < 0 || (extent > 0 && bytes > std::numeric_limits<std::size_t>::max() /
                                                 static_cast<std::size_t>(extent))) {
      fail(ErrorCode::kInvalidArgument, "a tensor has extent ", extent, " on axis ", axis);
    }
    bytes *= static_cast<std::size_t>(extent);
  }
  return bytes;
}

}  // namespace hps::tensorrt
