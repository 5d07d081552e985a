// Configurations that the tests change one thing in, and a way to ask for the error.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "config/config.h"

namespace hps::test {

using nlohmann::json;

inline const char* const kFile = "/bundle/hps.json";

/// Every key of hps.json but the stores, valid.
inline json hps_document() {
  return json::parse(R"({
    "format": "hps-trt/1", "threads": 2,
    "models": [{"name": "dlrm", "tables": [
      {"name": "emb_0", "path": "tables/emb_0", "rows": 1000, "dim": 128, "type": "fp32",
       "keys": "dense", "default": 0.5, "unknown": "default", "memory": "mapped", "verify": false,
       "gpu": {"placement": "none"},
       "files": {"emb_vector": {"bytes": 512000, "xxh128": "0123456789abcdef0123456789abcdef"},
                 "key": {"bytes": 8000, "xxh128": "fedcba9876543210fedcba9876543210"}}},
      {"name": "emb-1", "path": "/data/emb-1", "rows": 3, "dim": 5, "type": "int8",
       "keys": "hashed", "default": [1, 2, 3, 4, 5.5], "unknown": "error", "memory": "copied",
       "verify": true,
       "files": {"emb_vector": {"bytes": 15, "xxh128": "00112233445566778899aabbccddeeff"},
                 "key": {"bytes": 24, "xxh128": "ffeeddccbbaa99887766554433221100"},
                 "scale": {"bytes": 12, "xxh128": "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"}}}]},
     {"name": "wide", "tables": [
      {"name": "w", "path": "tables/w", "rows": 7, "dim": 2, "type": "bf16",
       "files": {"emb_vector": {"bytes": 28, "xxh128": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
                 "key": {"bytes": 56, "xxh128": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}}}]}]
  })");
}

/// The id of hps_document(), by the xxhash package of Python (tests/test_config.py has it too).
inline const char* const kGoldenId = "83330fb3989a610c5ff3d0b47eb767fc";

/// Every key that HPS' models had, valid; no stores.
inline json ps_document() {
  return json::parse(R"({
    "supportlonglong": true, "fuse_embedding_table": false,
    "models": [{
      "model": "wdl", "sparse_files": ["/wdl/0_sparse.model", "../wdl/1_sparse.model"],
      "embedding_table_names": ["table1", "table2"], "embedding_vecsize_per_table": [1, 15],
      "maxnum_catfeature_query_per_table_per_sample": [2, 26],
      "default_value_for_each_table": [0.0, -1.5], "deployed_device_list": [0, 1],
      "max_batch_size": 64, "gpucache": true, "gpucacheper": 0.2, "hit_rate_threshold": 0.9,
      "num_of_worker_buffer_in_pool": 4, "num_of_refresher_buffer_in_pool": 1,
      "cache_refresh_percentage_per_iteration": 0.2, "refresh_delay": 0, "refresh_interval": 0.5,
      "embedding_cache_type": "dynamic", "use_context_stream": true,
      "maxnum_des_feature_per_sample": 26, "dense_file": "/wdl/dense.model",
      "network_file": "/wdl/wdl.json", "label_dim": 1, "slot_num": 10, "use_static_table": false,
      "use_hctr_cache_implementation": true, "thread_pool_size": 16, "init_ec": true,
      "enable_pagelock": false, "fp8_quant": false, "fuse_embedding_table": false}]
  })");
}

inline Config parse(const json& document) { return parse_config(document.dump(), kFile); }

/// The message of the error that parsing gives; fails the test when there is none, when its code is
/// another, or when it is more than one line.
inline std::string error_of(const std::string& text, ErrorCode code = ErrorCode::kConfig) {
  try {
    parse_config(text, kFile);
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_TRUE(message.starts_with("/bundle/hps.json: ")) << message;
    return message;
  }
  ADD_FAILURE() << "no error for " << text.substr(0, 2000);
  return "";
}
inline std::string error_of(const json& document, ErrorCode code = ErrorCode::kConfig) {
  return error_of(document.dump(), code);
}

/// The notice at `where`; null when there is none.
inline const Notice* notice_at(const Config& config, const std::string& where) {
  for (const Notice& notice : config.notices) {
    if (notice.where == where) return &notice;
  }
  return nullptr;
}

}  // namespace hps::test
