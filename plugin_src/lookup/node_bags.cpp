#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/half.h"
#include "lookup/node_rows.h"
#include "lookup/row_sum.h"

namespace hps {
namespace {

/// fp32 rows of one batch: small enough to stay in the second-level cache between lookup and sum.
constexpr std::size_t kScratchBytes = 128 * 1024;

/// Per thread, so that nothing is allocated once a thread has seen its widest table.
struct Scratch {
  std::vector<float> rows;
  std::vector<float> sum;
  std::vector<Key> keys;                 ///< kept ids of a batch that holds ignored ones
  std::vector<std::uint32_t> positions;  ///< of those, in the batch
  Missing missing;
};

Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

float weight_at(const TensorIn& weights, std::size_t i) {
  const auto* const data = static_cast<const std::byte*>(weights.data);
  float weight = 0.0F;
  if (weights.type == DataType::kFloat32) {
    std::memcpy(&weight, data + i * sizeof(weight), sizeof(weight));
    return weight;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, data + i * sizeof(bits), sizeof(bits));
  return weights.type == DataType::kFloat16 ? widen_fp16(bits) : widen_bf16(bits);
}

/// Walks the bags [begin, end) of a lookup while rows arrive in the order of the ids.
class BagSum {
 public:
  BagSum(const LookupCall& call, std::size_t begin, std::size_t end, std::vector<float>& sum)
      : call_(call), dim_(call.spec->dim), bag_(begin), end_(end), sum_(sum) {
    sum_.assign(dim_, 0.0F);
    if (bag_ < end_) next_start_ = call.first_id(bag_ + 1);
  }

  /// Adds the row of id `id`, which belongs to a bag of the range at or after the current one.
  void add(std::size_t id, const float* row) {
    while (id >= next_start_) finish_bag();
    ++kept_;
    if (call_.weights == nullptr) {
      add_row(sum_.data(), row, dim_);
      return;
    }
    const float weight = weight_at(*call_.weights, id);
    add_scaled_row(sum_.data(), row, weight, dim_);
    weight_sum_ += weight;
    weight_squares_ += weight * weight;
  }

  void finish() {
    while (bag_ < end_) finish_bag();
  }

  std::size_t bag() const noexcept { return bag_; }

 private:
  void finish_bag() {
    if (kept_ > 0 && call_.spec->combiner != Combiner::kSum) {
      divide_row(sum_.data(), divisor(), dim_);
    }
    std::byte* out = call_.out + bag_ * call_.out_stride;
    convert_row(DataType::kFloat32, sum_.data(), call_.out_type, out, dim_);
    if (kept_ > 0) std::fill(sum_.begin(), sum_.end(), 0.0F);
    kept_ = 0;
    weight_sum_ = weight_squares_ = 0.0F;
    if (++bag_ < end_) next_start_ = call_.first_id(bag_ + 1);
  }

  float divisor() const {
    const bool root = call_.spec->combiner == Combiner::kSqrtN;
    float amount = 0.0F;
    if (call_.spec->divisor == Divisor::kAll) {
      amount = static_cast<float>(next_start_ - call_.first_id(bag_));
    } else if (call_.spec->divisor == Divisor::kKept || call_.weights == nullptr) {
      amount = static_cast<float>(kept_);
    } else {
      amount = root ? weight_squares_ : weight_sum_;
    }
    return root ? std::sqrt(amount) : amount;
  }

  const LookupCall& call_;
  const std::size_t dim_;
  std::size_t bag_;
  const std::size_t end_;
  std::size_t next_start_ = 0;
  std::vector<float>& sum_;
  std::size_t kept_ = 0;
  float weight_sum_ = 0.0F;
  float weight_squares_ = 0.0F;
};

/// One batch of consecutive ids: which are kept, under which keys.
struct Batch {
  KeyView keys;
  const std::uint32_t* positions = nullptr;  ///< null: key i is id first + i
  std::size_t first = 0;

  std::size_t id(std::size_t i) const noexcept {
    return first + (positions == nullptr ? i : positions[i]);
  }
};

Batch take_batch(const LookupCall& call, std::int64_t wrap_rows, std::size_t first, std::size_t n,
                 Scratch& memory) {
  Batch batch{call.ids.slice(first, n), nullptr, first};
  const auto& ignored = call.spec->ignored_id;
  const auto is_ignored = [&](std::size_t i) { return batch.keys[i] == *ignored; };
  bool any = false;
  for (std::size_t i = 0; ignored.has_value() && i < n && !any; ++i) any = is_ignored(i);
  if (any) {
    memory.keys.clear();
    memory.positions.clear();
    for (std::size_t i = 0; i < n; ++i) {
      if (is_ignored(i)) continue;
      memory.keys.push_back(batch.keys[i]);
      memory.positions.push_back(static_cast<std::uint32_t>(i));
    }
    batch.keys = {memory.keys.data(), DataType::kInt64, memory.keys.size(), 1, 0};
    batch.positions = memory.positions.data();
  }
  batch.keys.wrap_rows = wrap_rows;
  return batch;
}

}  // namespace

void write_bags(const LookupCall& call, const Table& table, std::int64_t wrap_rows,
                std::size_t begin, std::size_t end, Unresolved unresolved) {
  Scratch& memory = scratch();
  const std::size_t row_bytes = call.spec->dim * sizeof(float);
  const std::size_t batch_ids = std::max<std::size_t>(1, kScratchBytes / row_bytes);
  memory.rows.resize(std::max(memory.rows.size(), batch_ids * call.spec->dim));
  BagSum sum(call, begin, end, memory.sum);
  const std::size_t last = call.first_id(end);
  for (std::size_t first = call.first_id(begin); first < last; first += batch_ids) {
    const std::size_t n = std::min(batch_ids, last - first);
    const Batch batch = take_batch(call, wrap_rows, first, n, memory);
    if (batch.keys.count == 0) continue;
    memory.missing.clear();
    const RowsOut out{reinterpret_cast<std::byte*>(memory.rows.data()), row_bytes};
    table.lookup(batch.keys, out, DataType::kFloat32, memory.missing);
    auto next_missing = memory.missing.begin();
    for (std::size_t i = 0; i < batch.keys.count; ++i) {
      sum.add(batch.id(i), memory.rows.data() + i * call.spec->dim);
      if (next_missing == memory.missing.end() || *next_missing != i) continue;
      ++next_missing;
      if (unresolved.counts != nullptr) unresolved.add(call, sum.bag());
    }
  }
  sum.finish();
}

}  // namespace hps
