#include "lookup/node_rows.h"

#include <atomic>
#include <cstring>

namespace hps {
namespace {

/// Positions are 32 bits wide in Missing.
constexpr std::size_t kBatch = std::size_t{1} << 20;

Missing& missing_scratch() {
  thread_local Missing missing;
  missing.clear();
  return missing;
}

/// Rows of ids [begin, begin + n), none of them ignored.
void write_run(const LookupCall& call, const Table& table, const KeyView& ids, std::size_t begin,
               std::size_t n, Unresolved unresolved) {
  Missing& missing = missing_scratch();
  const RowsOut out{call.out + begin * call.out_stride, call.out_stride};
  table.lookup(ids.slice(begin, n), out, call.out_type, missing);
  if (unresolved.counts == nullptr) return;
  for (const std::uint32_t position : missing) unresolved.add(call, begin + position);
}

}  // namespace

void Unresolved::add(const LookupCall& call, std::size_t item) const noexcept {
  std::atomic_ref<std::int32_t> count(counts[item / call.items_per_sample]);
  count.fetch_add(1, std::memory_order_relaxed);
}

void write_rows(const LookupCall& call, const Table& table, std::int64_t wrap_rows,
                std::size_t begin, std::size_t end, Unresolved unresolved) {
  KeyView ids = call.ids;  // compared with the ignored id before wrapping
  KeyView wrapped = call.ids;
  wrapped.wrap_rows = wrap_rows;
  const std::size_t row_bytes = call.spec->dim * element_size(call.out_type);
  std::size_t at = begin;
  while (at < end) {
    std::size_t run = at;
    const std::size_t stop = std::min(end, at + kBatch);
    if (call.spec->ignored_id.has_value()) {
      const Key ignored = *call.spec->ignored_id;
      while (at < stop && ids[at] == ignored) {
        std::memset(call.out + at++ * call.out_stride, 0, row_bytes);
      }
      run = at;
      while (run < stop && ids[run] != ignored) ++run;
    } else {
      run = stop;
    }
    if (run > at) write_run(call, table, wrapped, at, run - at, unresolved);
    at = run;
  }
}

}  // namespace hps
