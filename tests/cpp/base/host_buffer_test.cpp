#include "base/host_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "temp_folder.h"

namespace hps {
namespace {

using test::expect_error;

constexpr std::uint64_t kHuge = 2 << 20;

class TransparentBuffer : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(TransparentBuffer, IsZeroedAlignedAndWritableToItsEnds) {
  HostBuffer buffer(GetParam(), HostPages::kTransparent, "test");
  const std::span<std::byte> bytes = buffer.bytes();
  ASSERT_EQ(bytes.size(), GetParam());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % kHuge, 0U);
  EXPECT_TRUE(
      std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{}; }));
  bytes.front() = std::byte{1};
  bytes.back() = std::byte{2};
  EXPECT_EQ(buffer.bytes().back(), std::byte{2});
}

INSTANTIATE_TEST_SUITE_P(Sizes, TransparentBuffer,
                         ::testing::Values(1, 4096, kHuge - 1, kHuge, kHuge + 1, 3 * kHuge + 5));

TEST(HostBuffer, OfNoBytesHasNoMemory) {
  EXPECT_TRUE(HostBuffer(0, HostPages::kTransparent, "test").bytes().empty());
  EXPECT_TRUE(HostBuffer(0, HostPages::kReserved, "test").bytes().empty());
}

TEST(HostBuffer, MovesItsMemory) {
  HostBuffer a(10, HostPages::kTransparent, "test");
  a.bytes()[3] = std::byte{7};
  HostBuffer b(20, HostPages::kTransparent, "test");
  b = std::move(a);
  EXPECT_EQ(b.bytes().size(), 10U);
  const HostBuffer c(std::move(b));
  EXPECT_EQ(c.bytes()[3], std::byte{7});
  EXPECT_TRUE(b.bytes().empty());  // NOLINT: the moved-from state is part of the contract
}

TEST(HostBuffer, SaysWhatCouldNotBeHad) {
  for (const std::uint64_t bytes :
       {std::uint64_t{1} << 60, std::numeric_limits<std::uint64_t>::max()}) {
    expect_error(ErrorCode::kOutOfMemory, {"table 'big'", std::to_string(bytes)},
                 [&] { HostBuffer(bytes, HostPages::kTransparent, "table 'big'"); });
  }
}

TEST(HostBuffer, ReservedPagesAreUsedOrTheirLackIsExplained) {
  const HugePagePool pool = huge_page_pool();
  if (pool.page_bytes == 0) {
    expect_error(ErrorCode::kOutOfMemory, {"no huge pages"},
                 [] { HostBuffer(1, HostPages::kReserved, "table 't'"); });
    return;
  }
  // Two pages more than the pool has: fails on every machine, whatever is reserved.
  const std::uint64_t pages = pool.available + 2;
  const std::uint64_t bytes = pages * pool.page_bytes - 1;
  expect_error(ErrorCode::kOutOfMemory,
               {"table 't'",
                std::to_string(bytes) + " bytes need " + std::to_string(pages) + " huge pages of " +
                    std::to_string(pool.page_bytes / 1024) + " KiB",
                std::to_string(pool.available) + " are free",
                "sysctl -w vm.nr_hugepages=" + std::to_string(pool.total + 2), "\"copied\""},
               [&] { HostBuffer(bytes, HostPages::kReserved, "table 't'"); });
  if (pool.available == 0) return;
  HostBuffer buffer(pool.page_bytes - 1, HostPages::kReserved, "table 't'");
  buffer.bytes().back() = std::byte{9};
  EXPECT_EQ(huge_page_pool().available, pool.available - 1);
}

}  // namespace
}  // namespace hps
