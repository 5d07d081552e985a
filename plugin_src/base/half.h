// fp16 and bf16 to and from fp32, one element at a time and by rows.
//
// Widening is exact. Narrowing rounds to nearest, ties to even; values beyond the largest finite
// one become infinities, and subnormals are kept. A NaN stays a NaN: its sign and the bits of its
// payload that fit are kept and it becomes quiet, in both directions. The results do not depend on
// the processor: the vector paths (chosen at run time) give the bits of the scalar functions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/data_type.h"

namespace hps {

float widen_fp16(std::uint16_t half) noexcept;
std::uint16_t narrow_fp16(float value) noexcept;

inline float widen_bf16(std::uint16_t bits) noexcept {
  const std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
  const bool nan = (bits & 0x7fffU) > 0x7f80U;
  return std::bit_cast<float>(nan ? wide | 0x00400000U : wide);
}

inline std::uint16_t narrow_bf16(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>(bits >> 16 | 0x0040U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

/// Converts `count` elements of `from` at `in` into elements of `to` at `out`; the ranges do not
/// overlap and need no alignment. Each of the types is kFloat32, kFloat16 or kBFloat16; equal types
/// are copied bit for bit. Never fails: other types are a bug of the caller's and write nothing.
void convert_row(DataType from, const void* in, DataType to, void* out, std::size_t count) noexcept;

/// Writes `float(in[i]) * scale`, a product in fp32, narrowed to `to` (types as above).
void dequantize_row(const std::int8_t* in, float scale, DataType to, void* out,
                    std::size_t count) noexcept;

/// "avx2" or "scalar": what convert_row uses here, for messages and tests.
std::string_view conversion_path() noexcept;

namespace detail {
/// The scalar path by name, so that a test can compare it with whatever convert_row uses.
void convert_row_scalar(DataType from, const void* in, DataType to, void* out,
                        std::size_t count) noexcept;
}  // namespace detail

}  // namespace hps
