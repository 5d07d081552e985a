#include "lookup/node_call.h"

#include <algorithm>
#include <limits>

#include "lookup/node_rules.h"
#include "lookup/node_shape.h"

namespace hps {
namespace {

constexpr std::int64_t kMaxBytes = std::numeric_limits<std::ptrdiff_t>::max();

void check_inputs(const NodeSpec& spec, std::span<const TensorIn> inputs) {
  if (inputs.size() != spec.inputs()) {
    invalid("the node has ", spec.inputs(), " inputs, but the call has ", inputs.size());
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const TensorIn& input = inputs[i];
    if (spec.version == 1 ? !is_id_type(input.type) : input.type != spec.input_types[i]) {
      invalid("input ", i, " is ", name_of(input.type), "; the node says ",
              spec.version == 1 ? "int32 or int64" : name_of(spec.input_types[i]));
    }
    if (input.shape.size() > kMaxRank) {
      invalid("input ", i, " has rank ", input.shape.size(), "; at most ", kMaxRank,
              " are allowed");
    }
    if (product(input.shape, "input", i) > 0 && input.data == nullptr) {
      invalid("input ", i, " has no data");
    }
  }
}

/// Ids as the lookup sees them: the whole tensor, or one column of it.
KeyView ids_of(const LookupSpec& lookup, std::size_t index, const TensorIn& input) {
  KeyView ids{input.data, input.type,
              static_cast<std::size_t>(product(input.shape, "input", lookup.ids_input)), 1, 0};
  if (lookup.ids_column < 0) return ids;
  const std::int64_t columns = input.shape.back();
  if (lookup.ids_column >= columns) {
    invalid("lookup ", index, ": column ", lookup.ids_column, " of input ", lookup.ids_input,
            " is asked for, whose shape is ", shape_text(input.shape));
  }
  const auto rows = ids.count / static_cast<std::size_t>(columns);
  const std::size_t width = element_size(input.type);
  if (rows > 0) {
    ids.data = static_cast<const std::byte*>(input.data) + width * lookup.ids_column;
  }
  ids.stride = static_cast<std::ptrdiff_t>(columns);
  ids.count = rows;
  return ids;
}

void check_weights(const LookupSpec& lookup, std::size_t index, std::span<const TensorIn> inputs) {
  std::span<const std::int64_t> ids = inputs[lookup.ids_input].shape;
  if (lookup.ids_column >= 0) ids = ids.first(ids.size() - 1);
  const auto weights = inputs[lookup.weights_input].shape;
  if (!std::equal(ids.begin(), ids.end(), weights.begin(), weights.end())) {
    invalid("lookup ", index, ": weights (input ", lookup.weights_input, ") have shape ",
            shape_text(weights), ", the ids (input ", lookup.ids_input, ") ", shape_text(ids),
            "; they must be equal");
  }
}

LookupCall measure_lookup(const LookupSpec& lookup, std::size_t index,
                          std::span<const TensorIn> inputs, std::span<const std::int64_t> leading) {
  LookupCall call;
  call.spec = &lookup;
  call.index = index;
  call.ids = ids_of(lookup, index, inputs[lookup.ids_input]);
  call.items = static_cast<std::size_t>(product(leading, "lookup", index));
  const std::int64_t samples = leading.empty() ? 1 : leading[0];
  if (samples > 0) call.items_per_sample = call.items / static_cast<std::size_t>(samples);
  if (lookup.layout == Layout::kPooled && call.items > 0) {
    call.bag_length = call.ids.count / call.items;
  }
  if (lookup.weights_input >= 0) {
    check_weights(lookup, index, inputs);
    call.weights = &inputs[lookup.weights_input];
  }
  return call;
}

void check_output_bytes(const NodeSpec& spec, std::size_t output,
                        std::span<const std::int64_t> shape) {
  const std::int64_t elements = product(shape, "output", output);
  const auto width = static_cast<std::int64_t>(element_size(spec.output_types[output]));
  if (elements > kMaxBytes / width) {
    invalid("output ", output, " of shape ", shape_text(shape), " is larger than memory can be");
  }
}

/// Appends the shape of the unresolved output.
void add_unresolved(std::vector<std::vector<std::int64_t>>& shapes) {
  const auto samples = [](const std::vector<std::int64_t>& shape) {
    return shape.size() == 1 ? 1 : shape[0];
  };
  for (std::size_t i = 1; i < shapes.size(); ++i) {
    if (samples(shapes[i]) != samples(shapes[0])) {
      invalid("output ", i, " has shape ", shape_text(shapes[i]), " and output 0 ",
              shape_text(shapes[0]),
              "; with the unresolved output all first extents must be equal");
    }
  }
  shapes.push_back({samples(shapes[0])});
}

}  // namespace

Measure measure(const NodeSpec& spec, std::span<const TensorIn> inputs) {
  check_inputs(spec, inputs);
  std::vector<std::int32_t> ranks;
  for (const TensorIn& input : inputs)
    ranks.push_back(static_cast<std::int32_t>(input.shape.size()));
  if (spec.version == 1 && ranks[0] < 1) {
    invalid("the ids (input 0) are a scalar; version \"1\" takes rank 1 or more");
  }
  Measure result;
  result.lookups.reserve(spec.lookups.size());
  result.shapes.resize(spec.output_types.size());
  for (std::size_t i = 0; i < spec.lookups.size(); ++i) {
    const LookupSpec& lookup = spec.lookups[i];
    auto extents = evaluate(leading_extents(lookup, i, ranks), i, inputs);
    result.lookups.push_back(measure_lookup(lookup, i, inputs, extents));
    extents.push_back(lookup.dim);
    auto& shape = result.shapes[lookup.output];
    if (shape.empty()) {
      shape = std::move(extents);
      continue;
    }
    if (!std::equal(shape.begin(), shape.end() - 1, extents.begin(), extents.end() - 1)) {
      invalid("lookup ", i, " writes shape ", shape_text(extents), " into output ", lookup.output,
              ", whose other lookups write ", shape_text(shape),
              "; all but the last extent must be equal");
    }
    shape.back() += lookup.dim;
  }
  for (std::size_t i = 0; i < result.shapes.size(); ++i) {
    check_output_bytes(spec, i, result.shapes[i]);
  }
  if (spec.unresolved_output) add_unresolved(result.shapes);
  return result;
}

void place_outputs(const NodeSpec& spec, Measure& call, std::span<const TensorOut> outputs) {
  if (outputs.size() != spec.outputs()) {
    invalid("the node has ", spec.outputs(), " outputs, but the call has ", outputs.size());
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].data == nullptr && product(call.shapes[i], "output", i) > 0) {
      invalid("output ", i, " has no data");
    }
  }
  for (LookupCall& lookup : call.lookups) {
    const std::size_t output = lookup.spec->output;
    lookup.out_type = spec.output_types[output];
    const std::size_t width = element_size(lookup.out_type);
    lookup.out_stride = static_cast<std::size_t>(call.shapes[output].back()) * width;
    if (lookup.items == 0) continue;
    lookup.out = static_cast<std::byte*>(outputs[output].data) + lookup.spec->output_column * width;
  }
}

}  // namespace hps
