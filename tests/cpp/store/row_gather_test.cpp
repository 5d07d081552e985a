#include "store/row_gather.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "store_model.h"

namespace hps::testing_support {
namespace {

using Copies = RowGather::Copies;

constexpr std::uint64_t kRows = 70;

class RowGatherTest : public testing::TestWithParam<std::tuple<Copies, std::uint32_t>> {};

std::vector<std::byte> table_bytes(std::size_t pitch) {
  Row bytes;
  for (Key key = 0; key < static_cast<Key>(kRows); ++key) {
    const Row row = row_of(key, 0, {static_cast<std::uint32_t>(pitch), DataType::kInt8});
    bytes.insert(bytes.end(), row.begin(), row.begin() + static_cast<std::ptrdiff_t>(pitch));
  }
  return bytes;
}

// Every kernel, aligned and not, streamed and not, against a plain loop.
TEST_P(RowGatherTest, CopiesTheRowsAskedFor) {
  const auto [copies, pitch] = GetParam();
  const RowShape shape{pitch / 2, DataType::kFloat16};
  const std::vector<std::byte> table = table_bytes(pitch);
  const RowGather gather(table, {}, kRows, shape, copies);
  std::mt19937_64 random(pitch);
  for (const std::size_t shift : {0u, 1u, 64u}) {
    for (const std::uint32_t stride : {pitch, (pitch + 63) / 64 * 64, pitch + 7}) {
      for (const bool stream : {false, true}) {
        for (const std::size_t count : {0u, 1u, 5u, 40u, 300u}) {
          std::vector<std::uint64_t> at(count);
          for (std::uint64_t& row : at) {
            row = random() % 5 == 0 ? RowGather::kNone : random() % kRows;
          }
          std::vector<std::byte> bytes(count * stride + shift + 128, kGuard);
          std::vector<std::byte> expected = bytes;
          const auto start = reinterpret_cast<std::uintptr_t>(bytes.data());
          const std::size_t first = (64 - start % 64) % 64 + shift;
          std::size_t none = 0;
          for (std::size_t i = 0; i < count; ++i) {
            if (at[i] == RowGather::kNone) {
              ++none;
            } else {
              std::memcpy(expected.data() + first + i * stride, table.data() + at[i] * pitch,
                          pitch);
            }
          }
          EXPECT_EQ(gather.gather(at.data(), count, {bytes.data() + first, stride}, stream), none);
          EXPECT_TRUE(bytes == expected) << count << " rows, stride " << stride;
        }
      }
    }
  }
}

std::vector<Copies> copies_here() {
  std::vector<Copies> all;
  for (const Copies copies : {Copies::kPortable, Copies::kAvx2, Copies::kAvx512}) {
    if (copies <= RowGather::best_copies()) all.push_back(copies);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Kernels, RowGatherTest,
                         testing::Combine(testing::ValuesIn(copies_here()),
                                          testing::Values(2, 6, 62, 64, 66, 128, 256, 512, 1024,
                                                          2048)));

TEST(RowGather, RefusesTablesThatAreTooShort) {
  const std::vector<std::byte> bytes(40);
  const std::vector<float> scales(4);
  EXPECT_NO_THROW(RowGather(bytes, {}, 10, RowShape{1, DataType::kFloat32}));
  EXPECT_THROW(RowGather(bytes, {}, 11, RowShape{1, DataType::kFloat32}), Error);
  EXPECT_THROW(RowGather(bytes, {}, ~std::uint64_t{0}, RowShape{3, DataType::kFloat32}), Error);
  EXPECT_THROW(RowGather(bytes, {}, 1, RowShape{0, DataType::kFloat32}), Error);
  EXPECT_NO_THROW(RowGather(bytes, scales, 4, RowShape{10, DataType::kInt8}));
  EXPECT_THROW(RowGather(bytes, scales, 5, RowShape{8, DataType::kInt8}), Error);
}

TEST(RowGather, ListsWhatIsMissing) {
  const std::vector<std::uint64_t> at = {RowGather::kNone, 3, RowGather::kNone};
  Missing missing = {1};
  append_missing(at.data(), at.size(), 10, missing);
  EXPECT_EQ(missing, (Missing{1, 10, 12}));
}

}  // namespace
}  // namespace hps::testing_support
