// Regular files opened for reading, and the identity that tells one version of a file from another.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace hps {

/// Owner of one file descriptor. Move-only.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
  ~FileDescriptor() { reset(); }
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

/// What a file was when it was opened. Two equal identities are taken to be the same bytes: a file
/// that is rewritten in place with its size and modification time restored is not noticed.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;

  auto operator<=>(const FileIdentity&) const = default;
};

/// A regular file, open read-only, its identity taken once at opening. Move-only; `read_at` may be
/// called from any number of threads.
class File {
 public:
  /// Symbolic links are followed. Never blocks on a pipe or device: those are refused.
  /// @throws Error(kNotFound) when there is no such file, Error(kIo) otherwise.
  static File open(const std::filesystem::path& path);

  int fd() const noexcept { return fd_.get(); }
  const std::filesystem::path& path() const noexcept { return path_; }
  const FileIdentity& identity() const noexcept { return identity_; }
  std::uint64_t size() const noexcept { return identity_.size; }

  /// The identity now: differs from identity() when the file was written to since it was opened.
  FileIdentity identity_now() const;

  /// Fills `into` from `offset` on. @throws Error(kIo), also when the file ends before that.
  void read_at(std::span<std::byte> into, std::uint64_t offset) const;

 private:
  File(FileDescriptor fd, std::filesystem::path path, FileIdentity identity);

  FileDescriptor fd_;
  std::filesystem::path path_;
  FileIdentity identity_;
};

/// The text of an errno value. Thread-safe.
std::string errno_text(int error);

}  // namespace hps
