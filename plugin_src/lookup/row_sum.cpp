#include "lookup/row_sum.h"

#include <cstring>

namespace hps {
namespace {

/// Eight lanes: one AVX register, or what the compiler makes of it where there is none. Written as
/// vectors because a build with -O2 does not vectorise loops of unknown length.
using Lanes = float __attribute__((vector_size(32)));
constexpr std::size_t kLanes = sizeof(Lanes) / sizeof(float);

#if defined(__x86_64__) && !defined(__AVX__)
#define HPS_WIDE __attribute__((target("avx")))
bool have_avx() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx") != 0;
}
#define HPS_HAS_WIDE 1
#endif

enum class Operation { kAdd, kAddScaled, kDivide };

/// Inlined into a function per instruction set; Lanes never cross a call.
template <Operation kOperation>
__attribute__((always_inline)) inline void apply(float* sum, const float* row, float factor,
                                                 std::size_t dim) noexcept {
  std::size_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    Lanes a;
    std::memcpy(&a, sum + i, sizeof(a));
    if constexpr (kOperation == Operation::kDivide) {
      a /= factor;
    } else {
      Lanes b;
      std::memcpy(&b, row + i, sizeof(b));
      if constexpr (kOperation == Operation::kAddScaled) b *= factor;
      a += b;
    }
    std::memcpy(sum + i, &a, sizeof(a));
  }
  for (; i < dim; ++i) {
    if constexpr (kOperation == Operation::kDivide) {
      sum[i] /= factor;
    } else {
      sum[i] += kOperation == Operation::kAddScaled ? row[i] * factor : row[i];
    }
  }
}

#if defined(HPS_HAS_WIDE)
template <Operation kOperation>
HPS_WIDE void apply_wide(float* sum, const float* row, float factor, std::size_t dim) noexcept {
  apply<kOperation>(sum, row, factor, dim);
}
#endif

template <Operation kOperation>
void dispatch(float* sum, const float* row, float factor, std::size_t dim) noexcept {
#if defined(HPS_HAS_WIDE)
  static const bool wide = have_avx();
  if (wide) {
    apply_wide<kOperation>(sum, row, factor, dim);
    return;
  }
#endif
  apply<kOperation>(sum, row, factor, dim);
}

}  // namespace

void add_row(float* sum, const float* row, std::size_t dim) noexcept {
  dispatch<Operation::kAdd>(sum, row, 0.0F, dim);
}

void add_scaled_row(float* sum, const float* row, float weight, std::size_t dim) noexcept {
  dispatch<Operation::kAddScaled>(sum, row, weight, dim);
}

void divide_row(float* sum, float divisor, std::size_t dim) noexcept {
  dispatch<Operation::kDivide>(sum, nullptr, divisor, dim);
}

}  // namespace hps
