#include "table/table_parts.h"

#include <limits>
#include <utility>

#include "base/error.h"

namespace hps {
namespace {

constexpr std::uint32_t kMaxDim = std::uint32_t{1} << 20;
constexpr std::uint64_t kKeyBytes = 8;
constexpr std::uint64_t kScaleBytes = 4;

std::uint64_t row_bytes(const TableConfig& config) {
  if (config.dim == 0 || config.dim > kMaxDim) {
    fail(ErrorCode::kInvalidArgument, table_label(config), ": dim is ", config.dim,
         "; it must be 1 to ", kMaxDim);
  }
  if (!is_row_type(config.type)) {
    fail(ErrorCode::kInvalidArgument, table_label(config), ": rows of type ", name_of(config.type),
         " are not known; use fp32, fp16, bf16 or int8");
  }
  return std::uint64_t{config.dim} * element_size(config.type);
}

std::string row_text(const TableConfig& config) {
  return std::to_string(config.dim) + " " + std::string(name_of(config.type));
}

File open_file(const TableConfig& config, const char* name) {
  try {
    return File::open(config.folder / name);
  } catch (const Error& error) {
    fail(error.code(), table_label(config), ": ", error.what());
  }
}

void check_manifest(const TableConfig& config, const File& file, const TableFile& described) {
  if (described.bytes == 0 || described.bytes == file.size()) return;
  fail(ErrorCode::kTable, table_label(config), ": ", file.path().string(), " has ", file.size(),
       " bytes and the manifest says ", described.bytes, "; copy the bundle again");
}

// Rows said by the configuration: every file must have exactly their bytes.
void check_size(const TableConfig& config, const File& file, std::uint64_t rows,
                std::uint64_t bytes_per_row) {
  if (rows > std::numeric_limits<std::uint64_t>::max() / bytes_per_row) {
    fail(ErrorCode::kTable, table_label(config), ": ", rows, " rows of ", bytes_per_row,
         " bytes are more than any file holds; ", file.path().string(), " has ", file.size(),
         " bytes");
  }
  const std::uint64_t needed = rows * bytes_per_row;
  if (file.size() == needed) return;
  fail(ErrorCode::kTable, table_label(config), ": ", file.path().string(), " has ", file.size(),
       " bytes and ", rows, " rows of ", bytes_per_row, " bytes need ", needed,
       "; correct rows, dim or type, or copy the files again");
}

// Rows not said: the two files must agree on them.
std::uint64_t count_rows(const TableConfig& config, const File& keys, const File& rows,
                         std::uint64_t bytes_per_row) {
  if (keys.size() % kKeyBytes == 0 && rows.size() % bytes_per_row == 0 &&
      keys.size() / kKeyBytes == rows.size() / bytes_per_row) {
    return keys.size() / kKeyBytes;
  }
  fail(ErrorCode::kTable, table_label(config), ": ", keys.path().string(), " has ", keys.size(),
       " bytes (8 for each key) and ", rows.path().string(), " has ", rows.size(), " bytes (",
       bytes_per_row, " for each row of ", row_text(config),
       "): the counts differ; correct the vector size or copy the files again");
}

}  // namespace

std::string table_label(const TableConfig& config) { return "table '" + config.name + "'"; }

TableParts open_table_parts(const TableConfig& config) {
  const std::uint64_t bytes_per_row = row_bytes(config);
  File rows = open_file(config, "emb_vector");
  File keys = open_file(config, "key");
  std::optional<File> scales;
  if (config.type == DataType::kInt8) scales = open_file(config, "scale");

  check_manifest(config, rows, config.row_file);
  check_manifest(config, keys, config.key_file);
  if (scales) check_manifest(config, *scales, config.scale_file);

  const std::uint64_t count =
      config.rows ? *config.rows : count_rows(config, keys, rows, bytes_per_row);
  check_size(config, rows, count, bytes_per_row);
  check_size(config, keys, count, kKeyBytes);
  if (scales) check_size(config, *scales, count, kScaleBytes);
  return {count, std::move(rows), std::move(keys), std::move(scales)};
}

}  // namespace hps
