// The stores over real table folders, opened as the configuration says.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "store/stores.h"
#include "store_conformance.h"

namespace hps::testing_support {
namespace {

/// A new folder, removed when the program ends.
std::filesystem::path new_folder() {
  static const struct Root {
    std::filesystem::path path = std::filesystem::temp_directory_path() /
                                 ("hps_table_folder_test." + std::to_string(::getpid()));
    ~Root() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  } root;
  static std::atomic<int> count{0};
  const std::filesystem::path folder = root.path / std::to_string(count++);
  std::filesystem::create_directories(folder);
  return folder;
}

void write(const std::filesystem::path& file, const void* data, std::size_t bytes) {
  std::ofstream stream(file, std::ios::binary);
  stream.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  ASSERT_TRUE(stream.flush()) << file;
}

std::shared_ptr<const TableFiles> table_folder(const RowShape& shape, const Rows& rows,
                                               KeyKind keys, Memory memory) {
  TableConfig config;
  config.name = "folder";
  config.folder = new_folder();
  config.rows = rows.size();
  config.dim = shape.dim;
  config.type = shape.type;
  config.keys = keys;
  config.memory = memory;
  config.default_vector = {0.0F};
  const std::size_t pitch = shape.dim * element_size(shape.type);
  std::vector<Key> key_file;
  Row row_file;
  Row scale_file;
  for (const auto& [key, row] : rows) {
    key_file.push_back(key);
    const auto end = row.begin() + static_cast<std::ptrdiff_t>(pitch);
    row_file.insert(row_file.end(), row.begin(), end);
    scale_file.insert(scale_file.end(), end, row.end());
  }
  write(config.folder / "key", key_file.data(), key_file.size() * sizeof(Key));
  write(config.folder / "emb_vector", row_file.data(), row_file.size());
  if (shape.type == DataType::kInt8) {
    write(config.folder / "scale", scale_file.data(), scale_file.size());
  }
  return open_table(config);
}

StoreCase folder_case(std::string name, KeyKind keys, Memory memory) {
  return {std::move(name), true, keys == KeyKind::kDense,
          [keys, memory](const RowShape& shape, const Rows& rows) {
            return make_table_store(table_folder(shape, rows, keys, memory));
          }};
}

INSTANTIATE_TEST_SUITE_P(
    Folder, StoreConformance,
    testing::Combine(
        testing::Values(folder_case("dense_mapped", KeyKind::kDense, Memory::kMapped),
                        folder_case("dense_copied", KeyKind::kDense, Memory::kCopied),
                        folder_case("hashed_mapped", KeyKind::kHashed, Memory::kMapped),
                        folder_case("hashed_copied", KeyKind::kHashed, Memory::kCopied),
                        folder_case("scanned", KeyKind::kScan, Memory::kMapped)),
        testing::Values(RowShape{3, DataType::kInt8}, RowShape{128, DataType::kFloat32},
                        RowShape{5, DataType::kBFloat16})),
    case_name);

}  // namespace
}  // namespace hps::testing_support
