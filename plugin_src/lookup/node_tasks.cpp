#include "lookup/node_tasks.h"

#include <algorithm>

namespace hps {
namespace {

/// One task moves about this many bytes: 10 to 30 microseconds, so that waking a thread pays and 64
/// threads still share a batch of 1024 x 26 rows evenly.
constexpr std::size_t kTaskBytes = 128 * 1024;
/// What one more lookup call or one more id costs beyond its bytes, in the same unit.
constexpr std::size_t kCallBytes = 2048;
constexpr std::size_t kIdBytes = 64;

/// Of one row as it is read.
std::size_t row_bytes(const LookupCall& call) { return call.spec->dim * sizeof(float) + kIdBytes; }

/// Of an item of `ids` ids; never 0, and never overflowing.
std::size_t item_cost(const LookupCall& call, std::size_t ids) {
  const std::size_t bytes = row_bytes(call);
  return ids >= kTaskBytes / bytes ? kTaskBytes : (ids + 1) * bytes;
}

}  // namespace

void TaskList::build(std::span<const LookupCall> lookups) {
  pieces_.clear();
  first_pieces_.assign(1, 0);
  load_ = 0;
  for (const LookupCall& call : lookups) {
    if (call.starts.empty()) {
      add_even(call);
    } else {
      add_uneven(call);
    }
  }
  close_task();
}

/// Items of equal cost.
void TaskList::add_even(const LookupCall& call) {
  const std::size_t ids = call.spec->layout == Layout::kPlain ? 0 : call.bag_length;
  const std::size_t cost = item_cost(call, ids);
  std::size_t at = 0;
  while (at < call.items) {
    const std::size_t room = load_ < kTaskBytes ? (kTaskBytes - load_) / cost : 0;
    const std::size_t n = std::min(call.items - at, std::max<std::size_t>(1, room));
    add_piece({call.index, at, at + n}, n * cost);
    at += n;
  }
}

/// Bags whose sizes differ.
void TaskList::add_uneven(const LookupCall& call) {
  std::size_t begin = 0;
  std::size_t cost = 0;
  for (std::size_t bag = 0; bag < call.items; ++bag) {
    const std::size_t ids = call.first_id(bag + 1) - call.first_id(bag);
    cost += item_cost(call, ids);
    if (load_ + cost < kTaskBytes && bag + 1 < call.items) continue;
    add_piece({call.index, begin, bag + 1}, cost);
    begin = bag + 1;
    cost = 0;
  }
}

void TaskList::add_piece(Piece piece, std::size_t cost) {
  pieces_.push_back(piece);
  load_ += cost + kCallBytes;
  if (load_ + kTaskBytes / 8 >= kTaskBytes) close_task();
}

void TaskList::close_task() {
  if (first_pieces_.back() == pieces_.size()) return;
  first_pieces_.push_back(pieces_.size());
  load_ = 0;
}

}  // namespace hps
