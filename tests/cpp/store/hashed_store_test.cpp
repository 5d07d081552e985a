#include "store/fake_table.h"
#include "store/stores.h"
#include "store_conformance.h"

namespace hps::testing_support {
namespace {

const StoreCase kHashed{"hashed", false, false, [](const RowShape& shape, const Rows& rows) {
                          return make_hashed_store(hashed_table(shape, rows));
                        }};

INSTANTIATE_TEST_SUITE_P(Hashed, StoreConformance,
                         testing::Combine(testing::Values(kHashed),
                                          testing::ValuesIn(all_row_shapes())),
                         case_name);

TEST(HashedStore, WantsAnIndex) {
  const RowShape shape{4, DataType::kFloat32};
  EXPECT_THROW(make_hashed_store(nullptr), Error);
  EXPECT_THROW(make_hashed_store(dense_table(shape, {})), Error);
}

}  // namespace
}  // namespace hps::testing_support
