// The Table that a configuration's table becomes. Layer: store <- lookup; for this folder and
// tests.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "lookup/service.h"

namespace hps {

class LoadedTable final : public Table {
 public:
  /// `store` holds rows as `config` says; `config.rows` is the number of rows of the files.
  /// `model` is for messages. @throws Error(kConfig) for a default vector of another length.
  LoadedTable(const std::string& model, TableConfig config, std::unique_ptr<Store> store);

  const TableConfig& config() const noexcept override { return config_; }
  std::uint64_t rows() const noexcept override { return *config_.rows; }
  Store& store() noexcept override { return *store_; }
  const TableCounters& counters() const noexcept override { return counters_; }

  void lookup(const KeyView& keys, RowsOut out, DataType out_type, Missing& missing) const override;
  void lookup_with(ThreadPool* helpers, const KeyView& keys, RowsOut out, DataType out_type,
                   Missing& missing) const override;

 private:
  struct Batch;
  void check(const Batch& batch) const;
  void find(const Batch& batch, std::size_t begin, std::size_t count, Missing& missing) const;
  void find_converting(const Batch& batch, std::size_t begin, std::size_t count,
                       Missing& missing) const;
  void find_shared(ThreadPool& helpers, const Batch& batch, Missing& missing) const;
  [[noreturn]] void fail_unknown(const KeyView& keys, std::uint32_t position) const;
  const std::vector<std::byte>& default_row(DataType type) const;

  std::string name_;  // "model/table"
  TableConfig config_;
  std::unique_ptr<Store> store_;
  std::array<std::vector<std::byte>, 3> defaults_;  // fp32, fp16, bf16
  mutable TableCounters counters_;
};

/// Opens the files of `config` and puts a LoadedTable over them.
std::shared_ptr<Table> load_table(const std::string& model, const TableConfig& config,
                                  const Progress& progress);

}  // namespace hps
