#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace hps {
namespace {

constexpr DataType kF32 = DataType::kFloat32;
constexpr DataType kF16 = DataType::kFloat16;
constexpr DataType kB16 = DataType::kBFloat16;

std::uint32_t bits_of(float value) { return std::bit_cast<std::uint32_t>(value); }

/// A 16-bit format described by its field widths; values as doubles, by the definition.
struct Format {
  int exponent_bits;
  int mantissa_bits;

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  bool is_nan(std::uint16_t bits) const {
    return exponent(bits) == (1 << exponent_bits) - 1 && mantissa(bits) != 0;
  }
  int exponent(std::uint16_t bits) const {
    return bits >> mantissa_bits & ((1 << exponent_bits) - 1);
  }
  int mantissa(std::uint16_t bits) const { return bits & ((1 << mantissa_bits) - 1); }

  double value(std::uint16_t bits) const {
    const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
    if (exponent(bits) == (1 << exponent_bits) - 1) {
      return sign * std::numeric_limits<double>::infinity();
    }
    return sign * magnitude(exponent(bits), mantissa(bits));
  }
  /// Also for exponent fields beyond the largest: what rounding to nearest sees above the maximum.
  double magnitude(int exponent_field, int mantissa_field) const {
    if (exponent_field == 0) return std::ldexp(mantissa_field, 1 - bias() - mantissa_bits);
    return std::ldexp((1 << mantissa_bits) + mantissa_field,
                      exponent_field - bias() - mantissa_bits);
  }

  /// Nearest by binary search over the (monotonic) magnitudes; ties go to the even pattern.
  std::uint16_t nearest(float input) const {
    const std::uint16_t sign = std::signbit(input) ? 0x8000 : 0;
    const double wanted = std::fabs(static_cast<double>(input));
    const int infinity = ((1 << exponent_bits) - 1) << mantissa_bits;
    int low = 0;
    int high = infinity;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (at(middle) <= wanted ? low : high) = middle;
    }
    if (wanted >= at(infinity)) return static_cast<std::uint16_t>(sign | infinity);
    const double below = wanted - at(low);
    const double above = at(high) - wanted;
    const bool up = above < below || (above == below && (low & 1) != 0);
    return static_cast<std::uint16_t>(sign | (up ? high : low));
  }
  double at(int pattern) const {
    return magnitude(pattern >> mantissa_bits, pattern & ((1 << mantissa_bits) - 1));
  }
};
constexpr Format kHalf{5, 10};
constexpr Format kBrain{8, 7};

template <class Widen>
void check_widening(const Format& format, Widen widen) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float got = widen(bits);
    if (format.is_nan(bits)) {
      const auto payload = static_cast<std::uint32_t>(format.mantissa(bits))
                           << (23 - format.mantissa_bits);
      const std::uint32_t want = (bits & 0x8000U) << 16 | 0x7fc00000U | payload;
      ASSERT_EQ(bits_of(got), want) << std::hex << i;
    } else {
      ASSERT_EQ(static_cast<double>(got), format.value(bits)) << std::hex << i;
      ASSERT_EQ(std::signbit(got), (bits & 0x8000) != 0) << std::hex << i;
    }
  }
}

TEST(Half, WidensAll65536Halves) { check_widening(kHalf, widen_fp16); }
TEST(Half, WidensAll65536BrainFloats) { check_widening(kBrain, widen_bf16); }

TEST(Half, NarrowingUndoesWidening) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const std::uint16_t half_quiet = kHalf.is_nan(bits) ? 0x0200 : 0;
    const std::uint16_t brain_quiet = kBrain.is_nan(bits) ? 0x0040 : 0;
    ASSERT_EQ(narrow_fp16(widen_fp16(bits)), bits | half_quiet) << std::hex << i;
    ASSERT_EQ(narrow_bf16(widen_bf16(bits)), bits | brain_quiet) << std::hex << i;
  }
}

/// Every value of the formats, the midpoints between neighbours, the floats beside all of these,
/// and random bit patterns; no NaN.
std::vector<float> hard_floats() {
  std::vector<float> values;
  const auto add = [&values](double value) {
    const auto narrow = static_cast<float>(value);
    for (const float v :
         {narrow, std::nextafterf(narrow, INFINITY), std::nextafterf(narrow, -INFINITY)}) {
      values.push_back(v);
      values.push_back(-v);
    }
  };
  for (const Format& format : {kHalf, kBrain}) {
    const int infinity = ((1 << format.exponent_bits) - 1) << format.mantissa_bits;
    for (int pattern = 0; pattern < infinity; ++pattern) {
      add(format.at(pattern));
      add((format.at(pattern) + format.at(pattern + 1)) / 2);
    }
  }
  add(std::numeric_limits<float>::max());
  add(std::numeric_limits<float>::denorm_min());
  values.push_back(INFINITY);
  values.push_back(-INFINITY);
  std::mt19937 random(7);
  for (int i = 0; i < 500000; ++i) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isnan(value)) values.push_back(value);
  }
  return values;
}

TEST(Half, NarrowsToTheNearestTiesToEven) {
  for (const float value : hard_floats()) {
    ASSERT_EQ(narrow_fp16(value), kHalf.nearest(value)) << std::hexfloat << value;
    ASSERT_EQ(narrow_bf16(value), kBrain.nearest(value)) << std::hexfloat << value;
  }
}

TEST(Half, NarrowedNanStaysNan) {
  for (const std::uint32_t bits :
       {0x7f800001U, 0x7f801fffU, 0x7fc00000U, 0xff800001U, 0xffffffffU, 0x7fa55000U}) {
    const auto value = std::bit_cast<float>(bits);
    const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
    EXPECT_EQ(narrow_fp16(value), sign | 0x7e00U | (bits >> 13 & 0x3ffU)) << std::hex << bits;
    EXPECT_EQ(narrow_bf16(value), sign | 0x7fc0U | (bits >> 16 & 0x7fU)) << std::hex << bits;
  }
}

/// Runs `count` elements through both paths, at an odd address, and compares the bytes.
void compare_paths(DataType from, DataType to, const void* in, std::size_t count) {
  const std::size_t width = to == kF32 ? 4 : 2;
  std::vector<std::byte> fast(count * width + 2, std::byte{0xee});
  std::vector<std::byte> slow(count * width + 2, std::byte{0xee});
  convert_row(from, in, to, fast.data() + 1, count);
  detail::convert_row_scalar(from, in, to, slow.data() + 1, count);
  ASSERT_EQ(std::memcmp(fast.data(), slow.data(), fast.size()), 0)
      << name_of(from) << " to " << name_of(to) << ", " << count << " elements, path "
      << conversion_path();
  ASSERT_EQ(fast.back(), std::byte{0xee});
}

TEST(Half, RowsAreTheBitsOfTheScalarFunctions) {
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  std::vector<float> floats = hard_floats();
  std::mt19937 random(11);
  for (int i = 0; i < 1000; ++i) {  // NaNs of every kind
    const std::uint32_t payload = static_cast<std::uint32_t>(random()) >> (random() % 23);
    floats.push_back(std::bit_cast<float>(0x7f800000U | (payload & 0x807fffffU) | 1U));
  }
  for (const DataType to : {kF32, kF16, kB16}) {
    compare_paths(kF16, to, halves.data(), halves.size());
    compare_paths(kB16, to, halves.data(), halves.size());
    compare_paths(kF32, to, floats.data(), floats.size());
  }
}

TEST(Half, RowsOfEveryLengthWriteNothingBeyond) {
  std::vector<std::uint16_t> in(600);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint16_t>(i * 109);
  for (std::size_t count = 0; count <= 520; count += count < 40 ? 1 : 37) {
    compare_paths(kF16, kF32, in.data(), count);
    compare_paths(kF16, kB16, in.data(), count);
    compare_paths(kF32, kF16, in.data(), count / 2);
    compare_paths(kB16, kB16, in.data(), count);
  }
}

TEST(Half, DequantizesInFp32ThenNarrows) {
  std::vector<std::int8_t> in(300);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::int8_t>(i);
  const float scale = 0.0123F;
  std::vector<float> wide(in.size());
  std::vector<std::uint16_t> half(in.size());
  std::vector<std::uint16_t> brain(in.size());
  dequantize_row(in.data(), scale, kF32, wide.data(), in.size());
  dequantize_row(in.data(), scale, kF16, half.data(), in.size());
  dequantize_row(in.data(), scale, kB16, brain.data(), in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    const float want = static_cast<float>(in[i]) * scale;
    ASSERT_EQ(bits_of(wide[i]), bits_of(want));
    ASSERT_EQ(half[i], kHalf.nearest(want));
    ASSERT_EQ(brain[i], kBrain.nearest(want));
  }
}

TEST(Half, OtherTypesWriteNothing) {
  const std::int32_t in = 7;
  std::int32_t out = 9;
  convert_row(DataType::kInt32, &in, kF32, &out, 1);
  EXPECT_EQ(out, 9);
}

}  // namespace
}  // namespace hps
