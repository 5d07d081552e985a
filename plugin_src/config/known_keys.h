// Every key that a configuration may have. hps_trt/schemas/hps.schema.json says the same of
// hps.json (tests/cpp/config/schema_test.cpp compares them), plugin_src/CONFIG.md explains them.
#pragma once

#include <string_view>

namespace hps::config {

// hps.json
inline constexpr std::string_view kTopKeys[] = {"format",   "bundle_id",  "threads", "models",
                                                "volatile", "persistent", "updates"};
inline constexpr std::string_view kModelKeys[] = {"name", "tables"};
inline constexpr std::string_view kTableKeys[] = {"name", "path",   "rows",    "dim",
                                                  "type", "keys",   "default", "unknown",
                                                  "gpu",  "memory", "verify",  "files"};
inline constexpr std::string_view kFilesKeys[] = {"emb_vector", "key", "scale"};
inline constexpr std::string_view kFileKeys[] = {"bytes", "xxh128"};
inline constexpr std::string_view kGpuKeys[] = {"placement",      "cache_bytes",    "cache_rows",
                                                "cache_fraction", "frequency_file", "devices"};
inline constexpr std::string_view kVolatileKeys[] = {"type",
                                                     "address",
                                                     "user_name",
                                                     "password",
                                                     "num_partitions",
                                                     "allocation_rate",
                                                     "shared_memory_size",
                                                     "shared_memory_name",
                                                     "shared_memory_auto_remove",
                                                     "num_node_connections",
                                                     "max_batch_size",
                                                     "enable_tls",
                                                     "tls_ca_certificate",
                                                     "tls_client_certificate",
                                                     "tls_client_key",
                                                     "tls_server_name_identification",
                                                     "overflow_margin",
                                                     "overflow_policy",
                                                     "overflow_resolution_target",
                                                     "initialize_after_startup",
                                                     "initial_cache_rate",
                                                     "cache_missed_embeddings",
                                                     "update_filters"};
inline constexpr std::string_view kPersistentKeys[] = {"type",           "path",
                                                       "num_threads",    "read_only",
                                                       "max_batch_size", "initialize_after_startup",
                                                       "update_filters"};
inline constexpr std::string_view kUpdatesKeys[] = {"type",
                                                    "brokers",
                                                    "metadata_refresh_interval_ms",
                                                    "receive_buffer_size",
                                                    "poll_timeout_ms",
                                                    "max_batch_size",
                                                    "failure_backoff_ms",
                                                    "max_commit_interval"};

// ps.json: its sections have the keys above, and these of older HPS releases.
inline constexpr std::string_view kOldVolatileKeys[] = {
    "algorithm", "max_get_batch_size", "max_set_batch_size", "refresh_time_after_fetch"};
inline constexpr std::string_view kOldPersistentKeys[] = {"max_get_batch_size",
                                                          "max_set_batch_size"};
inline constexpr std::string_view kOldUpdatesKeys[] = {"max_receive_buffer_size"};

inline constexpr std::string_view kPsTopKeys[] = {"supportlonglong", "fuse_embedding_table",
                                                  "volatile_db",     "persistent_db",
                                                  "update_source",   "models"};
inline constexpr std::string_view kPsModelKeys[] = {"model",
                                                    "sparse_files",
                                                    "embedding_table_names",
                                                    "embedding_vecsize_per_table",
                                                    "maxnum_catfeature_query_per_table_per_sample",
                                                    "default_value_for_each_table",
                                                    "deployed_device_list",
                                                    "max_batch_size",
                                                    "gpucache",
                                                    "gpucacheper",
                                                    "hit_rate_threshold",
                                                    "num_of_worker_buffer_in_pool",
                                                    "num_of_refresher_buffer_in_pool",
                                                    "cache_refresh_percentage_per_iteration",
                                                    "refresh_delay",
                                                    "refresh_interval",
                                                    "embedding_cache_type",
                                                    "use_context_stream",
                                                    "maxnum_des_feature_per_sample",
                                                    "dense_file",
                                                    "network_file",
                                                    "label_dim",
                                                    "slot_num",
                                                    "use_static_table",
                                                    "use_hctr_cache_implementation",
                                                    "thread_pool_size",
                                                    "init_ec",
                                                    "enable_pagelock",
                                                    "fp8_quant",
                                                    "fuse_embedding_table"};

}  // namespace hps::config
