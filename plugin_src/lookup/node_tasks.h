// How the work of one call is shared out over threads. Internal to lookup.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "lookup/node_call.h"

namespace hps {

/// Items [begin, end) of one lookup.
struct Piece {
  std::size_t lookup = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Cuts lookups into pieces and gathers pieces into tasks of about equal cost. Reused from call to
/// call, so that nothing is allocated once it has seen the largest.
class TaskList {
 public:
  /// @param lookups with their bags found
  void build(std::span<const LookupCall> lookups);

  std::size_t tasks() const noexcept { return first_pieces_.size() - 1; }
  std::span<const Piece> task(std::size_t i) const noexcept {
    return {pieces_.data() + first_pieces_[i], first_pieces_[i + 1] - first_pieces_[i]};
  }

 private:
  void add_even(const LookupCall& call);
  void add_uneven(const LookupCall& call);
  void add_piece(Piece piece, std::size_t cost);
  void close_task();

  std::vector<Piece> pieces_;
  std::vector<std::size_t> first_pieces_ = {0};  ///< of task i; one more at the end
  std::size_t load_ = 0;                         ///< of the task being gathered
};

}  // namespace hps
