// The configuration: hps.json of a bundle, or the ps.json of an HPS deployment, parsed and checked.
// Layer: base <- config. Reads one JSON file; opens no table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/data_type.h"
#include "config/stores.h"

namespace hps {

/// How a table's keys are known.
enum class KeyKind {
  kDense,   ///< exactly 0..rows-1, in order: row = key, the `key` file is not read
  kHashed,  ///< any distinct keys: an index file is kept beside the table
  kScan,    ///< an attached HPS folder: its `key` file is scanned once, then one of the above
};

/// Where the host keeps the rows.
enum class Memory {
  kMapped,  ///< memory-mapped, paged in on use
  kCopied,  ///< read into anonymous memory at opening, transparent huge pages asked for
  kHuge,    ///< read into reserved huge pages (MAP_HUGETLB); opening fails when there are too few
};

/// What a key that no tier holds gives.
enum class UnknownKey { kDefault, kError };

/// One file that belongs to a table, as the manifest describes it.
struct TableFile {
  std::uint64_t bytes = 0;
  std::string xxh128;  ///< 32 lower-case hexadecimal digits; "" when not known
};

struct TableConfig {
  std::string name;              ///< [a-zA-Z0-9_-]{1,120}
  std::filesystem::path folder;  ///< absolute; holds `key`, `emb_vector` and, for int8, `scale`
  std::optional<std::uint64_t> rows;   ///< unset for an HPS folder: taken from the file sizes
  std::uint32_t dim = 0;               ///< 1..2^20
  DataType type = DataType::kFloat32;  ///< kFloat32, kFloat16, kBFloat16 or kInt8
  KeyKind keys = KeyKind::kDense;
  bool keys_fit_32_bits = false;      ///< HPS supportlonglong: false; a wider key is an error
  std::vector<float> default_vector;  ///< one value for all elements, or dim values; never empty
  Memory memory = Memory::kMapped;
  bool verify = false;  ///< compare checksums while loading (kCopied, kHuge)
  UnknownKey unknown = UnknownKey::kDefault;
  TableFile key_file, row_file, scale_file;  ///< `bytes` 0 when the manifest does not describe them
  GpuConfig gpu{};
};

struct ModelConfig {
  std::string name;                 ///< as for tables
  std::vector<TableConfig> tables;  ///< in the order of the file: version "1" nodes say an index

  /// Null when there is none.
  const TableConfig* find(std::string_view table) const noexcept;
};

/// Something valid that was set and that this build or this host tier does not act on.
struct Notice {
  enum class Kind {
    kNotNeeded,    ///< has no meaning here (sizes of HPS' internal pools): a line on stderr at
                   ///< opening
    kUnsupported,  ///< this build does not have it: opening the configuration fails, saying so
  };
  Kind kind;
  std::string where;    ///< JSON pointer-like: "models[0].gpucacheper"
  std::string message;  ///< one line
};

enum class ConfigFormat { kHpsJson, kPsJson };

struct Config {
  std::filesystem::path file;  ///< canonical, absolute
  ConfigFormat format = ConfigFormat::kHpsJson;
  std::string bundle_id;  ///< 32 hexadecimal digits; "" for ps.json and hand-written files
  std::uint32_t threads =
      0;  ///< extra host threads for one big C API lookup; 0: the caller's alone
  std::vector<ModelConfig> models;
  std::vector<Notice> notices;
  VolatileConfig volatile_store{};
  PersistentConfig persistent_store{};
  UpdatesConfig updates{};

  const ModelConfig* find(std::string_view model) const noexcept;
};

/// Parses and checks `file`. An object with "format" is hps.json, one with "models" and any HPS key
/// is ps.json. Unknown keys are errors that name the nearest valid key.
/// The text of an error: "FILE: WHERE: what is wrong (value), how to mend it".
/// @throws Error(kConfig), Error(kIo), Error(kNotFound), Error(kUnsupported) for a "format" of a
/// later version and for fp8 rows.
Config load_config(const std::filesystem::path& file);

/// The same for text already read; `file` names it in messages and anchors relative paths.
Config parse_config(const std::string& text, const std::filesystem::path& file);

/// The id of a manifest: see plugin_src/BUNDLE.md. Computed from models, tables and file checksums
/// alone, so memory, default and strictness may be edited. "" when a checksum is missing.
std::string manifest_id(const Config& config);

/// The whole configuration with every default filled in, as JSON text (no secrets), for tools.
std::string to_json(const Config& config);

}  // namespace hps
