#include "base/data_type.h"

#include "base/error.h"

namespace hps {
namespace {

struct Entry {
  DataType type;
  std::string_view name;
  std::size_t size;
};
constexpr Entry kTypes[] = {
    {DataType::kFloat32, "fp32", 4},  {DataType::kFloat16, "fp16", 2},
    {DataType::kBFloat16, "bf16", 2}, {DataType::kInt8, "int8", 1},
    {DataType::kInt32, "int32", 4},   {DataType::kInt64, "int64", 8},
};

}  // namespace

std::size_t element_size(DataType type) {
  for (const Entry& entry : kTypes) {
    if (entry.type == type) return entry.size;
  }
  fail(ErrorCode::kInvalidArgument, "element type ", static_cast<int>(type), " is not known");
}

std::string_view name_of(DataType type) noexcept {
  for (const Entry& entry : kTypes) {
    if (entry.type == type) return entry.name;
  }
  return "unknown";
}

std::optional<DataType> data_type_from_name(std::string_view name) noexcept {
  for (const Entry& entry : kTypes) {
    if (entry.name == name) return entry.type;
  }
  return std::nullopt;
}

}  // namespace hps
