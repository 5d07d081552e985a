#include "lookup/loaded_table.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <limits>
#include <mutex>

#include "base/error.h"
#include "base/half.h"
#include "store/stores.h"

namespace hps {
namespace {

constexpr DataType kOutTypes[] = {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16};
// Rows on their way to another type: small enough for the second-level cache.
constexpr std::size_t kScratchBytes = std::size_t{64} << 10;
// What is worth waking a thread for.
constexpr std::size_t kTaskBytes = std::size_t{256} << 10;
constexpr std::size_t kTaskKeys = 1024;

std::vector<std::byte> make_default_row(const TableConfig& config, DataType type) {
  std::vector<float> row = config.default_vector;
  if (row.size() == 1) row.resize(config.dim, row.front());
  std::vector<std::byte> bytes(config.dim * element_size(type));
  convert_row(DataType::kFloat32, row.data(), type, bytes.data(), config.dim);
  return bytes;
}

// Grows only, so that a thread allocates at its first conversions and never again.
std::byte* scratch(std::size_t bytes) {
  thread_local std::vector<std::byte> buffer;
  if (buffer.size() < bytes) buffer.resize(bytes);
  return buffer.data();
}

void convert_stored(const TableConfig& config, const std::byte* stored, DataType to,
                    std::byte* out) {
  if (config.type != DataType::kInt8) {
    convert_row(config.type, stored, to, out, config.dim);
    return;
  }
  float scale = 0;
  std::memcpy(&scale, stored + config.dim, sizeof(scale));
  dequantize_row(reinterpret_cast<const std::int8_t*>(stored), scale, to, out, config.dim);
}

}  // namespace

struct LoadedTable::Batch {
  const KeyView& keys;
  RowsOut out;
  DataType type;

  RowsOut at(std::size_t row) const noexcept { return {out.data + row * out.stride, out.stride}; }
};

LoadedTable::LoadedTable(const std::string& model, TableConfig config, std::unique_ptr<Store> store)
    : name_(model + "/" + config.name), config_(std::move(config)), store_(std::move(store)) {
  const std::size_t values = config_.default_vector.size();
  if (values != 1 && values != config_.dim) {
    fail(ErrorCode::kConfig, "table ", name_, ": the default vector has ", values,
         " values; give 1 or as many as the dimension, ", config_.dim);
  }
  for (std::size_t i = 0; i < defaults_.size(); ++i) {
    defaults_[i] = make_default_row(config_, kOutTypes[i]);
  }
}

const std::vector<std::byte>& LoadedTable::default_row(DataType type) const {
  const auto* const at = std::find(std::begin(kOutTypes), std::end(kOutTypes), type);
  return defaults_[static_cast<std::size_t>(at - std::begin(kOutTypes))];
}

void LoadedTable::check(const Batch& batch) const {
  if (!is_output_type(batch.type)) {
    fail(ErrorCode::kInvalidArgument, "table ", name_, ": rows cannot be given as ",
         name_of(batch.type), "; ask for fp32, fp16 or bf16");
  }
  if (batch.keys.count > std::numeric_limits<std::uint32_t>::max()) {
    fail(ErrorCode::kInvalidArgument, "table ", name_, ": ", batch.keys.count,
         " keys in one lookup; 2^32 - 1 are possible, split the batch");
  }
}

void LoadedTable::lookup(const KeyView& keys, RowsOut out, DataType out_type,
                         Missing& missing) const {
  lookup_with(nullptr, keys, out, out_type, missing);
}

void LoadedTable::lookup_with(ThreadPool* helpers, const KeyView& keys, RowsOut out,
                              DataType out_type, Missing& missing) const {
  const Batch batch{keys, out, out_type};
  const std::size_t known = missing.size();
  counters_.lookups.fetch_add(1, std::memory_order_relaxed);
  counters_.keys.fetch_add(keys.count, std::memory_order_relaxed);
  try {
    check(batch);
    if (helpers != nullptr) {
      find_shared(*helpers, batch, missing);
    } else {
      find(batch, 0, keys.count, missing);
    }
    if (missing.size() == known) return;
    if (config_.unknown == UnknownKey::kError) fail_unknown(keys, missing[known]);
    counters_.defaults.fetch_add(missing.size() - known, std::memory_order_relaxed);
  } catch (...) {
    counters_.failures.fetch_add(1, std::memory_order_relaxed);
    throw;
  }
}

void LoadedTable::find(const Batch& batch, std::size_t begin, std::size_t count,
                       Missing& missing) const {
  const std::size_t known = missing.size();
  if (batch.type == config_.type) {
    store_->find(batch.keys.slice(begin, count), batch.at(begin), static_cast<std::uint32_t>(begin),
                 missing);
  } else {
    find_converting(batch, begin, count, missing);
  }
  const std::vector<std::byte>& row = default_row(batch.type);
  for (std::size_t i = known; i < missing.size(); ++i) {
    std::memcpy(batch.at(missing[i]).data, row.data(), row.size());
  }
}

void LoadedTable::find_converting(const Batch& batch, std::size_t begin, std::size_t count,
                                  Missing& missing) const {
  const std::size_t row_bytes = store_->shape().row_bytes();
  const std::size_t rows_at_once = std::max<std::size_t>(1, kScratchBytes / row_bytes);
  std::byte* const rows = scratch(rows_at_once * row_bytes);
  for (std::size_t done = 0; done < count; done += rows_at_once) {
    const std::size_t n = std::min(rows_at_once, count - done);
    const std::size_t known = missing.size();
    store_->find(batch.keys.slice(begin + done, n), {rows, row_bytes},
                 static_cast<std::uint32_t>(begin + done), missing);
    std::size_t next_missing = known;
    for (std::size_t i = 0; i < n; ++i) {
      // Scratch of a missing row holds an older row: the default vector goes there instead.
      if (next_missing < missing.size() && missing[next_missing] == begin + done + i) {
        ++next_missing;
        continue;
      }
      convert_stored(config_, rows + i * row_bytes, batch.type, batch.at(begin + done + i).data);
    }
  }
}

void LoadedTable::find_shared(ThreadPool& helpers, const Batch& batch, Missing& missing) const {
  const std::size_t per_task = std::max(kTaskKeys, kTaskBytes / default_row(batch.type).size());
  const std::size_t tasks = (batch.keys.count + per_task - 1) / per_task;
  if (tasks < 2) return find(batch, 0, batch.keys.count, missing);
  std::vector<Missing> found_missing(tasks);
  std::mutex mutex;
  std::exception_ptr failure;
  helpers.run(tasks, [&](std::size_t task) {
    try {
      const std::size_t begin = task * per_task;
      find(batch, begin, std::min(per_task, batch.keys.count - begin), found_missing[task]);
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
  for (const Missing& part : found_missing) missing.insert(missing.end(), part.begin(), part.end());
}

void LoadedTable::fail_unknown(const KeyView& keys, std::uint32_t position) const {
  KeyView as_given = keys;
  as_given.wrap_rows = 0;
  fail(ErrorCode::kUnknownKey, "table ", name_, ": key ", as_given[position], " at position ",
       position, " is not in the table (", *config_.rows,
       " rows), and its configuration says unknown: error; mend the ids or set unknown: default");
}

std::shared_ptr<Table> load_table(const std::string& model, const TableConfig& config,
                                  const Progress& progress) {
  const auto files = open_table_shared(config, progress);
  TableConfig opened = config;
  opened.rows = files->rows();
  opened.keys = files->dense() ? KeyKind::kDense : KeyKind::kHashed;
  return std::make_shared<LoadedTable>(model, std::move(opened), make_table_store(files));
}

}  // namespace hps
