// Writes a file aside and puts it in place by renaming, so that no reader ever sees half of it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "base/file.h"

namespace hps {

/// Creates `path` (mode 0644 less the umask) for writing. Whatever has that name already, a
/// symbolic link to nowhere included, makes it fail. @throws Error(kIo), Error(kNotFound).
FileDescriptor create_exclusive(const std::filesystem::path& path);

/// One file being written: under an unguessable temporary name in the folder of `target`, until
/// commit. Destroyed before that, it removes what it wrote.
class AtomicFile {
 public:
  /// @throws Error(kIo), Error(kNotFound) when the folder does not exist or cannot be written to.
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends. @throws Error(kIo).
  void write(std::span<const std::byte> bytes);

  /// Makes the bytes durable, then visible under the target's name, replacing a file there.
  /// @throws Error(kIo); no temporary is left behind then.
  void commit();

  const std::filesystem::path& temporary() const noexcept { return temporary_; }

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  FileDescriptor fd_;
};

}  // namespace hps
