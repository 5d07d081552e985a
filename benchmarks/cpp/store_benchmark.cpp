// Stores beside a plain gather loop and absl::flat_hash_map, in one run.
//   store_benchmark --benchmark_filter=criteo --benchmark_repetitions=5
#include <absl/container/flat_hash_map.h>
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "comparison.h"
#include "store/stores.h"

namespace hps::benchmarks {
namespace {

/// `tables` tables of `rows` fp32 rows, each asked for `batch` ids per call.
struct Shape {
  std::string name;
  std::size_t tables;
  std::uint64_t rows;
  std::uint32_t dim;
  std::size_t batch;
  bool huge_pages;

  std::size_t row_bytes() const { return dim * sizeof(float); }
};

constexpr std::size_t kBatches = 16;  // different ids in turn, so that no batch is in the caches

/// Anonymous memory, with huge pages or without.
class Pages {
 public:
  Pages(std::size_t bytes, bool huge) : bytes_(bytes) {
    data_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data_ == MAP_FAILED) throw std::runtime_error("no memory for a benchmark table");
    ::madvise(data_, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    std::memset(data_, 1, bytes);
  }
  ~Pages() { ::munmap(data_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void* data_;
  std::size_t bytes_;
};

class MemoryTable final : public TableFiles {
 public:
  explicit MemoryTable(const Shape& shape)
      : rows_(shape.rows), pages_(shape.rows * shape.row_bytes(), shape.huge_pages) {
    config_.name = shape.name;
    config_.dim = shape.dim;
  }
  const TableConfig& config() const noexcept override { return config_; }
  std::uint64_t rows() const noexcept override { return rows_; }
  bool dense() const noexcept override { return true; }
  std::span<const std::byte> row_data() const noexcept override {
    return {pages_.data(), rows_ * config_.dim * sizeof(float)};
  }
  std::span<const float> scales() const noexcept override { return {}; }
  const KeyIndex* index() const noexcept override { return nullptr; }
  std::int64_t key_of(std::uint64_t row) const override { return static_cast<Key>(row); }

 private:
  TableConfig config_;
  std::uint64_t rows_;
  Pages pages_;
};

/// A table folder with scattered keys, removed at the end.
class HashedFolder {
 public:
  explicit HashedFolder(const Shape& shape, const MemoryTable& rows, std::size_t number) {
    config_.name = "hashed_" + std::to_string(number);
    config_.folder = std::filesystem::temp_directory_path() /
                     ("store_benchmark." + std::to_string(::getpid()) + "." + config_.name);
    config_.rows = shape.rows;
    config_.dim = shape.dim;
    config_.keys = KeyKind::kHashed;
    config_.memory = Memory::kCopied;
    config_.default_vector = {0.0f};
    std::filesystem::create_directory(config_.folder);
    std::vector<Key> keys(shape.rows);
    for (std::uint64_t row = 0; row < shape.rows; ++row) keys[row] = key_of(static_cast<Key>(row));
    write("key", std::as_bytes(std::span(keys)));
    write("emb_vector", rows.row_data());
    files_ = open_table(config_);
  }
  ~HashedFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(config_.folder, ignored);
  }
  HashedFolder(const HashedFolder&) = delete;
  HashedFolder& operator=(const HashedFolder&) = delete;

  static Key key_of(Key row) { return row * 0x5deece66d - 11; }
  std::shared_ptr<const TableFiles> files() const { return files_; }

 private:
  void write(const char* name, std::span<const std::byte> bytes) const {
    std::ofstream stream(config_.folder / name, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
    if (!stream.flush()) throw std::runtime_error("cannot write a benchmark table");
  }

  TableConfig config_;
  std::shared_ptr<const TableFiles> files_;
};

using Batches = std::vector<std::vector<Key>>;

/// The tables, the ids and the output that everybody in one shape uses.
struct Setting {
  explicit Setting(const Shape& s) : shape(s), out(s.tables * s.batch * s.row_bytes(), true) {
    std::mt19937_64 random(1);
    for (std::size_t t = 0; t < s.tables; ++t) tables.push_back(std::make_shared<MemoryTable>(s));
    ids.resize(s.tables * kBatches);
    for (std::vector<Key>& batch : ids) {
      batch.resize(s.batch);
      for (Key& id : batch) id = static_cast<Key>(random() % s.rows);
    }
  }
  Shape shape;
  std::vector<std::shared_ptr<const MemoryTable>> tables;
  Batches ids;  // kBatches for each table
  Pages out;
};

/// Calls `lookup(table, ids, output)` for all tables, a batch after the other.
template <class Lookup>
void measure(benchmark::State& state, const Setting& setting, const Batches& batches,
             Lookup lookup) {
  const Shape& shape = setting.shape;
  std::size_t turn = 0;
  for (auto step : state) {
    (void)step;
    for (std::size_t t = 0; t < shape.tables; ++t) {
      const std::vector<Key>& ids = batches[t * kBatches + turn % kBatches];
      lookup(t, ids, setting.out.data() + t * shape.batch * shape.row_bytes());
    }
    benchmark::ClobberMemory();
    ++turn;
  }
  const auto rows = static_cast<std::int64_t>(state.iterations()) *
                    static_cast<std::int64_t>(shape.tables * shape.batch);
  state.SetItemsProcessed(rows);
  state.SetBytesProcessed(rows * static_cast<std::int64_t>(shape.row_bytes()));
}

void plain(benchmark::State& state, const Setting& setting) {
  const std::size_t row_bytes = setting.shape.row_bytes();
  measure(
      state, setting, setting.ids, [&](std::size_t t, const std::vector<Key>& ids, std::byte* out) {
        const MemoryTable& table = *setting.tables[t];
        for (std::size_t i = 0; i < ids.size(); ++i) {
          if (static_cast<std::uint64_t>(ids[i]) >= table.rows()) continue;
          std::memcpy(out + i * row_bytes, table.row_data().data() + ids[i] * row_bytes, row_bytes);
        }
      });
}

void flat_hash_map(benchmark::State& state, const Setting& setting) {
  const std::size_t row_bytes = setting.shape.row_bytes();
  std::vector<absl::flat_hash_map<Key, const std::byte*>> maps(setting.tables.size());
  for (std::size_t t = 0; t < maps.size(); ++t) {
    maps[t].reserve(setting.shape.rows);
    for (std::uint64_t row = 0; row < setting.shape.rows; ++row) {
      maps[t].emplace(static_cast<Key>(row),
                      setting.tables[t]->row_data().data() + row * row_bytes);
    }
  }
  measure(state, setting, setting.ids,
          [&](std::size_t t, const std::vector<Key>& ids, std::byte* out) {
            for (std::size_t i = 0; i < ids.size(); ++i) {
              const auto found = maps[t].find(ids[i]);
              if (found != maps[t].end())
                std::memcpy(out + i * row_bytes, found->second, row_bytes);
            }
          });
}

using Stores = std::vector<std::unique_ptr<Store>>;

void stores(benchmark::State& state, const Setting& setting, const Batches& batches,
            const Stores& all) {
  Missing missing;
  measure(state, setting, batches, [&](std::size_t t, const std::vector<Key>& ids, std::byte* out) {
    all[t]->find({ids.data(), DataType::kInt64, ids.size()}, {out, setting.shape.row_bytes()}, 0,
                 missing);
  });
  if (!missing.empty()) state.SkipWithError("rows were missing");
}

void dense(benchmark::State& state, const Setting& setting) {
  Stores all;
  for (const auto& table : setting.tables) all.push_back(make_dense_store(table));
  stores(state, setting, setting.ids, all);
}

/// An overlay of which `changed` of 1000 rows are new.
void overlay(benchmark::State& state, const Setting& setting, std::uint64_t changed) {
  Stores all;
  const std::vector<std::byte> row(setting.shape.row_bytes());
  for (const auto& table : setting.tables) {
    all.push_back(make_table_store(table));
    for (Key key = 0; key < static_cast<Key>(setting.shape.rows * changed / 1000); ++key) {
      const Key spread = key * 1000 / static_cast<Key>(changed);
      all.back()->put(std::span(&spread, 1), row);
    }
  }
  stores(state, setting, setting.ids, all);
}

void memory(benchmark::State& state, const Setting& setting) {
  Stores all;
  const std::vector<std::byte> row(setting.shape.row_bytes());
  for (std::size_t t = 0; t < setting.tables.size(); ++t) {
    all.push_back(make_memory_store({setting.shape.dim, DataType::kFloat32}));
    for (Key key = 0; key < static_cast<Key>(setting.shape.rows); ++key) {
      all.back()->put(std::span(&key, 1), row);
    }
  }
  stores(state, setting, setting.ids, all);
}

void hashed(benchmark::State& state, const Setting& setting) {
  Batches scattered = setting.ids;
  for (std::vector<Key>& ids : scattered) {
    for (Key& id : ids) id = HashedFolder::key_of(id);
  }
  std::vector<std::unique_ptr<HashedFolder>> folders;
  Stores all;
  for (std::size_t t = 0; t < setting.tables.size(); ++t) {
    folders.push_back(std::make_unique<HashedFolder>(setting.shape, *setting.tables[t], t));
    all.push_back(make_hashed_store(folders.back()->files()));
  }
  stores(state, setting, scattered, all);
}

/// One setting at a time is in memory: the shapes take up to 2 GB each.
const Setting& setting_of(const Shape& shape) {
  static std::unique_ptr<Setting> current;
  if (current == nullptr || current->shape.name != shape.name) {
    current.reset();
    current = std::make_unique<Setting>(shape);
  }
  return *current;
}

void add(const Shape& shape) {
  const auto with = [&shape](const char* who, auto run) {
    benchmark::RegisterBenchmark(
        (shape.name + "/" + who).c_str(),
        [shape, run](benchmark::State& state) { run(state, setting_of(shape)); })
        ->Unit(benchmark::kMicrosecond)
        ->UseRealTime();
  };
  with("plain", plain);
  with("flat_hash_map", flat_hash_map);
  with("dense", dense);
  with("overlay_untouched",
       [](benchmark::State& state, const Setting& setting) { overlay(state, setting, 0); });
  with("overlay_1_percent_new",
       [](benchmark::State& state, const Setting& setting) { overlay(state, setting, 10); });
  with("memory", memory);
  with("hashed", hashed);
}

}  // namespace
}  // namespace hps::benchmarks

int main(int argc, char** argv) {
  using hps::benchmarks::add;
  add({"criteo_26x1024_dim128_beyond_caches", 26, 100'000, 128, 1024, false});
  add({"criteo_26x1024_dim128_huge_pages", 26, 100'000, 128, 1024, true});
  add({"criteo_26x1024_dim128_in_caches", 26, 1'000, 128, 1024, true});
  add({"criteo_26x64_dim128_beyond_caches", 26, 100'000, 128, 64, false});
  add({"one_table_dim32_batch_65536", 1, 4'000'000, 32, 65'536, true});
  add({"one_table_dim16_batch_65536", 1, 8'000'000, 16, 65'536, true});
  return hps::benchmarks::run_and_compare(argc, argv);
}
