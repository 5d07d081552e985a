#include "lookup/loaded_table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/half.h"
#include "store/stores.h"

namespace hps {
namespace {

constexpr std::uint32_t kDim = 5;
constexpr DataType kRowTypes[] = {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16,
                                  DataType::kInt8};
constexpr DataType kOutTypes[] = {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16};

using Bytes = std::vector<std::byte>;

template <class T>
void append(Bytes& bytes, T value) {
  const auto* raw = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), raw, raw + sizeof(T));
}

void append_as(Bytes& bytes, DataType type, float value) {
  if (type == DataType::kFloat32) append(bytes, value);
  if (type == DataType::kFloat16) append(bytes, narrow_fp16(value));
  if (type == DataType::kBFloat16) append(bytes, narrow_bf16(value));
}

// Element `i` of the row of `key`: bits that no conversion leaves alone by chance.
float element(Key key, std::uint32_t i) {
  return static_cast<float>(key) * 1.37f + 0.001f * static_cast<float>(i) - 40.0f;
}
float scale_of(Key key) { return 0.01f + static_cast<float>(key) * 0.3f; }
std::int8_t quantised(Key key, std::uint32_t i) {
  return static_cast<std::int8_t>((key * 31 + i * 57) % 255 - 127);
}

Bytes stored_row(DataType type, Key key) {
  Bytes row;
  for (std::uint32_t i = 0; i < kDim; ++i) {
    if (type == DataType::kInt8) {
      append(row, quantised(key, i));
    } else {
      append_as(row, type, element(key, i));
    }
  }
  if (type == DataType::kInt8) append(row, scale_of(key));
  return row;
}

// What a lookup has to give, one element at a time.
Bytes expected_row(DataType stored, DataType out, Key key) {
  if (stored == out) return stored_row(stored, key);
  Bytes row;
  for (std::uint32_t i = 0; i < kDim; ++i) {
    float value = element(key, i);
    if (stored == DataType::kFloat16) value = widen_fp16(narrow_fp16(value));
    if (stored == DataType::kBFloat16) value = widen_bf16(narrow_bf16(value));
    if (stored == DataType::kInt8) value = static_cast<float>(quantised(key, i)) * scale_of(key);
    append_as(row, out, value);
  }
  return row;
}

TableConfig config_of(DataType type, std::vector<float> defaults = {0.0f}) {
  TableConfig config;
  config.name = "t";
  config.rows = 100;
  config.dim = kDim;
  config.type = type;
  config.default_vector = std::move(defaults);
  return config;
}

std::unique_ptr<Store> store_of(DataType type, Key count) {
  auto store = make_memory_store({kDim, type});
  for (Key key = 0; key < count; ++key) store->put(std::span(&key, 1), stored_row(type, key));
  return store;
}

struct Answer {
  Bytes bytes;
  std::size_t stride = 0;
  Missing missing;

  Bytes row(std::size_t i, std::size_t size) const {
    const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(i * stride);
    return Bytes(at, at + static_cast<std::ptrdiff_t>(size));
  }
};

Answer ask(const Table& table, const std::vector<Key>& keys, DataType out,
           std::int64_t wrap_rows = 0, ThreadPool* helpers = nullptr) {
  Answer answer;
  answer.stride = kDim * element_size(out) + 3;  // odd: no row but the first is aligned
  answer.bytes.assign(keys.size() * answer.stride, std::byte{0xa5});
  const KeyView view{keys.data(), DataType::kInt64, keys.size(), 1, wrap_rows};
  table.lookup_with(helpers, view, {answer.bytes.data(), answer.stride}, out, answer.missing);
  return answer;
}

class LoadedTableTypes : public testing::TestWithParam<std::tuple<DataType, DataType>> {};

TEST_P(LoadedTableTypes, RowsAndDefaultsAreBitEqualAndTheGapsAreLeftAlone) {
  const auto [stored, out] = GetParam();
  const std::vector<float> defaults{1.1f, -2.2f, 3.3e-5f, 70000.0f, 0.0f};
  const LoadedTable table("m", config_of(stored, defaults), store_of(stored, 100));
  const std::vector<Key> keys{99, 100, 0, -1, 42, 42, std::numeric_limits<Key>::min()};
  const Answer answer = ask(table, keys, out);
  EXPECT_EQ(answer.missing, (Missing{1, 3, 6}));
  Bytes expected;
  for (const Key key : keys) {
    Bytes row;
    if (key >= 0 && key < 100) {
      row = expected_row(stored, out, key);
    } else {
      for (const float value : defaults) append_as(row, out, value);
    }
    expected.insert(expected.end(), row.begin(), row.end());
    expected.insert(expected.end(), 3, std::byte{0xa5});
  }
  EXPECT_TRUE(answer.bytes == expected);
}

// More keys than one conversion's scratch, and enough for several helpers.
TEST_P(LoadedTableTypes, BigBatchesAreTheSameWithAndWithoutHelpers) {
  const auto [stored, out] = GetParam();
  const LoadedTable table("m", config_of(stored), store_of(stored, 100));
  std::vector<Key> keys(70001);
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<Key>(i * 7919 % 103);
  ThreadPool helpers(2);
  const Answer alone = ask(table, keys, out);
  const Answer shared = ask(table, keys, out, 0, &helpers);
  EXPECT_EQ(alone.missing, shared.missing);
  EXPECT_TRUE(alone.bytes == shared.bytes);
  EXPECT_GT(alone.missing.size(), 1000u);
  for (const std::size_t i : {std::size_t{0}, keys.size() / 2, keys.size() - 1}) {
    if (keys[i] >= 100) continue;
    const Bytes row = expected_row(stored, out, keys[i]);
    EXPECT_EQ(alone.row(i, row.size()), row);
  }
}

INSTANTIATE_TEST_SUITE_P(All, LoadedTableTypes,
                         testing::Combine(testing::ValuesIn(kRowTypes),
                                          testing::ValuesIn(kOutTypes)),
                         [](const auto& one) {
                           return std::string(name_of(std::get<0>(one.param))) + "_to_" +
                                  std::string(name_of(std::get<1>(one.param)));
                         });

TEST(LoadedTable, OneDefaultValueFillsTheRow) {
  const LoadedTable table("m", config_of(DataType::kFloat16, {0.5f}),
                          make_memory_store({kDim, DataType::kFloat16}));
  const Answer answer = ask(table, {7}, DataType::kFloat32);
  Bytes expected;
  for (std::uint32_t i = 0; i < kDim; ++i) append(expected, 0.5f);
  EXPECT_EQ(answer.row(0, expected.size()), expected);
}

TEST(LoadedTable, ADefaultVectorOfAnotherLengthIsRefused) {
  EXPECT_THROW(LoadedTable("m", config_of(DataType::kFloat32, {1.0f, 2.0f}),
                           make_memory_store({kDim, DataType::kFloat32})),
               Error);
}

TEST(LoadedTable, PositionsAreAppendedToWhatIsListedAlready) {
  const LoadedTable table("m", config_of(DataType::kFloat32), store_of(DataType::kFloat32, 1));
  const Key keys[] = {0, 5};
  float rows[2 * kDim];
  Missing missing{9};
  table.lookup({keys, DataType::kInt64, 2}, {reinterpret_cast<std::byte*>(rows), sizeof(rows) / 2},
               DataType::kFloat32, missing);
  EXPECT_EQ(missing, (Missing{9, 1}));
  EXPECT_EQ(table.counters().defaults.load(), 1u);
}

TEST(LoadedTable, IndexModeOnnxCountsFromTheEndOfTheFiles) {
  const LoadedTable table("m", config_of(DataType::kFloat32), store_of(DataType::kFloat32, 100));
  const Answer answer = ask(table, {-1, -100, -101}, DataType::kFloat32, 100);
  EXPECT_EQ(answer.row(0, kDim * 4), stored_row(DataType::kFloat32, 99));
  EXPECT_EQ(answer.row(1, kDim * 4), stored_row(DataType::kFloat32, 0));
  EXPECT_EQ(answer.missing, (Missing{2}));
}

TEST(LoadedTable, AStrictTableNamesTableKeyAndPosition) {
  TableConfig config = config_of(DataType::kFloat32);
  config.unknown = UnknownKey::kError;
  const LoadedTable table("m", std::move(config), store_of(DataType::kFloat32, 100));
  ThreadPool helpers(2);
  std::vector<Key> keys(50000, 3);
  keys[40001] = -777;
  keys[40005] = 500;
  for (ThreadPool* const pool : {static_cast<ThreadPool*>(nullptr), &helpers}) {
    try {
      ask(table, keys, DataType::kFloat32, 100, pool);
      FAIL() << "an unknown key was answered";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnknownKey);
      const std::string text = error.what();
      EXPECT_NE(text.find("table m/t: key -777 at position 40001 "), std::string::npos) << text;
    }
  }
  EXPECT_EQ(table.counters().failures.load(), 2u);
  EXPECT_EQ(table.counters().defaults.load(), 0u);
}

TEST(LoadedTable, CountsCallsKeysAndDefaults) {
  const LoadedTable table("m", config_of(DataType::kFloat32), store_of(DataType::kFloat32, 3));
  ask(table, {0, 1, 2, 3}, DataType::kFloat32);
  ask(table, {9, 9}, DataType::kFloat16);
  ask(table, {}, DataType::kFloat32);
  EXPECT_EQ(table.counters().lookups.load(), 3u);
  EXPECT_EQ(table.counters().keys.load(), 6u);
  EXPECT_EQ(table.counters().defaults.load(), 3u);
  EXPECT_EQ(table.counters().failures.load(), 0u);
}

TEST(LoadedTable, RowsAsIntegersAreRefused) {
  const LoadedTable table("m", config_of(DataType::kInt8), store_of(DataType::kInt8, 3));
  Missing missing;
  std::byte row[64];
  const Key key = 0;
  EXPECT_THROW(table.lookup({&key, DataType::kInt64, 1}, {row, 64}, DataType::kInt8, missing),
               Error);
  EXPECT_EQ(table.counters().failures.load(), 1u);
}

}  // namespace
}  // namespace hps
