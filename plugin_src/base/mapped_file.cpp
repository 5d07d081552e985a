#include "base/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "base/error.h"

namespace hps {

MappedFile::MappedFile(const File& file, Access access)
    : size_(file.size()), identity_(file.identity()) {
  if (size_ == 0) return;  // mmap refuses a length of 0
  void* const at = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.fd(), 0);
  if (at == MAP_FAILED) {
    const int error = errno;
    fail(error == ENOMEM ? ErrorCode::kOutOfMemory : ErrorCode::kIo, file.path().string(),
         ": cannot be mapped (", size_, " bytes): ", errno_text(error));
  }
  data_ = static_cast<const std::byte*>(at);
  // Advice only: a kernel that refuses it reads the same bytes.
  if (access == Access::kRandom) (void)::madvise(at, size_, MADV_RANDOM);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      identity_(other.identity_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(identity_, other.identity_);
  return *this;
}

}  // namespace hps
