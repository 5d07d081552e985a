// Rows that show when they are not whole, batches, and the oracle that answers are compared with.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "store/store.h"

namespace hps::testing_support {

using Row = std::vector<std::byte>;
using Rows = std::map<Key, Row>;

inline std::vector<RowShape> all_row_shapes() {
  return {{1, DataType::kFloat32},   {3, DataType::kFloat32},   {128, DataType::kFloat32},
          {256, DataType::kFloat32}, {1, DataType::kFloat16},   {32, DataType::kFloat16},
          {3, DataType::kBFloat16},  {64, DataType::kBFloat16}, {1, DataType::kInt8},
          {3, DataType::kInt8},      {128, DataType::kInt8}};
}

/// Every byte depends on key, generation and position, so a row that is not whole is seen.
inline Row row_of(Key key, std::uint32_t generation, const RowShape& shape) {
  std::uint64_t x = static_cast<std::uint64_t>(key) * 0x9e3779b97f4a7c15u + generation + 1;
  Row row(shape.row_bytes());
  for (std::byte& byte : row) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    byte = static_cast<std::byte>(x >> 32);
  }
  return row;
}

inline Row join(const std::vector<Row>& rows) {
  Row all;
  for (const Row& row : rows) all.insert(all.end(), row.begin(), row.end());
  return all;
}

/// The answer to one batch: the output with guard bytes between rows, and what was missing.
struct Answer {
  std::vector<std::byte> bytes;
  std::size_t stride = 0;
  Missing missing;

  Row row(std::size_t i, const RowShape& shape) const {
    const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(i * stride);
    return Row(at, at + static_cast<std::ptrdiff_t>(shape.row_bytes()));
  }
};

constexpr std::byte kGuard{0xa5};

inline Answer ask(const Store& store, const KeyView& keys, std::size_t padding = 0,
                  std::uint32_t base_position = 0) {
  Answer answer;
  answer.stride = store.shape().row_bytes() + padding;
  answer.bytes.assign(keys.count * answer.stride, kGuard);
  store.find(keys, {answer.bytes.data(), answer.stride}, base_position, answer.missing);
  return answer;
}

/// The oracle: what `find` must have written and listed for a store that holds `model`.
inline void expect_answer(const Answer& answer, const KeyView& keys, const Rows& model,
                          const RowShape& shape, std::uint32_t base_position = 0) {
  Missing missing;
  std::vector<std::byte> bytes(answer.bytes.size(), kGuard);
  for (std::size_t i = 0; i < keys.count; ++i) {
    const auto found = model.find(keys[i]);
    if (found == model.end()) {
      missing.push_back(base_position + static_cast<std::uint32_t>(i));
    } else {
      std::copy(found->second.begin(), found->second.end(),
                bytes.begin() + static_cast<std::ptrdiff_t>(i * answer.stride));
    }
  }
  EXPECT_EQ(answer.missing, missing);
  EXPECT_TRUE(answer.bytes == bytes) << "rows or guard bytes differ, " << shape.row_bytes()
                                     << " bytes a row, " << keys.count << " keys";
}

inline KeyView view_of(const std::vector<Key>& keys) {
  return {keys.data(), DataType::kInt64, keys.size()};
}

/// True when `row` is the row of `key` in one of the first `generations` generations.
inline bool whole_row(const Row& row, Key key, std::uint32_t generations, const RowShape& shape) {
  for (std::uint32_t g = 0; g < generations; ++g) {
    if (row == row_of(key, g, shape)) return true;
  }
  return false;
}

}  // namespace hps::testing_support
