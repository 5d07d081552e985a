#include "base/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "temp_folder.h"

namespace hps {
namespace {

using test::expect_error;
using test::names_in;
using test::read_text;
using test::TempFolder;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(AtomicFile, ShowsTheFileOnlyWhenItIsWhole) {
  const TempFolder folder;
  const auto target = folder.path() / "out";
  test::write_text(target, "old");
  AtomicFile file(target);
  file.write(bytes_of("new "));
  file.write({});
  file.write(bytes_of("bytes"));
  EXPECT_EQ(read_text(target), "old");
  EXPECT_EQ(file.temporary().parent_path(), folder.path());
  file.commit();
  EXPECT_EQ(read_text(target), "new bytes");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
}

TEST(AtomicFile, IsReadableByAllAndWritableByItsOwner) {
  const TempFolder folder;
  const mode_t mask = ::umask(0);
  AtomicFile file(folder.path() / "out");
  ::umask(mask);
  file.commit();
  struct stat status {};
  ASSERT_EQ(::stat((folder.path() / "out").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0644U);
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const TempFolder folder;
  const std::size_t descriptors = test::open_descriptors();
  {
    AtomicFile file(folder.path() / "out");
    file.write(bytes_of("x"));
    EXPECT_EQ(names_in(folder.path()).size(), 1U);
  }
  EXPECT_TRUE(names_in(folder.path()).empty());
  EXPECT_EQ(test::open_descriptors(), descriptors);
}

TEST(AtomicFile, LeavesNothingWhenItCannotBePutInPlace) {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path() / "out" / "full");
  {
    AtomicFile file(folder.path() / "out");
    expect_error(ErrorCode::kIo, {"/out", "cannot be put in place"}, [&] { file.commit(); });
  }
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
}

TEST(AtomicFile, ReportsAFullDisk) {
  const TempFolder folder;
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  AtomicFile file(folder.path() / "out");
  const rlimit small{1000, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error(ErrorCode::kIo, {"cannot be written", "File too large"},
               [&] { file.write(bytes_of(std::string(2000, 'x'))); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
}

TEST(AtomicFile, SaysWhichFolderIsMissingOrClosed) {
  const TempFolder folder;
  expect_error(ErrorCode::kNotFound, {"/none/"},
               [&] { AtomicFile(folder.path() / "none" / "out"); });
  std::filesystem::create_directory(folder.path() / "closed");
  ::chmod(folder.path().c_str(), 0755);
  ::chmod((folder.path() / "closed").c_str(), 0555);
  const test::WithoutPrivileges unprivileged;
  expect_error(ErrorCode::kIo, {"/closed/", "Permission denied"},
               [&] { AtomicFile(folder.path() / "closed" / "out"); });
}

TEST(CreateExclusive, RefusesEveryNameThatIsTaken) {
  const TempFolder folder;
  test::write_text(folder.path() / "victim", "precious");
  std::filesystem::create_symlink(folder.path() / "victim", folder.path() / "link");
  std::filesystem::create_symlink(folder.path() / "nowhere", folder.path() / "dangling");
  for (const char* name : {"victim", "link", "dangling"}) {
    expect_error(ErrorCode::kIo, {name, "File exists"},
                 [&] { (void)create_exclusive(folder.path() / name); });
  }
  EXPECT_EQ(read_text(folder.path() / "victim"), "precious");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "nowhere"));
}

TEST(AtomicFile, ReplacesASymbolicLinkItselfNotWhatItPointsTo) {
  const TempFolder folder;
  test::write_text(folder.path() / "victim", "precious");
  std::filesystem::create_symlink(folder.path() / "victim", folder.path() / "out");
  AtomicFile file(folder.path() / "out");
  file.write(bytes_of("new"));
  file.commit();
  EXPECT_EQ(read_text(folder.path() / "victim"), "precious");
  EXPECT_EQ(read_text(folder.path() / "out"), "new");
  EXPECT_FALSE(std::filesystem::is_symlink(folder.path() / "out"));
}

}  // namespace
}  // namespace hps
