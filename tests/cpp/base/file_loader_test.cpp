#include "base/file_loader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <thread>

#include "base/host_buffer.h"
#include "temp_folder.h"
#include "thread_count.h"

namespace hps {
namespace {

using test::expect_error;
using test::TempFolder;

constexpr std::size_t kMiB = std::size_t{1} << 20;

// No two blocks and no two pages are alike.
std::vector<std::uint64_t> numbers(std::size_t count) {
  std::vector<std::uint64_t> values(count);
  std::uint64_t value = 1;
  for (auto& each : values) each = value = value * 6364136223846793005U + 1442695040888963407U;
  return values;
}

struct Case {
  std::size_t bytes;
  std::uint64_t offset;
  unsigned threads;
  bool cold;
};

class Loads : public ::testing::TestWithParam<Case> {};

TEST_P(Loads, GiveTheBytesOfTheFileAndTheirHash) {
  const Case& c = GetParam();
  const TempFolder folder;
  const auto values = numbers(c.bytes / 8 + 1);
  test::write_bytes(folder.path() / "f", values.data(), c.bytes);
  const File file = File::open(folder.path() / "f");
  if (c.cold) {  // the page cache lets go of clean pages when asked
    ASSERT_EQ(::fsync(file.fd()), 0);
    ASSERT_EQ(::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }
  const auto expected = std::as_bytes(std::span(values)).subspan(c.offset, c.bytes - c.offset);
  HostBuffer buffer(expected.size(), HostPages::kTransparent, "test");
  Xxh128 hash;
  std::vector<std::uint64_t> steps;
  LoadOptions options;
  options.offset = c.offset;
  options.threads = c.threads;
  options.hash = &hash;
  const auto caller = std::this_thread::get_id();
  options.progress = [&](std::uint64_t done) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    steps.push_back(done);
    return true;
  };
  load_file(file, buffer.bytes(), options);

  ASSERT_EQ(buffer.bytes().size(), expected.size());
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), buffer.bytes().begin()));
  Xxh128 oracle;
  oracle.update(expected);
  EXPECT_EQ(hash.hex(), oracle.hex());
  EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
  EXPECT_EQ(steps.empty() ? 0 : steps.back(), expected.size());
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, Loads,
    ::testing::Values(Case{0, 0, 0, false}, Case{1, 0, 0, false}, Case{2 * kMiB, 0, 2, false},
                      Case{2 * kMiB + 1, 0, 2, true}, Case{9 * kMiB + 4097, 0, 0, false},
                      Case{9 * kMiB + 4097, 0, 0, true}, Case{9 * kMiB + 4097, 0, 1, true},
                      Case{9 * kMiB, 4096, 4, true}, Case{9 * kMiB, 17, 3, true},
                      Case{5 * kMiB, 5 * kMiB, 0, false}, Case{5 * kMiB, 5 * kMiB - 1, 2, false}));

TEST(LoadFile, RefusesMoreThanTheFileHas) {
  const TempFolder folder;
  test::write_text(folder.path() / "f", "0123456789");
  const File file = File::open(folder.path() / "f");
  std::vector<std::byte> into(8);
  LoadOptions options;
  for (const std::uint64_t offset : {std::uint64_t{3}, std::uint64_t{11}, ~std::uint64_t{0}}) {
    options.offset = offset;
    expect_error(ErrorCode::kIo, {"/f", "has 10 bytes", "8 from byte " + std::to_string(offset)},
                 [&] { load_file(file, into, options); });
  }
}

TEST(LoadFile, NoticesAFileThatShrinksMeanwhile) {
  const TempFolder folder;
  const auto path = folder.path() / "f";
  const auto values = numbers(8 * kMiB / 8);
  test::write_values(path, values);
  const File file = File::open(path);
  std::filesystem::resize_file(path, 3 * kMiB);
  HostBuffer buffer(file.size(), HostPages::kTransparent, "test");
  for (const unsigned threads : {1U, 4U}) {
    LoadOptions options;
    options.threads = threads;
    expect_error(ErrorCode::kIo, {"/f", "ends at byte", std::to_string(8 * kMiB)},
                 [&] { load_file(file, buffer.bytes(), options); });
  }
}

TEST(LoadFile, StopsWhenProgressSaysSo) {
  const TempFolder folder;
  test::write_values(folder.path() / "f", numbers(16 * kMiB / 8));
  const File file = File::open(folder.path() / "f");
  HostBuffer buffer(file.size(), HostPages::kTransparent, "test");
  const std::size_t descriptors = test::open_descriptors();
  const std::size_t threads = test::threads_now();
  int calls = 0;
  LoadOptions options;
  options.progress = [&](std::uint64_t) { return ++calls < 2; };
  expect_error(ErrorCode::kCancelled, {"/f", "cancelled", "of 16777216"},
               [&] { load_file(file, buffer.bytes(), options); });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(test::open_descriptors(), descriptors);
  EXPECT_EQ(test::threads_soon(threads), threads);
}

TEST(LoadFile, LetsTheExceptionsOfProgressThrough) {
  const TempFolder folder;
  test::write_values(folder.path() / "f", numbers(8 * kMiB / 8));
  const File file = File::open(folder.path() / "f");
  HostBuffer buffer(file.size(), HostPages::kTransparent, "test");
  LoadOptions options;
  options.progress = [](std::uint64_t) -> bool { throw std::out_of_range("mine"); };
  EXPECT_THROW(load_file(file, buffer.bytes(), options), std::out_of_range);
}

TEST(LoadFile, ReadsTheOpenFileWhenItsNameMeansAnother) {
  const TempFolder folder;
  const auto values = numbers(5 * kMiB / 8);
  test::write_values(folder.path() / "f", values);
  const File file = File::open(folder.path() / "f");
  ASSERT_EQ(::fsync(file.fd()), 0);
  ASSERT_EQ(::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED), 0);
  test::write_values(folder.path() / "g", std::vector<std::uint64_t>(values.size(), 0));
  std::filesystem::rename(folder.path() / "g", folder.path() / "f");
  HostBuffer buffer(file.size(), HostPages::kTransparent, "test");
  load_file(file, buffer.bytes());
  EXPECT_EQ(std::memcmp(buffer.bytes().data(), values.data(), file.size()), 0);
}

}  // namespace
}  // namespace hps
