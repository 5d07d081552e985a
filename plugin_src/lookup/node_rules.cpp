#include "lookup/node_rules.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace hps {
namespace {

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 120 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

bool is_bundle_id(std::string_view text) {
  return text == "-" || (text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
                           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                         }));
}

void check_identity(const NodeSpec& spec) {
  if (!is_bundle_id(spec.bundle_id)) {
    invalid("attribute 'bundle_id' is '", spec.bundle_id,
            "'; it must be 32 lower-case hexadecimal digits, or '-' to match by model name");
  }
  if (!is_name(spec.model)) {
    invalid("attribute 'model_name' is '", spec.model, "'; a name is [a-zA-Z0-9_-]{1,120}");
  }
  for (std::size_t i = 0; i < spec.lookups.size(); ++i) {
    if (!is_name(spec.lookups[i].table)) {
      invalid("attribute 'tables', line ", i, ", is '", spec.lookups[i].table,
              "'; a name is [a-zA-Z0-9_-]{1,120}");
    }
  }
}

/// What an input is used for decides which types it may have.
enum class Use { kIds, kLayout, kSize, kWeights };

class Inputs {
 public:
  explicit Inputs(const NodeSpec& spec) : spec_(spec), used_(spec.input_types.size(), false) {}

  void use(const char* attribute, std::size_t lookup, std::int32_t input, Use use) {
    if (static_cast<std::size_t>(input) >= used_.size()) {
      invalid("attribute '", attribute, "'[", lookup, "] is ", input, ", but the node has ",
              used_.size(), " inputs ('input_types')");
    }
    const DataType type = spec_.input_types[input];
    const bool fits =
        use == Use::kSize || (use == Use::kWeights ? is_output_type(type) : is_id_type(type));
    if (!fits) {
      invalid("attribute '", attribute, "'[", lookup, "] is ", input, ", an input of type ",
              name_of(type), "; ",
              use == Use::kWeights ? "weights are fp32, fp16 or bf16" : "int32 or int64 is needed");
    }
    used_[input] = true;
  }

  void check_all_used() const {
    const auto unused = std::find(used_.begin(), used_.end(), false);
    if (unused != used_.end()) {
      invalid("input ", unused - used_.begin(), " (attribute 'input_types') is used by no lookup");
    }
  }

 private:
  const NodeSpec& spec_;
  std::vector<bool> used_;
};

void check_layout(const LookupSpec& lookup, std::size_t i) {
  const auto layout = static_cast<int>(lookup.layout);
  const bool flat = lookup.layout != Layout::kPlain && lookup.layout != Layout::kPooled;
  if (flat != (lookup.layout_input >= 0)) {
    invalid("attribute 'layout_inputs'[", i, "] is ", lookup.layout_input, ", but 'layouts'[", i,
            "] is ", layout, flat ? ", which needs an input" : ", which takes none: use -1");
  }
  if (flat && lookup.ids_column >= 0) {
    invalid("attribute 'ids_columns'[", i, "] is ", lookup.ids_column, ", but 'layouts'[", i,
            "] is ", layout, ", which reads the ids flat: use -1");
  }
  const bool segments = lookup.layout == Layout::kSegments;
  if (!segments && lookup.size_input >= 0) {
    invalid("attribute 'size_inputs'[", i, "] is ", lookup.size_input, ", but 'layouts'[", i,
            "] is ", layout, "; only layout 5 has a size");
  }
  const bool needs_size = segments && lookup.size_input < 0;
  if (needs_size != (lookup.size >= 0)) {
    invalid("attribute 'sizes'[", i, "] is ", lookup.size, ", but 'layouts'[", i, "] is ", layout,
            " and 'size_inputs'[", i, "] is ", lookup.size_input,
            needs_size ? "; a number of segments is needed" : "; use -1");
  }
}

void check_combiner(const LookupSpec& lookup, std::size_t i) {
  const auto combiner = static_cast<int>(lookup.combiner);
  if ((lookup.layout == Layout::kPlain) != (lookup.combiner == Combiner::kNone)) {
    invalid("attribute 'combiners'[", i, "] is ", combiner, ", but 'layouts'[", i, "] is ",
            static_cast<int>(lookup.layout), "; combiner 0 goes with layout 0 and only with it");
  }
  if (lookup.combiner == Combiner::kNone && lookup.weights_input >= 0) {
    invalid("attribute 'weights_inputs'[", i, "] is ", lookup.weights_input, ", but 'combiners'[",
            i, "] is 0; weights need a combiner");
  }
  const bool divides = lookup.combiner == Combiner::kMean || lookup.combiner == Combiner::kSqrtN;
  if (!divides && lookup.divisor != Divisor::kWeights) {
    invalid("attribute 'divisors'[", i, "] is ", static_cast<int>(lookup.divisor),
            ", but 'combiners'[", i, "] is ", combiner, ", which does not divide: use 0");
  }
}

void check_inputs(const NodeSpec& spec) {
  Inputs inputs(spec);
  for (std::size_t i = 0; i < spec.lookups.size(); ++i) {
    const LookupSpec& lookup = spec.lookups[i];
    inputs.use("ids_inputs", i, lookup.ids_input, Use::kIds);
    if (lookup.layout_input >= 0) {
      inputs.use("layout_inputs", i, lookup.layout_input, Use::kLayout);
    }
    if (lookup.size_input >= 0) inputs.use("size_inputs", i, lookup.size_input, Use::kSize);
    if (lookup.weights_input >= 0) {
      inputs.use("weights_inputs", i, lookup.weights_input, Use::kWeights);
    }
  }
  inputs.check_all_used();
}

/// The column blocks of every output lie side by side from 0.
void check_outputs(const NodeSpec& spec) {
  std::vector<std::size_t> order(spec.lookups.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
    if (static_cast<std::size_t>(spec.lookups[i].output) >= spec.output_types.size()) {
      invalid("attribute 'outputs'[", i, "] is ", spec.lookups[i].output, ", but the node has ",
              spec.output_types.size(), " embedding outputs ('output_types')");
    }
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const LookupSpec& x = spec.lookups[a];
    const LookupSpec& y = spec.lookups[b];
    return x.output != y.output ? x.output < y.output : x.output_column < y.output_column;
  });
  std::vector<std::int64_t> width(spec.output_types.size(), 0);
  for (const std::size_t i : order) {
    const LookupSpec& lookup = spec.lookups[i];
    std::int64_t& end = width[lookup.output];
    if (lookup.output_column != end) {
      invalid("attribute 'output_columns'[", i, "] is ", lookup.output_column,
              ", but the columns of output ", lookup.output, " before it end at ", end,
              "; blocks must leave no gap and not overlap");
    }
    end += lookup.dim;
    if (end > std::numeric_limits<std::int32_t>::max()) {
      invalid("attribute 'dims'[", i, "] is ", lookup.dim, ", which makes output ", lookup.output,
              " wider than 2147483647 columns");
    }
  }
  const auto empty = std::find(width.begin(), width.end(), 0);
  if (empty != width.end()) {
    invalid("output ", empty - width.begin(),
            " (attribute 'output_types') is named by no entry of 'outputs'");
  }
}

}  // namespace

void check_rules(const NodeSpec& spec) {
  check_identity(spec);
  for (std::size_t i = 0; i < spec.lookups.size(); ++i) {
    check_layout(spec.lookups[i], i);
    check_combiner(spec.lookups[i], i);
  }
  check_inputs(spec);
  check_outputs(spec);
}

}  // namespace hps
