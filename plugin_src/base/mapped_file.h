// A whole file, mapped read-only.
#pragma once

#include <cstddef>
#include <span>

#include "base/file.h"

namespace hps {

/// How the mapping will be read: kRandom switches the kernel's read-ahead off.
enum class Access { kNormal, kRandom };

/// Owner of a mapping of all bytes a file had when it was opened. Move-only; the File may be closed
/// afterwards. An empty file gives an empty span. Nothing is read until a byte is touched.
///
/// A file that is truncated while it is mapped kills the process that touches the lost pages
/// (SIGBUS), as for every mapped file: replace files by renaming, never in place.
class MappedFile {
 public:
  MappedFile() = default;
  /// @throws Error(kIo), Error(kOutOfMemory).
  explicit MappedFile(const File& file, Access access = Access::kNormal);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  const FileIdentity& identity() const noexcept { return identity_; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  FileIdentity identity_;
};

}  // namespace hps
