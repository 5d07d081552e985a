// The one lookup service of a process: configurations opened, shared, reloaded, closed; which of
// them a node means. Layer: store, config <- lookup <- c_api, tensorrt, onnxruntime.
//
// Threads: everything here may be called from any thread. Nothing runs at load time and no static
// destructor touches this state (it is leaked on purpose: the library is linked -z nodelete).
// fork(): a child's calls on what its parent opened throw Error(kForked, "opened before fork").
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "config/config.h"
#include "lookup/node_spec.h"
#include "store/store.h"
#include "table/table.h"

namespace hps {

/// Counters of one table; monotonic, relaxed.
struct TableCounters {
  std::atomic<std::uint64_t> lookups{0};   ///< calls
  std::atomic<std::uint64_t> keys{0};      ///< keys asked for
  std::atomic<std::uint64_t> defaults{0};  ///< keys answered with the default vector: unknown key
  std::atomic<std::uint64_t> failures{0};  ///< calls that threw
};

/// An opened table: a store, its default vector, its policy for unknown keys, its counters.
class Table {
 public:
  virtual ~Table() = default;
  /// As opened: `rows` is set, `keys` is kDense or kHashed, never kScan.
  virtual const TableConfig& config() const noexcept = 0;
  virtual std::uint64_t rows() const noexcept = 0;  ///< of the files; what index mode onnx wraps by
  virtual Store& store() noexcept = 0;
  virtual const TableCounters& counters() const noexcept = 0;

  /// Writes one row of `dim` elements of `out_type` per key; keys that no tier holds get the
  /// default vector and are listed in `missing` (positions in the batch, ascending, appended).
  /// Rows of the same type are copied bit for bit; fp16 and bf16 widen exactly; narrowing rounds to
  /// nearest even; int8 rows are `float(q) * scale`, then rounded.
  /// @throws Error(kUnknownKey) naming table, key and position when the policy is kError.
  virtual void lookup(const KeyView& keys, RowsOut out, DataType out_type,
                      Missing& missing) const = 0;

  /// The same; a big batch is shared with `helpers` (may be null).
  virtual void lookup_with(ThreadPool* helpers, const KeyView& keys, RowsOut out, DataType out_type,
                           Missing& missing) const {
    static_cast<void>(helpers);
    lookup(keys, out, out_type, missing);
  }
};

/// One loaded state of a configuration; immutable but for overlays. Lookups hold it by shared_ptr.
struct Version {
  Config config;
  std::uint64_t serial = 0;  ///< distinct for every Version of the process
  struct Model {
    std::string name;
    std::vector<std::shared_ptr<Table>> tables;  ///< in configuration order
    Table* find(std::string_view table) const noexcept;
  };
  std::vector<Model> models;
  std::shared_ptr<ThreadPool> helpers;  ///< null when the configuration's `threads` is 0
  const Model* find(std::string_view model) const noexcept;
};

/// An opened configuration, whose Version may be swapped by reload().
class Deployment {
 public:
  virtual ~Deployment() = default;
  /// @throws Error(kForked) in a child of the process that opened it.
  virtual std::shared_ptr<const Version> snapshot() const = 0;
  /// Loads the file again and swaps; lookups in flight finish on the old state, which is freed by
  /// the last of them. The old state stays when loading fails, and when the bundle id differs (a
  /// graph carries the id: open the new bundle beside the old one instead). Overlays are dropped.
  virtual void reload(const Progress& progress) = 0;
  virtual const std::filesystem::path& file() const noexcept = 0;
};

/// What a node says about where its rows are.
struct NodeIdentity {
  int version = 2;
  std::string bundle_id;
  std::string model;
  std::string config_file;
};

/// Opens `file`, or shares the Deployment that is open for the same canonical path; it lives as
/// long as somebody holds it. Concurrent opens of one path load once.
/// @throws Error(kUnsupported) naming the setting when the configuration asks for what this build
/// does not have.
std::shared_ptr<Deployment> open_deployment(const std::filesystem::path& file,
                                            const Progress& progress = {});

/// The Deployment a node means: first those opened explicitly (newest first), then the files and
/// globs of the environment variable HPS_TRT_CONFIG (':'-separated, read and expanded again at each
/// call that has not found its id), then `identity.config_file`. A bundle matches by its id,
/// version "1" (and a node "2" without an id) by model name. @throws Error(kNotFound) that lists
/// what was looked through and why each did not match.
std::shared_ptr<Deployment> resolve_deployment(const NodeIdentity& identity);

/// Handles of the C API: never reused, so that a stale one is an error and not a crash.
/// `opened_as` is the path that was asked for, when there is one.
std::uint64_t add_handle(std::shared_ptr<Deployment> deployment,
                         const std::filesystem::path& opened_as = {});
std::shared_ptr<Deployment> from_handle(std::uint64_t handle);  ///< @throws Error(kNotFound)
void drop_handle(std::uint64_t handle);                         ///< @throws Error(kNotFound)
/// Deployment::reload for a handle. @throws also Error(kInvalidArgument) when the path it was
/// opened by leads to another file by now (a symbolic link was moved): that one is opened beside
/// it.
void reload_handle(std::uint64_t handle, const Progress& progress);

/// Counters and sizes of everything in `version`, as JSON text (names: hps_c.h).
std::string statistics_json(const Version& version);

}  // namespace hps
