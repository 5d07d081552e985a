#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "base/error.h"

namespace hps {
namespace {

std::string random_digits() {
  std::uint64_t value = 0;
  if (::getrandom(&value, sizeof value, GRND_NONBLOCK) != ssize_t{sizeof value}) {
    // Early in a boot: O_EXCL makes a name that is merely unlikely just as safe.
    value = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    value ^= static_cast<std::uint64_t>(::getpid()) << 40;
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

void sync(int fd, const std::filesystem::path& path) {
  while (::fsync(fd) != 0) {
    if (errno == EINTR) continue;
    if (errno == EINVAL || errno == EROFS) return;  // a file system that has nothing to sync
    fail(ErrorCode::kIo, path.string(), ": cannot be made durable: ", errno_text(errno));
  }
}

}  // namespace

FileDescriptor create_exclusive(const std::filesystem::path& path) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  FileDescriptor fd(::open(path.c_str(), kFlags, 0644));
  if (!fd) {
    const int error = errno;
    fail(error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo, path.string(),
         ": cannot be created: ", errno_text(error));
  }
  return fd;
}

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)) {
  const std::string name = "." + target_.filename().string() + "." + random_digits() + ".tmp";
  std::filesystem::path temporary = target_.parent_path() / name;
  fd_ = create_exclusive(temporary);
  temporary_ = std::move(temporary);
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      fail(ErrorCode::kIo, temporary_.string(),
           ": cannot be written: ", put < 0 ? errno_text(errno) : std::string("no progress"));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void AtomicFile::commit() {
  sync(fd_.get(), temporary_);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail(ErrorCode::kIo, target_.string(), ": cannot be put in place: ", errno_text(errno));
  }
  temporary_.clear();
  fd_.reset();
  const std::filesystem::path folder =
      target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
  const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) {
    fail(ErrorCode::kIo, folder.string(), ": cannot be opened to be synced: ", errno_text(errno));
  }
  sync(directory.get(), folder);
}

}  // namespace hps
