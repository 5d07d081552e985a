#include "base/half.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#define HPS_X86 1
#endif

namespace hps {

float widen_fp16(std::uint16_t half) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = half >> 10 & 0x1fU;
  const std::uint32_t mantissa = half & 0x3ffU;
  if (exponent == 0x1f) {
    const std::uint32_t quiet = mantissa != 0 ? 0x00400000U : 0;
    return std::bit_cast<float>(sign | 0x7f800000U | mantissa << 13 | quiet);
  }
  if (exponent == 0) {
    // A multiple of 2^-24: exact in fp32, where it is a normal number.
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

std::uint16_t narrow_fp16(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) {
    return static_cast<std::uint16_t>(sign | 0x7e00U | (magnitude >> 13 & 0x3ffU));
  }
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);  // >= 65520
  std::uint32_t kept = 0;
  std::uint32_t shift = 13;
  if (magnitude >= 0x38800000U) {  // normal in fp16: rebase the exponent from 127 to 15
    kept = magnitude - 0x38000000U;
  } else {
    if (magnitude <= 0x33000000U) return static_cast<std::uint16_t>(sign);  // <= 2^-25: tie or less
    kept = (magnitude & 0x007fffffU) | 0x00800000U;
    shift = 126 - (magnitude >> 23);
  }
  const std::uint32_t rounded = (kept + (1U << (shift - 1)) - 1 + (kept >> shift & 1U)) >>
                                shift;  // a carry moves the exponent
  return static_cast<std::uint16_t>(sign | rounded);
}

namespace {

template <class T>
T load(const void* from, std::size_t i) noexcept {
  T value;
  std::memcpy(&value, static_cast<const std::byte*>(from) + i * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void store(void* to, std::size_t i, T value) noexcept {
  std::memcpy(static_cast<std::byte*>(to) + i * sizeof(T), &value, sizeof(T));
}

void widen_scalar(DataType from, const void* in, void* out, std::size_t count) noexcept {
  const bool half = from == DataType::kFloat16;
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = load<std::uint16_t>(in, i);
    store(out, i, half ? widen_fp16(bits) : widen_bf16(bits));
  }
}

void narrow_scalar(const void* in, DataType to, void* out, std::size_t count) noexcept {
  const bool half = to == DataType::kFloat16;
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = load<float>(in, i);
    store(out, i, half ? narrow_fp16(value) : narrow_bf16(value));
  }
}

void dequantize_scalar(const std::int8_t* in, float scale, void* out, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) store(out, i, static_cast<float>(in[i]) * scale);
}

#if defined(HPS_X86)
#define HPS_AVX2 __attribute__((target("avx2,f16c")))

HPS_AVX2 void widen_avx2(DataType from, const void* in, void* out, std::size_t count) noexcept {
  const auto* bits = static_cast<const std::uint16_t*>(in);
  auto* floats = static_cast<float*>(out);
  std::size_t i = 0;
  if (from == DataType::kFloat16) {
    for (; i + 8 <= count; i += 8) {
      const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bits + i));
      _mm256_storeu_ps(floats + i, _mm256_cvtph_ps(half));
    }
  } else {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    const __m256i infinity = _mm256_set1_epi32(0x7f800000);
    const __m256i quiet = _mm256_set1_epi32(0x00400000);
    for (; i + 8 <= count; i += 8) {
      const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bits + i));
      const __m256i wide = _mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16);
      const __m256i nan = _mm256_cmpgt_epi32(_mm256_and_si256(wide, magnitude), infinity);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(floats + i),
                          _mm256_or_si256(wide, _mm256_and_si256(nan, quiet)));
    }
  }
  widen_scalar(from, bits + i, floats + i, count - i);
}

/// Eight fp32 as the bf16 in the lower half of each lane.
HPS_AVX2 __m256i bf16_lanes(__m256i bits) noexcept {
  const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
  const __m256i nan = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7f800000));
  const __m256i upper = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
  const __m256i bias = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
  const __m256i quieted = _mm256_or_si256(upper, _mm256_set1_epi32(0x0040));
  return _mm256_blendv_epi8(rounded, quieted, nan);
}

HPS_AVX2 void narrow_avx2(const void* in, DataType to, void* out, std::size_t count) noexcept {
  const auto* floats = static_cast<const float*>(in);
  auto* bits = static_cast<std::uint16_t*>(out);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 wide = _mm256_loadu_ps(floats + i);
    __m128i narrow;
    if (to == DataType::kFloat16) {
      narrow = _mm256_cvtps_ph(wide, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    } else {
      const __m256i lanes = bf16_lanes(_mm256_castps_si256(wide));
      narrow = _mm_packus_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bits + i), narrow);
  }
  narrow_scalar(floats + i, to, bits + i, count - i);
}

HPS_AVX2 void dequantize_avx2(const std::int8_t* in, float scale, void* out,
                              std::size_t count) noexcept {
  auto* floats = static_cast<float*>(out);
  const __m256 factor = _mm256_set1_ps(scale);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(in + i));
    const __m256 wide = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
    _mm256_storeu_ps(floats + i, _mm256_mul_ps(wide, factor));
  }
  dequantize_scalar(in + i, scale, floats + i, count - i);
}

bool have_avx2() noexcept {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  // __builtin_cpu_supports("f16c") is missing from older compilers; it also asks the system for
  // avx2.
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") != 0 && __get_cpuid(1, &a, &b, &c, &d) != 0 &&
         (c & bit_F16C) != 0;
}
#endif

/// The three primitives; everything else is made of them.
struct Path {
  std::string_view name;
  void (*widen)(DataType from, const void* in, void* out, std::size_t count) noexcept;
  void (*narrow)(const void* in, DataType to, void* out, std::size_t count) noexcept;
  void (*dequantize)(const std::int8_t* in, float scale, void* out, std::size_t count) noexcept;
};

constexpr Path kScalar{"scalar", widen_scalar, narrow_scalar, dequantize_scalar};

const Path& best_path() noexcept {
#if defined(HPS_X86)
  static constexpr Path kAvx2{"avx2", widen_avx2, narrow_avx2, dequantize_avx2};
  static const Path* const chosen = have_avx2() ? &kAvx2 : &kScalar;
  return *chosen;
#else
  return kScalar;
#endif
}

/// fp16 <-> bf16 and int8 -> 16 bits go through fp32 in pieces of this many elements.
constexpr std::size_t kPiece = 256;

void convert_with(const Path& path, DataType from, const void* in, DataType to, void* out,
                  std::size_t count) noexcept {
  if (!is_output_type(from) || !is_output_type(to)) return;
  if (from == to) {
    if (count != 0) std::memcpy(out, in, count * (from == DataType::kFloat32 ? 4 : 2));
  } else if (to == DataType::kFloat32) {
    path.widen(from, in, out, count);
  } else if (from == DataType::kFloat32) {
    path.narrow(in, to, out, count);
  } else {
    float piece[kPiece];
    const auto* source = static_cast<const std::uint16_t*>(in);
    auto* target = static_cast<std::uint16_t*>(out);
    for (std::size_t at = 0; at < count; at += kPiece) {
      const std::size_t n = std::min(kPiece, count - at);
      path.widen(from, source + at, piece, n);
      path.narrow(piece, to, target + at, n);
    }
  }
}

}  // namespace

void convert_row(DataType from, const void* in, DataType to, void* out,
                 std::size_t count) noexcept {
  convert_with(best_path(), from, in, to, out, count);
}

void detail::convert_row_scalar(DataType from, const void* in, DataType to, void* out,
                                std::size_t count) noexcept {
  convert_with(kScalar, from, in, to, out, count);
}

void dequantize_row(const std::int8_t* in, float scale, DataType to, void* out,
                    std::size_t count) noexcept {
  const Path& path = best_path();
  if (to == DataType::kFloat32) {
    path.dequantize(in, scale, out, count);
    return;
  }
  if (!is_output_type(to)) return;
  float piece[kPiece];
  auto* target = static_cast<std::uint16_t*>(out);
  for (std::size_t at = 0; at < count; at += kPiece) {
    const std::size_t n = std::min(kPiece, count - at);
    path.dequantize(in + at, scale, piece, n);
    path.narrow(piece, to, target + at, n);
  }
}

std::string_view conversion_path() noexcept { return best_path().name; }

}  // namespace hps
