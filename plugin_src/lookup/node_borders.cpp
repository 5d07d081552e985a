// Where the bags of layouts 2 to 5 begin: every value from outside is checked here, before any
// read.
#include "base/error.h"
#include "lookup/node_call.h"
#include "lookup/node_rules.h"
#include "lookup/node_shape.h"

namespace hps {
namespace {

/// Reads a checked position of an id tensor.
std::int64_t value_at(const TensorIn& input, std::size_t i) {
  return KeyView{input.data, input.type, 0, 1, 0}[i];
}

template <class... Parts>
[[noreturn]] void bad_value(const LookupCall& call, const char* role, std::size_t position,
                            std::int64_t value, const Parts&... why) {
  invalid("lookup ", call.index, ": ", role, "[", position, "] (input ", call.spec->layout_input,
          ") is ", value, "; ", why...);
}

void bags_of_offsets(const LookupCall& call, const TensorIn& offsets, std::int64_t* starts) {
  const auto ids = static_cast<std::int64_t>(call.ids.count);
  const bool last_given = call.spec->layout == Layout::kOffsetsLast;
  const std::size_t given = call.items + (last_given ? 1 : 0);
  std::int64_t before = 0;
  for (std::size_t i = 0; i < given; ++i) {
    const std::int64_t value = value_at(offsets, i);
    if (i == 0 && value != 0) bad_value(call, "offsets", i, value, "the first must be 0");
    if (value < before)
      bad_value(call, "offsets", i, value, "it may not be below ", before, " before it");
    if (value > ids) bad_value(call, "offsets", i, value, "there are ", ids, " ids");
    starts[i] = before = value;
  }
  if (!last_given) starts[call.items] = call.items == 0 ? 0 : ids;
}

void bags_of_lengths(const LookupCall& call, const TensorIn& lengths, std::int64_t* starts) {
  const auto ids = static_cast<std::int64_t>(call.ids.count);
  std::int64_t sum = 0;
  starts[0] = 0;
  for (std::size_t i = 0; i < call.items; ++i) {
    const std::int64_t value = value_at(lengths, i);
    if (value < 0) bad_value(call, "lengths", i, value, "it may not be negative");
    if (value > ids - sum) {
      bad_value(call, "lengths", i, value, "only ", ids - sum, " of the ", ids, " ids are left");
    }
    starts[i + 1] = sum += value;
  }
  if (sum != ids) {
    invalid("lookup ", call.index, ": lengths (input ", call.spec->layout_input, ") add up to ",
            sum, ", but there are ", ids, " ids");
  }
}

void bags_of_segments(const LookupCall& call, const TensorIn& segments, std::int64_t* starts) {
  const auto bags = static_cast<std::int64_t>(call.items);
  std::int64_t next = 0;  // the first bag whose start is not known yet
  for (std::size_t i = 0; i < call.ids.count; ++i) {
    const std::int64_t value = value_at(segments, i);
    if (value < 0 || value >= bags) {
      bad_value(call, "segment ids", i, value, "there are ", bags, " segments");
    }
    if (value < next - 1) {
      bad_value(call, "segment ids", i, value, "it may not be below ", next - 1, " before it");
    }
    while (next <= value) starts[next++] = static_cast<std::int64_t>(i);
  }
  while (next <= bags) starts[next++] = static_cast<std::int64_t>(call.ids.count);
}

void check_segments(const LookupCall& call, const TensorIn& segments) {
  if (static_cast<std::size_t>(segments.shape[0]) == call.ids.count) return;
  invalid("lookup ", call.index, ": segment ids (input ", call.spec->layout_input, ") have shape ",
          shape_text(segments.shape), ", but there are ", call.ids.count, " ids");
}

bool is_flat(const LookupCall& call) {
  return call.spec->layout != Layout::kPlain && call.spec->layout != Layout::kPooled;
}

}  // namespace

void find_bags(std::span<LookupCall> lookups, std::span<const TensorIn> inputs,
               std::vector<std::int64_t>& storage) {
  std::size_t total = 0;
  for (const LookupCall& call : lookups) {
    if (!is_flat(call)) continue;
    if (call.items >= storage.max_size() - total) {
      invalid("lookup ", call.index, ": ", call.items, " bags are more than memory can hold");
    }
    total += call.items + 1;
  }
  if (storage.size() < total) storage.resize(total);
  std::size_t at = 0;
  for (LookupCall& call : lookups) {
    if (!is_flat(call)) continue;
    const TensorIn& given = inputs[call.spec->layout_input];
    std::int64_t* starts = storage.data() + at;
    if (call.spec->layout == Layout::kSegments) {
      check_segments(call, given);
      bags_of_segments(call, given, starts);
    } else if (call.spec->layout == Layout::kLengths) {
      bags_of_lengths(call, given, starts);
    } else {
      bags_of_offsets(call, given, starts);
    }
    call.starts = {starts, call.items + 1};
    at += call.items + 1;
  }
}

}  // namespace hps
