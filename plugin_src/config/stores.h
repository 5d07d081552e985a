// What the configuration says about stores beyond the table files, and about GPUs. Parsed and
// checked in every build; a build that lacks one says so in a Notice. Key names are HPS' own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace hps {

struct Address {
  std::string host;  ///< name or number; an IPv6 number without its brackets
  std::uint16_t port = 0;
};

/// Text that no message and no to_json shows.
struct Secret {
  std::string value;
};

struct TlsConfig {
  bool enabled = false;
  std::filesystem::path ca_certificate, client_certificate, client_key;  ///< absolute, or empty
  std::string server_name;
};

enum class VolatileKind { kNone, kHashMap, kSharedMemory, kRedisCluster };
enum class OverflowPolicy { kEvictRandom, kEvictLeastUsed, kEvictOldest };

struct VolatileConfig {
  VolatileKind kind = VolatileKind::kNone;
  std::vector<Address> addresses{{"127.0.0.1", 7000}};
  std::string user_name = "default";
  Secret password;
  std::uint32_t num_partitions = 0;                            ///< 0: chosen by the store
  std::uint64_t allocation_rate = std::uint64_t{256} << 20;    ///< bytes
  std::uint64_t shared_memory_size = std::uint64_t{16} << 30;  ///< bytes
  std::string shared_memory_name = "hps_trt";
  bool shared_memory_auto_remove = true;
  std::uint32_t num_node_connections = 5;
  std::uint32_t max_batch_size = 65536;
  TlsConfig tls;
  /// Rows per partition.
  std::uint64_t overflow_margin = std::numeric_limits<std::uint64_t>::max();
  OverflowPolicy overflow_policy = OverflowPolicy::kEvictOldest;
  double overflow_resolution_target = 0.8;
  bool initialize_after_startup = true;
  double initial_cache_rate = 1.0;
  bool cache_missed_embeddings = false;
  std::vector<std::string> update_filters{};
};

enum class PersistentKind { kNone, kRocksDb };

struct PersistentConfig {
  PersistentKind kind = PersistentKind::kNone;
  std::filesystem::path path{};  ///< absolute; never empty for kRocksDb
  std::uint32_t num_threads = 16;
  bool read_only = false;
  std::uint32_t max_batch_size = 65536;
  bool initialize_after_startup = true;
  std::vector<std::string> update_filters{};
};

enum class UpdatesKind { kNone, kKafka };

struct UpdatesConfig {
  UpdatesKind kind = UpdatesKind::kNone;
  std::vector<Address> brokers{{"127.0.0.1", 9092}};
  std::uint32_t metadata_refresh_interval_ms = 30'000;
  std::uint32_t receive_buffer_size = 262'144;  ///< bytes
  std::uint32_t poll_timeout_ms = 500;
  std::uint32_t max_batch_size = 8192;
  std::uint32_t failure_backoff_ms = 50;
  std::uint32_t max_commit_interval = 32;
};

/// Where a GPU keeps a table's rows.
enum class Placement {
  kNone,    ///< nowhere: the host tier alone
  kDevice,  ///< the whole table in GPU memory
  kPinned,  ///< in page-locked host memory, read over the bus
  kCached,  ///< a cache in GPU memory over the host tier
};

struct GpuConfig {
  Placement placement = Placement::kNone;
  /// Size of the cache; at most one is not 0. All 0: the cache chooses.
  std::uint64_t cache_bytes = 0;
  std::uint64_t cache_rows = 0;
  double cache_fraction = 0.0;             ///< of the table's rows
  std::filesystem::path frequency_file{};  ///< absolute, or empty: keys to load first
  std::vector<std::uint32_t> devices{};    ///< empty: every device that asks
};

}  // namespace hps
