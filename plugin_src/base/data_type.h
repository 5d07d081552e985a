// Element types of rows, ids and outputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hps {

/// The values are ONNX's TensorProto.DataType: they stand in node attributes and in the C API.
enum class DataType : std::int32_t {
  kFloat32 = 1,
  kInt8 = 3,  ///< rows only: int8 elements with one fp32 scale per row
  kInt32 = 6,
  kInt64 = 7,
  kFloat16 = 10,
  kBFloat16 = 16,
};

/// Bytes of one element. @throws Error(kInvalidArgument) for a value outside the enumeration.
std::size_t element_size(DataType type);

/// "fp32", "fp16", "bf16", "int8", "int32", "int64": the names used in hps.json and messages.
std::string_view name_of(DataType type) noexcept;
std::optional<DataType> data_type_from_name(std::string_view name) noexcept;

constexpr bool is_id_type(DataType type) noexcept {
  return type == DataType::kInt32 || type == DataType::kInt64;
}
constexpr bool is_output_type(DataType type) noexcept {
  return type == DataType::kFloat32 || type == DataType::kFloat16 || type == DataType::kBFloat16;
}
constexpr bool is_row_type(DataType type) noexcept {
  return is_output_type(type) || type == DataType::kInt8;
}

}  // namespace hps
