// What every store and every wrapper around stores has to do. A test program includes this once
// and instantiates the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance,
//                            testing::Combine(testing::Values(StoreCase{...}),
//                                             testing::ValuesIn(all_row_shapes())), case_name);
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <ostream>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "store_model.h"

namespace hps::testing_support {

/// One way to make a store.
struct StoreCase {
  std::string name;
  bool writable = false;
  bool dense = false;  ///< the contents that it starts with have the keys 0..n-1
  /// A store that holds exactly `contents`.
  std::function<std::unique_ptr<Store>(const RowShape& shape, const Rows& contents)> make;
};

inline void PrintTo(const StoreCase& store, std::ostream* out) { *out << store.name; }

using ConformanceParam = std::tuple<StoreCase, RowShape>;

inline std::string case_name(const testing::TestParamInfo<ConformanceParam>& info) {
  const auto& [store, shape] = info.param;
  return store.name + "_" + std::string(name_of(shape.type)) + "_" + std::to_string(shape.dim);
}

class StoreConformance : public testing::TestWithParam<ConformanceParam> {
 protected:
  const StoreCase& store_case() const { return std::get<0>(GetParam()); }
  const RowShape& shape() const { return std::get<1>(GetParam()); }

  /// The contents that most tests start with.
  Rows some_rows(std::size_t count = 300) const {
    Rows rows;
    if (!store_case().dense) {
      for (const Key key : extreme_keys()) rows.emplace(key, row_of(key, 0, shape()));
    }
    for (Key key = 0; rows.size() < count; ++key) {
      const Key spread = store_case().dense ? key : key * 7919 - 1000;
      rows.emplace(spread, row_of(spread, 0, shape()));
    }
    return rows;
  }
  static std::vector<Key> extreme_keys() {
    using Limits = std::numeric_limits<Key>;
    return {Limits::min(), Limits::min() + 1, -1, 0, 1, 0x7fffffff, 0x80000000, Limits::max()};
  }
  std::unique_ptr<Store> make(const Rows& rows) const { return store_case().make(shape(), rows); }

  /// `count` keys: most of them held, some not, some extreme, many twice.
  static std::vector<Key> mixed_keys(const Rows& rows, std::size_t count, std::mt19937_64& random) {
    std::vector<Key> held;
    for (const auto& entry : rows) held.push_back(entry.first);
    std::vector<Key> keys;
    while (keys.size() < count) {
      switch (random() % 8) {
        case 0:
          keys.push_back(static_cast<Key>(random()));
          break;
        case 1:
          keys.push_back(extreme_keys()[random() % extreme_keys().size()]);
          break;
        default:
          keys.push_back(held.empty() ? static_cast<Key>(random() % 5)
                                      : held[random() % held.size()]);
      }
    }
    return keys;
  }
};

TEST_P(StoreConformance, SaysItsShapeAndSize) {
  const Rows rows = some_rows();
  const auto store = make(rows);
  EXPECT_TRUE(store->shape() == shape());
  EXPECT_EQ(store->size(), rows.size());
}

TEST_P(StoreConformance, FindsEveryRow) {
  const Rows rows = some_rows();
  const auto store = make(rows);
  std::vector<Key> keys;
  for (const auto& entry : rows) keys.push_back(entry.first);
  const Answer answer = ask(*store, view_of(keys));
  expect_answer(answer, view_of(keys), rows, shape());
  EXPECT_TRUE(answer.missing.empty());
}

TEST_P(StoreConformance, ListsMissesAndLeavesTheirBytesAlone) {
  const Rows rows = some_rows();
  const auto store = make(rows);
  std::mt19937_64 random(1);
  // Sizes around the chunks in which stores work, with and without bytes between the rows.
  for (const std::size_t count : {1u, 2u, 7u, 31u, 32u, 255u, 256u, 257u, 1023u, 1024u, 1500u}) {
    for (const std::size_t padding : {0u, 1u, 60u}) {
      const std::vector<Key> keys = mixed_keys(rows, count, random);
      expect_answer(ask(*store, view_of(keys), padding), view_of(keys), rows, shape());
    }
  }
}

TEST_P(StoreConformance, AddsTheBasePositionAndAppends) {
  const auto store = make(some_rows());
  const std::vector<Key> keys = {0, 1'000'000'007, 1, -1'000'000'007};
  std::vector<std::byte> bytes(4 * shape().row_bytes());
  Missing missing = {5};
  store->find(view_of(keys), {bytes.data(), shape().row_bytes()}, 4'294'967'000u, missing);
  EXPECT_EQ(missing, (Missing{5, 4'294'967'001u, 4'294'967'003u}));
}

TEST_P(StoreConformance, AnEmptyBatchIsNothing) {
  const auto store = make(some_rows());
  Missing missing;
  store->find({nullptr, DataType::kInt64, 0}, {nullptr, shape().row_bytes()}, 0, missing);
  EXPECT_TRUE(missing.empty());
}

TEST_P(StoreConformance, AnEmptyStoreHoldsNothing) {
  const auto store = make({});
  EXPECT_EQ(store->size(), 0u);
  const std::vector<Key> keys = extreme_keys();
  expect_answer(ask(*store, view_of(keys)), view_of(keys), {}, shape());
  store->iterate([](Key, std::span<const std::byte>) {
    ADD_FAILURE() << "an empty store was visited";
    return true;
  });
}

TEST_P(StoreConformance, TakesStridedAndNarrowIds) {
  const Rows rows = some_rows();
  const auto store = make(rows);
  std::mt19937_64 random(2);
  for (const std::ptrdiff_t stride : {1, 2, 26}) {
    const std::vector<Key> wide = mixed_keys(rows, static_cast<std::size_t>(300 * stride), random);
    std::vector<std::int32_t> narrow;
    for (const Key key : wide) narrow.push_back(static_cast<std::int32_t>(key));
    const KeyView wide_view{wide.data() + stride - 1, DataType::kInt64, 300, stride};
    const KeyView narrow_view{narrow.data() + stride - 1, DataType::kInt32, 300, stride};
    expect_answer(ask(*store, wide_view), wide_view, rows, shape());
    expect_answer(ask(*store, narrow_view), narrow_view, rows, shape());
  }
}

TEST_P(StoreConformance, WrapsNegativeIdsWhereAsked) {
  const Rows rows = some_rows();
  const auto store = make(rows);
  const std::vector<Key> ids = {-1, -300, -301, 0, 299, 300, std::numeric_limits<Key>::min()};
  const std::vector<std::int32_t> narrow = {-1, -300, -301, 0, 299, 300, -2147483647 - 1};
  const KeyView wide_view{ids.data(), DataType::kInt64, ids.size(), 1, 300};
  const KeyView narrow_view{narrow.data(), DataType::kInt32, narrow.size(), 1, 300};
  expect_answer(ask(*store, wide_view), wide_view, rows, shape());
  expect_answer(ask(*store, narrow_view), narrow_view, rows, shape());
  if (store_case().dense) {
    EXPECT_EQ(ask(*store, wide_view).missing, (Missing{2, 5, 6}));
  }
}

TEST_P(StoreConformance, WritesToUnalignedOutputs) {
  const Rows rows = some_rows();
  const auto store = make(rows);
  const std::vector<Key> keys = {0, 1, 2};
  std::vector<std::byte> bytes(3 * shape().row_bytes() + 3);
  Missing missing;
  store->find(view_of(keys), {bytes.data() + 3, shape().row_bytes()}, 0, missing);
  for (std::size_t i = 0, found = 0; i < 3; ++i) {
    if (found < missing.size() && missing[found] == i) {
      ++found;
      continue;
    }
    EXPECT_EQ(std::memcmp(bytes.data() + 3 + i * shape().row_bytes(), rows.at(keys[i]).data(),
                          shape().row_bytes()),
              0);
  }
}

TEST_P(StoreConformance, IteratesOverEachKeyOnce) {
  const Rows rows = some_rows();
  const auto store = make(rows);
  Rows seen;
  store->iterate([&](Key key, std::span<const std::byte> row) {
    EXPECT_TRUE(seen.emplace(key, Row(row.begin(), row.end())).second) << key << " came twice";
    return true;
  });
  EXPECT_TRUE(seen == rows);
}

TEST_P(StoreConformance, StopsIteratingWhenAsked) {
  const auto store = make(some_rows());
  int visits = 0;
  store->iterate([&](Key, std::span<const std::byte>) { return ++visits < 3; });
  EXPECT_EQ(visits, 3);
}

TEST_P(StoreConformance, RefusesWritesWhereReadOnly) {
  const Rows rows = some_rows();
  const auto store = make(rows);
  if (store_case().writable) {
    const std::vector<Key> keys = {1, 2};
    const Row one = row_of(1, 1, shape());
    try {
      store->put(keys, one);
      FAIL() << "two keys with one row were taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    }
  } else {
    const std::vector<Key> keys = {0};
    const Row row = row_of(0, 1, shape());
    for (const std::function<void()>& write :
         {std::function<void()>([&] { store->put(keys, row); }),
          std::function<void()>([&] { store->erase(keys); })}) {
      try {
        write();
        FAIL() << "a read-only store was written";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
      }
    }
  }
  const std::vector<Key> keys = {0, 1, 2};
  expect_answer(ask(*store, view_of(keys)), view_of(keys), rows, shape());
}

TEST_P(StoreConformance, TheLastOfEqualKeysWins) {
  if (!store_case().writable) return;
  Rows rows = some_rows();
  const auto store = make(rows);
  const std::vector<Key> keys = {4, -1, 4, 4};
  store->put(keys, join({row_of(4, 1, shape()), row_of(-1, 2, shape()), row_of(4, 3, shape()),
                         row_of(4, 4, shape())}));
  rows[4] = row_of(4, 4, shape());
  rows[-1] = row_of(-1, 2, shape());
  expect_answer(ask(*store, view_of(keys)), view_of(keys), rows, shape());
  EXPECT_EQ(store->size(), rows.size());
}

// Thousands of changes and questions at random, against a std::map.
TEST_P(StoreConformance, AgreesWithAModelThroughRandomHistories) {
  if (!store_case().writable) return;
  for (const std::uint64_t seed : {11u, 12u, 13u}) {
    std::mt19937_64 random(seed);
    Rows model = seed == 13 ? Rows{} : some_rows(60);
    const auto store = make(model);
    std::vector<Key> universe = extreme_keys();
    for (const auto& entry : model) universe.push_back(entry.first);
    for (int i = 0; i < 40; ++i) universe.push_back(static_cast<Key>(random() % 200) - 100);
    for (int step = 0; step < 1500; ++step) {
      std::vector<Key> keys;
      for (std::size_t n = random() % 12; n > 0; --n)
        keys.push_back(universe[random() % universe.size()]);
      const auto generation = static_cast<std::uint32_t>(step);
      switch (random() % 3) {
        case 0: {
          std::vector<Row> rows;
          for (const Key key : keys) {
            rows.push_back(row_of(key, generation, shape()));
            model[key] = rows.back();
          }
          store->put(keys, join(rows));
          break;
        }
        case 1:
          store->erase(keys);
          for (const Key key : keys) model.erase(key);
          break;
        default:
          expect_answer(ask(*store, view_of(keys)), view_of(keys), model, shape());
      }
      ASSERT_EQ(store->size(), model.size()) << "step " << step << " seed " << seed;
      if (testing::Test::HasFailure()) FAIL() << "step " << step << " seed " << seed;
    }
    expect_answer(ask(*store, view_of(universe)), view_of(universe), model, shape());
    Rows seen;
    store->iterate([&](Key key, std::span<const std::byte> row) {
      EXPECT_TRUE(seen.emplace(key, Row(row.begin(), row.end())).second) << key << " came twice";
      return true;
    });
    EXPECT_TRUE(seen == model);
  }
}

// Grown far beyond its first size, then emptied, then filled again.
TEST_P(StoreConformance, GrowsAndShrinks) {
  if (!store_case().writable) return;
  Rows model = some_rows(50);
  const auto store = make(model);
  std::vector<Key> keys;
  for (Key key = 0; key < 6'000; ++key) keys.push_back(key * 3 - 9'000);
  for (const std::uint32_t generation : {1u, 2u}) {
    std::vector<Row> rows;
    for (const Key key : keys) rows.push_back(row_of(key, generation, shape()));
    store->put(keys, join(rows));
    for (std::size_t i = 0; i < keys.size(); ++i) model[keys[i]] = rows[i];
    ASSERT_EQ(store->size(), model.size());
    expect_answer(ask(*store, view_of(keys)), view_of(keys), model, shape());
    store->erase(keys);
    for (const Key key : keys) model.erase(key);
    ASSERT_EQ(store->size(), model.size());
    expect_answer(ask(*store, view_of(keys)), view_of(keys), model, shape());
  }
}

// Readers ask without pause while writers replace, erase and add: a row is a whole row of its key,
// keys nobody erases are never missing, keys nobody adds never appear.
TEST_P(StoreConformance, RowsStayWholeUnderConcurrentWrites) {
  if (!store_case().writable) return;
  constexpr std::uint32_t kGenerations = 4;
  constexpr Key kReplaced = 40, kErased = 80, kAdded = 120, kNever = 160;  // exclusive ends
  Rows rows;
  for (Key key = 0; key < kErased; ++key) rows.emplace(key, row_of(key, 0, shape()));
  const auto store = make(rows);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};

  const auto read = [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!stop.load()) {
      std::vector<Key> keys(300);
      for (Key& key : keys) key = static_cast<Key>(random() % kNever);
      const Answer answer = ask(*store, view_of(keys));
      std::set<std::uint32_t> missing(answer.missing.begin(), answer.missing.end());
      for (std::size_t i = 0; i < keys.size(); ++i) {
        const bool absent = missing.count(static_cast<std::uint32_t>(i)) != 0;
        if (absent ? keys[i] < kReplaced
                   : keys[i] >= kAdded ||
                         !whole_row(answer.row(i, shape()), keys[i], kGenerations, shape())) {
          wrong.fetch_add(1);
        }
      }
    }
  };
  const auto iterate = [&] {
    while (!stop.load()) {
      std::set<Key> seen;
      store->iterate([&](Key key, std::span<const std::byte> row) {
        if (!seen.insert(key).second || key < 0 || key >= kAdded ||
            !whole_row(Row(row.begin(), row.end()), key, kGenerations, shape())) {
          wrong.fetch_add(1);
        }
        return true;
      });
      for (Key key = 0; key < kReplaced; ++key) wrong.fetch_add(seen.count(key) == 0 ? 1 : 0);
      if (store->size() > static_cast<std::uint64_t>(kAdded)) wrong.fetch_add(1);
    }
  };
  const auto write = [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int step = 0; step < 400; ++step) {
      std::vector<Key> keys(1 + random() % 8);
      for (Key& key : keys) key = static_cast<Key>(random() % kAdded);
      std::vector<Row> changed;
      for (const Key key : keys) {
        changed.push_back(
            row_of(key, static_cast<std::uint32_t>(random() % kGenerations), shape()));
      }
      store->put(keys, join(changed));
      std::erase_if(keys, [&](Key key) { return key < kReplaced; });
      if (random() % 2 == 0) store->erase(keys);
    }
  };
  std::vector<std::thread> background;
  for (const std::uint64_t seed : {1u, 2u}) background.emplace_back(read, seed);
  background.emplace_back(iterate);
  std::vector<std::thread> writers;
  for (const std::uint64_t seed : {3u, 4u}) writers.emplace_back(write, seed);
  for (std::thread& writer : writers) writer.join();
  stop.store(true);
  for (std::thread& thread : background) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST_P(StoreConformance, ManyThreadsRead) {
  const Rows rows = some_rows();
  const auto store = make(rows);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      for (int round = 0; round < 20; ++round) {
        const std::vector<Key> keys = mixed_keys(rows, 400, random);
        const Answer answer = ask(*store, view_of(keys));
        auto miss = answer.missing.begin();
        for (std::size_t i = 0; i < keys.size(); ++i) {
          const bool missing = miss != answer.missing.end() && *miss == i;
          if (missing) ++miss;
          const auto found = rows.find(keys[i]);
          const bool held = found != rows.end();
          if (held == missing || (held && answer.row(i, shape()) != found->second)) {
            wrong.fetch_add(1);
          }
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace hps::testing_support
