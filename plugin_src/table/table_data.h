// What opening a table reads or maps: held once, however many configurations name it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <variant>

#include "base/host_buffer.h"
#include "base/mapped_file.h"
#include "table/key_index.h"
#include "table/table.h"
#include "table/table_parts.h"

namespace hps {

/// Rows or scales: mapped, or read into memory.
class HostBytes {
 public:
  HostBytes() = default;
  explicit HostBytes(MappedFile file) : memory_(std::move(file)) {}
  explicit HostBytes(HostBuffer buffer) : memory_(std::move(buffer)) {}

  std::span<const std::byte> bytes() const noexcept;

 private:
  std::variant<MappedFile, HostBuffer> memory_;
};

/// Immutable once loaded.
struct TableData {
  std::uint64_t rows = 0;
  HostBytes row_bytes;
  HostBytes scale_bytes;
  std::unique_ptr<HashedKeyIndex> index;  ///< null for a dense table
  MappedFile key_bytes;                   ///< empty for a dense table
};

/// @throws as open_table.
std::shared_ptr<const TableData> load_table(const TableParts& parts, const TableConfig& config,
                                            const Progress& progress);

/// One configuration's view of `data`.
std::shared_ptr<const TableFiles> make_table_files(const TableConfig& config,
                                                   std::shared_ptr<const TableData> data);

}  // namespace hps
