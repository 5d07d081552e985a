// Fills the output of a range of one lookup's items: rows, or bags. Internal to lookup.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lookup/node_call.h"
#include "lookup/service.h"

namespace hps {

/// Where keys that no tier holds are counted; `counts` is null when nobody asked. Tasks of several
/// lookups add to one sample at a time.
struct Unresolved {
  std::int32_t* counts = nullptr;

  void add(const LookupCall& call, std::size_t item) const noexcept;
};

/// Layout 0: items [begin, end) of `call`, whose ids `wrap_rows` wraps (0: not at all).
void write_rows(const LookupCall& call, const Table& table, std::int64_t wrap_rows,
                std::size_t begin, std::size_t end, Unresolved unresolved);

/// All other layouts: bags [begin, end).
void write_bags(const LookupCall& call, const Table& table, std::int64_t wrap_rows,
                std::size_t begin, std::size_t end, Unresolved unresolved);

}  // namespace hps
