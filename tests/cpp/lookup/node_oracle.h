// What a node means, written down once more without any cleverness: one id at a time, one element
// at a time, straight from OPERATOR.md. Tests compare Node::run with it byte by byte.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lookup/fake_deployment.h"
#include "lookup/node.h"

namespace hps::testing {

/// A tensor that owns its bytes.
struct Tensor {
  DataType type = DataType::kFloat32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;

  std::size_t elements() const {
    std::size_t count = 1;
    for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
    return count;
  }
  TensorIn in() const { return {bytes.data(), type, shape}; }
  TensorOut out() { return {bytes.data()}; }

  std::int64_t integer(std::size_t i) const {
    if (type == DataType::kInt64) return at<std::int64_t>(i);
    return at<std::int32_t>(i);
  }
  float real(std::size_t i) const {
    float value = 0;
    const std::size_t width = element_size(type);
    convert_row(type, bytes.data() + i * width, DataType::kFloat32, &value, 1);
    return value;
  }
  template <class T>
  T at(std::size_t i) const {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    return value;
  }
};

inline Tensor make_empty(DataType type, std::vector<std::int64_t> shape) {
  Tensor tensor{type, std::move(shape), {}};
  tensor.bytes.assign(tensor.elements() * element_size(type), std::byte{0xcd});
  return tensor;
}

inline Tensor integers(DataType type, std::vector<std::int64_t> shape,
                       const std::vector<std::int64_t>& values) {
  Tensor tensor = make_empty(type, std::move(shape));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (type == DataType::kInt64) {
      std::memcpy(tensor.bytes.data() + i * 8, &values[i], 8);
    } else {
      const auto narrow = static_cast<std::int32_t>(values[i]);
      std::memcpy(tensor.bytes.data() + i * 4, &narrow, 4);
    }
  }
  return tensor;
}

inline Tensor reals(DataType type, std::vector<std::int64_t> shape,
                    const std::vector<float>& values) {
  Tensor tensor = make_empty(type, std::move(shape));
  convert_row(DataType::kFloat32, values.data(), type, tensor.bytes.data(), values.size());
  return tensor;
}

/// The bag of every id of `lookup`, -1 for none; for layout 0 a bag per id.
inline std::vector<std::int64_t> bag_of_ids(const LookupSpec& lookup, std::size_t ids,
                                            std::size_t bags, const std::vector<Tensor>& inputs) {
  std::vector<std::int64_t> bag(ids, -1);
  for (std::size_t i = 0; i < ids; ++i) {
    if (lookup.layout == Layout::kPlain) {
      bag[i] = static_cast<std::int64_t>(i);
    } else if (lookup.layout == Layout::kPooled) {
      bag[i] = static_cast<std::int64_t>(i / (ids / bags));
    } else if (lookup.layout == Layout::kSegments) {
      bag[i] = inputs[lookup.layout_input].integer(i);
    }
  }
  std::size_t next = 0;
  for (std::size_t b = 0; b < bags; ++b) {
    const Tensor* given = lookup.layout_input < 0 ? nullptr : &inputs[lookup.layout_input];
    std::size_t begin = next;
    std::size_t end = next;
    if (lookup.layout == Layout::kLengths) {
      end = begin + static_cast<std::size_t>(given->integer(b));
    } else if (lookup.layout == Layout::kOffsets || lookup.layout == Layout::kOffsetsLast) {
      begin = static_cast<std::size_t>(given->integer(b));
      const bool last = lookup.layout == Layout::kOffsets && b + 1 == bags;
      end = last ? ids : static_cast<std::size_t>(given->integer(b + 1));
    }
    for (std::size_t i = begin; i < end; ++i) bag[i] = static_cast<std::int64_t>(b);
    next = end;
  }
  return bag;
}

struct BagState {
  std::vector<float> sum;
  std::size_t all = 0;
  std::size_t kept = 0;
  float weights = 0;
  float squares = 0;
};

inline float divisor_of(const LookupSpec& lookup, const BagState& bag) {
  const bool root = lookup.combiner == Combiner::kSqrtN;
  float amount = root ? bag.squares : bag.weights;
  if (lookup.divisor == Divisor::kKept) amount = static_cast<float>(bag.kept);
  if (lookup.divisor == Divisor::kAll) amount = static_cast<float>(bag.all);
  return root ? std::sqrt(amount) : amount;
}

/// Writes lookup `lookup` into `outputs`; tables hold `rows` rows of element().
inline void oracle_lookup(const NodeSpec& spec, const LookupSpec& lookup, std::int64_t rows,
                          const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
  const Tensor& ids = inputs[lookup.ids_input];
  Tensor& out = outputs[lookup.output];
  const auto columns = static_cast<std::size_t>(out.shape.back());
  const std::size_t bags = columns == 0 ? 0 : out.elements() / columns;
  const bool packed = lookup.ids_column >= 0;
  const std::size_t step = packed ? static_cast<std::size_t>(ids.shape.back()) : 1;
  const std::size_t count = ids.elements() / step;
  const auto bag_of = bag_of_ids(lookup, count, bags, inputs);
  std::vector<BagState> state(bags);
  for (BagState& bag : state) bag.sum.assign(lookup.dim, 0.0F);
  for (std::size_t i = 0; i < count; ++i) {
    if (bag_of[i] < 0) continue;
    BagState& bag = state[static_cast<std::size_t>(bag_of[i])];
    ++bag.all;
    std::int64_t key = ids.integer(i * step + (packed ? lookup.ids_column : 0));
    if (key == lookup.ignored_id) continue;
    if (lookup.index_mode == IndexMode::kOnnx && key < 0 && key >= -rows) key += rows;
    const bool known = key >= 0 && key < rows;
    const float weight = lookup.weights_input < 0 ? 1.0F : inputs[lookup.weights_input].real(i);
    for (std::size_t c = 0; c < lookup.dim; ++c) {
      const float value = known ? element(key, c) : kDefault;
      volatile const float product = weight * value;  // rounded, whatever the flags
      bag.sum[c] = lookup.combiner == Combiner::kNone ? value : bag.sum[c] + product;
    }
    ++bag.kept;
    volatile const float square = weight * weight;
    bag.weights += weight;
    bag.squares += square;
    if (!known && spec.unresolved_output) {
      const auto samples = static_cast<std::size_t>(outputs.back().shape[0]);
      const std::size_t sample = static_cast<std::size_t>(bag_of[i]) / (bags / samples);
      auto* counts = reinterpret_cast<std::int32_t*>(outputs.back().bytes.data());
      ++counts[sample];
    }
  }
  const std::size_t width = element_size(out.type);
  for (std::size_t b = 0; b < bags; ++b) {
    const bool divides = lookup.combiner == Combiner::kMean || lookup.combiner == Combiner::kSqrtN;
    if (divides && state[b].kept > 0) {
      const float divisor = divisor_of(lookup, state[b]);
      for (float& value : state[b].sum) value /= divisor;
    }
    convert_row(DataType::kFloat32, state[b].sum.data(), out.type,
                out.bytes.data() + (b * columns + lookup.output_column) * width, lookup.dim);
  }
}

/// `outputs` hold the shapes; their bytes are set.
inline void oracle(const NodeSpec& spec, std::int64_t rows, const std::vector<Tensor>& inputs,
                   std::vector<Tensor>& outputs) {
  if (spec.unresolved_output) {
    std::fill(outputs.back().bytes.begin(), outputs.back().bytes.end(), std::byte{0});
  }
  for (const LookupSpec& lookup : spec.lookups) {
    oracle_lookup(spec, lookup, rows, inputs, outputs);
  }
}

}  // namespace hps::testing
