// Reads a file into memory as fast as the machine can, on a few threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/file.h"
#include "base/xxh128.h"

namespace hps {

struct LoadOptions {
  std::uint64_t offset = 0;  ///< first byte of the file to read
  /// Called on the calling thread alone, with the bytes read so far; false cancels.
  std::function<bool(std::uint64_t done)> progress;
  Xxh128* hash = nullptr;  ///< is given the bytes in order, while later ones are being read
  unsigned threads = 0;    ///< readers, the calling thread included; 0: as many as pays
};

/// Fills `into` with the bytes of `file` from `options.offset` on. Every thread it starts is joined
/// before it returns or throws; where none can be started, the calling thread does it all.
/// Bytes that the page cache lacks are read past it when `into` starts at a page boundary: they
/// are not needed twice in memory.
/// @throws Error(kIo), also when the file is shorter; Error(kCancelled).
void load_file(const File& file, std::span<std::byte> into, const LoadOptions& options = {});

}  // namespace hps
