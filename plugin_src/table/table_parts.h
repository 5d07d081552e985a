// The files of one table folder, open and of the right sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/file.h"
#include "config/config.h"

namespace hps {

struct TableParts {
  std::uint64_t rows = 0;
  File row_file;
  File key_file;
  std::optional<File> scale_file;  ///< kInt8
};

/// Opens the files and compares their sizes with each other, the configuration and the manifest.
/// Reads no byte of them. @throws Error(kNotFound), Error(kIo), Error(kTable) with both sizes,
/// Error(kInvalidArgument) for a dim or type that no table has.
TableParts open_table_parts(const TableConfig& config);

/// "table 'NAME'": the start of every message about a table.
std::string table_label(const TableConfig& config);

}  // namespace hps
