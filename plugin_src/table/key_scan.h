// Reads a key file from its first to its last byte, once: are the keys dense, and if not, the
// index.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/file.h"
#include "table/index_file.h"
#include "table/key_index.h"

namespace hps {

struct ScannedKeys {
  KeySummary summary;
  std::optional<KeyIndexBuilder> index;  ///< unless the keys are dense and no index was asked for
};

struct ScanOptions {
  bool always_index = false;
  bool fit_32_bits = false;
  std::function<void(std::uint64_t done)> progress = {};  ///< bytes; cancels by throwing
};

/// `file` holds whole keys. `table` names them in messages.
/// @throws Error(kTable) for a key given twice (both positions), a key beyond 32 bits where that
/// was ruled out (its position); Error(kIo), also when the file changes meanwhile;
/// Error(kOutOfMemory).
ScannedKeys scan_keys(const File& file, std::string_view table, const ScanOptions& options);

constexpr bool fits_32_bits(std::int64_t key) noexcept {
  return key == static_cast<std::int32_t>(key);
}

/// @throws Error(kTable): `key` at `position` does not fit 32 bits.
[[noreturn]] void refuse_wide_key(std::string_view table, const std::string& file, std::int64_t key,
                                  std::uint64_t position);

}  // namespace hps
