#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <cstring>
#include <utility>

#include "temp_folder.h"

namespace hps {
namespace {

using test::expect_error;
using test::TempFolder;
using test::write_text;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(File, ReadsAnyPartAndRefusesToReadPastTheEnd) {
  const TempFolder folder;
  write_text(folder.path() / "f", "0123456789");
  const File file = File::open(folder.path() / "f");
  EXPECT_EQ(file.size(), 10U);
  std::string part(4, ' ');
  file.read_at(std::as_writable_bytes(std::span(part)), 3);
  EXPECT_EQ(part, "3456");
  expect_error(ErrorCode::kIo, {"/f", "ends at byte 10"},
               [&] { file.read_at(std::as_writable_bytes(std::span(part)), 7); });
}

TEST(File, SaysWhatCannotBeOpened) {
  const TempFolder folder;
  expect_error(ErrorCode::kNotFound, {"/none", "No such file"},
               [&] { (void)File::open(folder.path() / "none"); });
  write_text(folder.path() / "f", "x");
  expect_error(ErrorCode::kNotFound, {"/f/g"},
               [&] { (void)File::open(folder.path() / "f" / "g"); });
  expect_error(ErrorCode::kIo, {"not a regular file"}, [&] { (void)File::open(folder.path()); });
  expect_error(ErrorCode::kIo, {"not a regular file"}, [] { (void)File::open("/dev/null"); });
}

TEST(File, DoesNotWaitForTheWriterOfAPipe) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  expect_error(ErrorCode::kIo, {"/pipe", "not a regular file"},
               [&] { (void)File::open(folder.path() / "pipe"); });
}

TEST(File, IdentityTellsFilesAndVersionsApart) {
  const TempFolder folder;
  write_text(folder.path() / "f", "one");
  write_text(folder.path() / "g", "one");
  const File first = File::open(folder.path() / "f");
  EXPECT_EQ(first.identity(), File::open(folder.path() / "f").identity());
  EXPECT_NE(first.identity(), File::open(folder.path() / "g").identity());
  EXPECT_EQ(first.identity_now(), first.identity());
  write_text(folder.path() / "f", "longer");
  EXPECT_NE(first.identity_now(), first.identity());
}

TEST(File, IdentityHasTheNanosecondsOfItsTime) {
  const TempFolder folder;
  const auto path = folder.path() / "f";
  write_text(path, "x");
  const timespec times[2] = {{1, 2}, {1700000000, 123456789}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  EXPECT_EQ(File::open(path).identity().mtime_ns, 1700000000123456789);
}

TEST(File, ClosesItsDescriptor) {
  const TempFolder folder;
  write_text(folder.path() / "f", "x");
  const std::size_t before = test::open_descriptors();
  {
    File file = File::open(folder.path() / "f");
    File other = std::move(file);
    file = std::move(other);
    EXPECT_EQ(test::open_descriptors(), before + 1);
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST(MappedFile, HoldsTheBytesAfterTheFileIsClosedAndRemoved) {
  const TempFolder folder;
  std::string text(10000, 'a');
  text[9999] = 'z';
  write_text(folder.path() / "f", text);
  MappedFile map;
  {
    const File file = File::open(folder.path() / "f");
    map = MappedFile(file, Access::kRandom);
    EXPECT_EQ(map.identity(), file.identity());
  }
  std::filesystem::remove(folder.path() / "f");
  EXPECT_EQ(text_of(map.bytes()), text);
}

TEST(MappedFile, MapsAnEmptyFileAsNothing) {
  const TempFolder folder;
  write_text(folder.path() / "f", "");
  const MappedFile map(File::open(folder.path() / "f"));
  EXPECT_TRUE(map.bytes().empty());
}

TEST(MappedFile, MovesItsMapping) {
  const TempFolder folder;
  write_text(folder.path() / "f", "first");
  write_text(folder.path() / "g", "second");
  MappedFile a(File::open(folder.path() / "f"));
  MappedFile b(File::open(folder.path() / "g"));
  const std::byte* const at = b.bytes().data();
  a = std::move(b);
  EXPECT_EQ(text_of(a.bytes()), "second");
  EXPECT_EQ(a.bytes().data(), at);
  const MappedFile c(std::move(a));
  EXPECT_EQ(text_of(c.bytes()), "second");
  EXPECT_TRUE(a.bytes().empty());  // NOLINT: the moved-from state is part of the contract
}

}  // namespace
}  // namespace hps
