#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace hps {
namespace {

FileIdentity identity_of(int fd, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    fail(ErrorCode::kIo, path.string(), ": cannot be examined: ", errno_text(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    fail(ErrorCode::kIo, path.string(), ": is not a regular file");
  }
  FileIdentity identity;
  identity.device = status.st_dev;
  identity.inode = status.st_ino;
  identity.size = static_cast<std::uint64_t>(status.st_size);
  identity.mtime_ns =
      std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + std::int64_t{status.st_mtim.tv_nsec};
  return identity;
}

}  // namespace

std::string errno_text(int error) { return std::generic_category().message(error); }

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void FileDescriptor::reset() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

File::File(FileDescriptor fd, std::filesystem::path path, FileIdentity identity)
    : fd_(std::move(fd)), path_(std::move(path)), identity_(identity) {}

File File::open(const std::filesystem::path& path) {
  // Without O_NONBLOCK, opening a pipe waits for a writer that may never come.
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    const int error = errno;
    const bool missing = error == ENOENT || error == ENOTDIR;
    fail(missing ? ErrorCode::kNotFound : ErrorCode::kIo, path.string(),
         ": cannot be opened: ", errno_text(error));
  }
  const FileIdentity identity = identity_of(fd.get(), path);
  return File(std::move(fd), path, identity);
}

FileIdentity File::identity_now() const { return identity_of(fd_.get(), path_); }

void File::read_at(std::span<std::byte> into, std::uint64_t offset) const {
  while (!into.empty()) {
    const ssize_t got = ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      fail(ErrorCode::kIo, path_.string(), ": reading at byte ", offset,
           " failed: ", errno_text(errno));
    }
    if (got == 0) {
      fail(ErrorCode::kIo, path_.string(), ": ends at byte ", offset, ", but had ", size(),
           " bytes when it was opened; do not write to a table that is being opened");
    }
    into = into.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

}  // namespace hps
