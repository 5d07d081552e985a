#include "store/row_gather.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HPS_X86_KERNELS 1
#include <immintrin.h>
#endif

namespace hps {
namespace {

constexpr std::size_t kLine = 64;

// Measured (Zen 5, tables beyond the last cache): about 8 KiB under way keep the memory busy, fewer
// than 8 rows do not cover its latency, and more than 8 lines of a row are what the processor's own
// stream prefetcher finds.
constexpr std::size_t kBytesAhead = 8192;
constexpr std::size_t kMostPrefetched = 8 * kLine;
constexpr std::size_t rows_ahead(std::size_t pitch) {
  return std::clamp<std::size_t>(kBytesAhead / std::max<std::size_t>(pitch, 1), 8, 32);
}

[[gnu::always_inline]] inline void prefetch_row(const TableRows& table, std::uint64_t row,
                                                std::size_t pitch) {
  if (row == RowGather::kNone) return;
  const std::byte* at = table.data + row * pitch;
  const std::size_t bytes = std::min(pitch, kMostPrefetched);
  for (std::size_t b = 0; b < bytes; b += kLine) __builtin_prefetch(at + b);
  if (bytes % kLine != 0 || pitch % kLine != 0) __builtin_prefetch(at + bytes - 1);
  if (table.scales != nullptr) __builtin_prefetch(table.scales + row);
}

/// The loop that all kernels are: `copy(destination, row)` with the rows to come prefetched.
template <class Copy>
[[gnu::always_inline]] inline std::size_t for_each_row(const TableRows& table,
                                                       const std::uint64_t* at, std::size_t count,
                                                       RowsOut out, std::size_t pitch, Copy copy) {
  const std::size_t ahead = rows_ahead(pitch);
  for (std::size_t i = 0; i < std::min(ahead, count); ++i) prefetch_row(table, at[i], pitch);
  std::size_t none = 0;
  std::byte* to = out.data;
  for (std::size_t i = 0; i < count; ++i, to += out.stride) {
    if (i + ahead < count) prefetch_row(table, at[i + ahead], pitch);
    if (at[i] == RowGather::kNone) {
      ++none;
    } else {
      copy(to, at[i]);
    }
  }
  return none;
}

// Any row size. The C library's memcpy picks this processor's registers by itself.
std::size_t gather_any(const TableRows& table, const std::uint64_t* at, std::size_t count,
                       RowsOut out) noexcept {
  const std::size_t pitch = table.pitch;
  return for_each_row(table, at, count, out, pitch, [&](std::byte* to, std::uint64_t row) {
    std::memcpy(to, table.data + row * pitch, pitch);
  });
}

std::size_t gather_scaled(const TableRows& table, const std::uint64_t* at, std::size_t count,
                          RowsOut out) noexcept {
  const std::size_t pitch = table.pitch;
  return for_each_row(table, at, count, out, pitch, [&](std::byte* to, std::uint64_t row) {
    std::memcpy(to, table.data + row * pitch, pitch);
    std::memcpy(to + pitch, table.scales + row, sizeof(float));
  });
}

struct Kernels {
  RowGather::Kernel plain;
  RowGather::Kernel streaming;
};

#ifdef HPS_X86_KERNELS

// One size of row each, so that the copy is a run of moves without a call. The bodies carry the
// attribute too: code is inlined only into code for the same processor.
template <std::size_t kBytes>
[[gnu::target("avx512f")]] std::size_t gather_avx512(const TableRows& table,
                                                     const std::uint64_t* at, std::size_t count,
                                                     RowsOut out) noexcept {
  const auto copy = [&table](std::byte * to, std::uint64_t row) __attribute__((target("avx512f"))) {
    const std::byte* from = table.data + row * kBytes;
#pragma GCC unroll 16
    for (std::size_t b = 0; b < kBytes; b += 64) {
      _mm512_storeu_si512(to + b, _mm512_loadu_si512(from + b));
    }
  };
  return for_each_row(table, at, count, out, kBytes, copy);
}

// `out.data` and `out.stride` must be multiples of 64.
template <std::size_t kBytes>
[[gnu::target("avx512f")]] std::size_t stream_avx512(const TableRows& table,
                                                     const std::uint64_t* at, std::size_t count,
                                                     RowsOut out) noexcept {
  const auto copy = [&table](std::byte * to, std::uint64_t row) __attribute__((target("avx512f"))) {
    const std::byte* from = table.data + row * kBytes;
#pragma GCC unroll 16
    for (std::size_t b = 0; b < kBytes; b += 64) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(to + b), _mm512_loadu_si512(from + b));
    }
  };
  const std::size_t none = for_each_row(table, at, count, out, kBytes, copy);
  _mm_sfence();  // streamed stores are not ordered by what publishes the output afterwards
  return none;
}

template <std::size_t kBytes>
[[gnu::target("avx2")]] std::size_t gather_avx2(const TableRows& table, const std::uint64_t* at,
                                                std::size_t count, RowsOut out) noexcept {
  const auto copy = [&table](std::byte * to, std::uint64_t row) __attribute__((target("avx2"))) {
    const std::byte* from = table.data + row * kBytes;
#pragma GCC unroll 16
    for (std::size_t b = 0; b < kBytes; b += 32) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + b),
                          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + b)));
    }
  };
  return for_each_row(table, at, count, out, kBytes, copy);
}

template <std::size_t kBytes>
Kernels kernels_of(RowGather::Copies copies) {
  switch (copies) {
    case RowGather::Copies::kAvx512:
      return {gather_avx512<kBytes>, stream_avx512<kBytes>};
    case RowGather::Copies::kAvx2:
      return {gather_avx2<kBytes>, gather_avx2<kBytes>};
    case RowGather::Copies::kPortable:
      break;
  }
  return {gather_any, gather_any};
}

Kernels choose_kernels(std::size_t pitch, RowGather::Copies copies) {
  switch (pitch) {
    case 64:
      return kernels_of<64>(copies);
    case 128:
      return kernels_of<128>(copies);
    case 256:
      return kernels_of<256>(copies);
    case 512:
      return kernels_of<512>(copies);
    case 1024:
      return kernels_of<1024>(copies);
    default:
      return {gather_any, gather_any};
  }
}

#else

Kernels choose_kernels(std::size_t, RowGather::Copies) { return {gather_any, gather_any}; }

#endif

}  // namespace

RowGather::Copies RowGather::best_copies() noexcept {
#ifdef HPS_X86_KERNELS
  if (__builtin_cpu_supports("avx512f")) return Copies::kAvx512;
  if (__builtin_cpu_supports("avx2")) return Copies::kAvx2;
#endif
  return Copies::kPortable;
}

RowGather::RowGather(std::span<const std::byte> data, std::span<const float> scales,
                     std::uint64_t rows, const RowShape& shape, Copies copies) {
  const std::size_t pitch = shape.dim * element_size(shape.type);
  const bool scaled = shape.type == DataType::kInt8;
  if (pitch == 0 || rows > data.size() / pitch) {
    fail(ErrorCode::kTable, "row data of ", data.size(), " bytes does not hold ", rows, " rows of ",
         pitch, " bytes");
  }
  if (scaled && scales.size() < rows) {
    fail(ErrorCode::kTable, "an int8 table of ", rows, " rows has only ", scales.size(), " scales");
  }
  if (copies > best_copies()) {
    fail(ErrorCode::kUnsupported, "this processor lacks the instructions asked for");
  }
  table_ = {data.data(), pitch, scaled ? scales.data() : nullptr};
  const Kernels chosen =
      scaled ? Kernels{gather_scaled, gather_scaled} : choose_kernels(pitch, copies);
  kernel_ = chosen.plain;
  streaming_kernel_ = chosen.streaming;
}

std::size_t RowGather::gather(const std::uint64_t* at, std::size_t count, RowsOut out,
                              bool stream) const noexcept {
  const bool aligned =
      reinterpret_cast<std::uintptr_t>(out.data) % kLine == 0 && out.stride % kLine == 0;
  return (stream && aligned ? streaming_kernel_ : kernel_)(table_, at, count, out);
}

std::span<const std::byte> RowGather::row(std::uint64_t at, std::vector<std::byte>& scratch) const {
  const std::byte* elements = table_.data + at * table_.pitch;
  if (table_.scales == nullptr) return {elements, table_.pitch};
  scratch.resize(table_.pitch + sizeof(float));
  std::memcpy(scratch.data(), elements, table_.pitch);
  std::memcpy(scratch.data() + table_.pitch, table_.scales + at, sizeof(float));
  return scratch;
}

void append_missing(const std::uint64_t* at, std::size_t count, std::uint32_t base_position,
                    Missing& missing) {
  for (std::size_t i = 0; i < count; ++i) {
    if (at[i] == RowGather::kNone) {
      missing.push_back(base_position + static_cast<std::uint32_t>(i));
    }
  }
}

}  // namespace hps
