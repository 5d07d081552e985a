#include "base/data_type.h"

#include <gtest/gtest.h>

#include "temp_folder.h"

namespace hps {
namespace {

struct Case {
  DataType type;
  int onnx;
  const char* name;
  std::size_t size;
  bool id, output, row;
};

class DataTypes : public ::testing::TestWithParam<Case> {};

TEST_P(DataTypes, HasItsOnnxValueNameSizeAndUses) {
  const Case& c = GetParam();
  EXPECT_EQ(static_cast<int>(c.type), c.onnx);
  EXPECT_EQ(element_size(c.type), c.size);
  EXPECT_EQ(name_of(c.type), c.name);
  EXPECT_EQ(data_type_from_name(c.name), c.type);
  EXPECT_EQ(is_id_type(c.type), c.id);
  EXPECT_EQ(is_output_type(c.type), c.output);
  EXPECT_EQ(is_row_type(c.type), c.row);
}

INSTANTIATE_TEST_SUITE_P(
    All, DataTypes,
    ::testing::Values(Case{DataType::kFloat32, 1, "fp32", 4, false, true, true},
                      Case{DataType::kInt8, 3, "int8", 1, false, false, true},
                      Case{DataType::kInt32, 6, "int32", 4, true, false, false},
                      Case{DataType::kInt64, 7, "int64", 8, true, false, false},
                      Case{DataType::kFloat16, 10, "fp16", 2, false, true, true},
                      Case{DataType::kBFloat16, 16, "bf16", 2, false, true, true}));

TEST(DataType, RefusesOtherValuesAndNames) {
  const auto other = static_cast<DataType>(2);
  test::expect_error(ErrorCode::kInvalidArgument, {"2"}, [&] { (void)element_size(other); });
  EXPECT_EQ(name_of(other), "unknown");
  for (const char* name : {"", "FP32", "fp", "fp322", "float"}) {
    EXPECT_FALSE(data_type_from_name(name)) << name;
  }
}

}  // namespace
}  // namespace hps
