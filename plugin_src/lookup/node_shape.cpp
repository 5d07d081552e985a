#include "lookup/node_shape.h"

#include <algorithm>
#include <limits>

#include "lookup/node_rules.h"

namespace hps {
namespace {

/// Rank of the ids as the lookup sees them: without the axis a column is taken from.
std::int32_t ids_rank(const LookupSpec& lookup, std::size_t index,
                      std::span<const std::int32_t> ranks) {
  const std::int32_t rank = ranks[lookup.ids_input];
  if (lookup.ids_column < 0) return rank;
  if (rank < 1) {
    invalid("lookup ", index, ": column ", lookup.ids_column, " of input ", lookup.ids_input,
            " is asked for, but that input has rank 0");
  }
  return rank - 1;
}

void need_rank(std::size_t index, const char* role, std::int32_t input, std::int32_t rank,
               std::int32_t wanted) {
  if (rank == wanted) return;
  invalid("lookup ", index, ": ", role, " (input ", input, ") have rank ", rank,
          "; they must have rank ", wanted);
}

}  // namespace

std::vector<DimSource> leading_extents(const LookupSpec& lookup, std::size_t index,
                                       std::span<const std::int32_t> ranks) {
  const std::int32_t rank = ids_rank(lookup, index, ranks);
  if (rank < 1 && lookup.layout != Layout::kPlain) {
    invalid("lookup ", index, ": ids (input ", lookup.ids_input,
            ") are a scalar; only layout 0 takes one");
  }
  if (lookup.weights_input >= 0) {
    need_rank(index, "weights", lookup.weights_input, ranks[lookup.weights_input], rank);
  }
  std::vector<DimSource> extents;
  if (lookup.layout == Layout::kPlain || lookup.layout == Layout::kPooled) {
    const std::int32_t kept = lookup.layout == Layout::kPlain ? rank : rank - 1;
    for (std::int32_t axis = 0; axis < kept; ++axis) extents.push_back({lookup.ids_input, axis});
    return extents;
  }
  const char* role = lookup.layout == Layout::kSegments  ? "segment ids"
                     : lookup.layout == Layout::kLengths ? "lengths"
                                                         : "offsets";
  need_rank(index, role, lookup.layout_input, ranks[lookup.layout_input], 1);
  if (lookup.layout != Layout::kSegments) {
    const std::int64_t addend = lookup.layout == Layout::kOffsetsLast ? -1 : 0;
    extents.push_back({lookup.layout_input, 0, addend});
  } else if (lookup.size_input < 0) {
    extents.push_back({-1, 0, 0, lookup.size});
  } else {
    if (ranks[lookup.size_input] < 1) {
      invalid("lookup ", index, ": the size input ", lookup.size_input,
              " has rank 0; the number of segments is its first extent");
    }
    extents.push_back({lookup.size_input, 0});
  }
  return extents;
}

std::vector<DimSource> NodeSpec::output_shape(std::size_t output,
                                              std::span<const std::int32_t> input_ranks) const {
  if (input_ranks.size() != inputs()) {
    invalid("the node has ", inputs(), " inputs, but ", input_ranks.size(), " were given");
  }
  if (output >= outputs()) {
    invalid("the node has ", outputs(), " outputs, but output ", output, " was asked for");
  }
  if (version == 1 && input_ranks[0] < 1) {
    invalid("the ids (input 0) are a scalar; version \"1\" takes rank 1 or more");
  }
  const bool unresolved = output == output_types.size();
  std::vector<DimSource> extents;
  bool first = true;
  std::int64_t width = 0;
  for (std::size_t i = 0; i < lookups.size(); ++i) {
    if (static_cast<std::size_t>(lookups[i].output) != (unresolved ? 0 : output)) continue;
    auto own = leading_extents(lookups[i], i, input_ranks);
    if (!first && own.size() != extents.size()) {
      invalid("lookup ", i, " writes rank ", own.size() + 1, " into output ", output,
              ", whose other lookups write rank ", extents.size() + 1);
    }
    // A plain extent is worth more to a host that reasons on symbols than a constant or a sum.
    const bool simpler = !first && own.size() == 1 && own[0].input >= 0 && own[0].addend == 0 &&
                         (extents[0].input < 0 || extents[0].addend != 0);
    if (first || simpler) extents = std::move(own);
    first = false;
    width += lookups[i].dim;
  }
  if (unresolved) {
    const DimSource samples = extents.empty() ? DimSource{-1, 0, 0, 1} : extents[0];
    return {samples};
  }
  extents.push_back({-1, 0, 0, width});
  return extents;
}

std::string shape_text(std::span<const std::int64_t> extents) {
  std::string text = "[";
  for (std::size_t i = 0; i < extents.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(extents[i]);
  }
  return text + "]";
}

std::int64_t product(std::span<const std::int64_t> extents, const char* kind,
                     std::size_t position) {
  std::int64_t result = 1;
  bool empty = false;
  for (const std::int64_t extent : extents) {
    if (extent < 0)
      invalid(kind, " ", position, " has the negative extent ", extent, " in ",
              shape_text(extents));
    empty = empty || extent == 0;
  }
  if (empty) return 0;
  for (const std::int64_t extent : extents) {
    if (result > std::numeric_limits<std::int64_t>::max() / extent) {
      invalid(kind, " ", position, " of shape ", shape_text(extents),
              " has more than 2^63 elements");
    }
    result *= extent;
  }
  return result;
}

std::vector<std::int64_t> evaluate(std::span<const DimSource> extents, std::size_t index,
                                   std::span<const TensorIn> inputs) {
  std::vector<std::int64_t> numbers;
  numbers.reserve(extents.size() + 1);
  for (const DimSource& source : extents) {
    const std::int64_t extent = source.input < 0
                                    ? source.constant
                                    : inputs[source.input].shape[source.axis] + source.addend;
    if (extent < 0) {
      invalid("lookup ", index, ": offsets (input ", source.input,
              ") are empty; layout 3 needs at least the last one");
    }
    numbers.push_back(extent);
  }
  return numbers;
}

}  // namespace hps
