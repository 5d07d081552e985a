#include "table/table_data.h"

#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/file_loader.h"
#include "table/index_file.h"
#include "table/key_scan.h"

namespace hps {
namespace {

class Loader {
 public:
  Loader(const TableParts& parts, const TableConfig& config, const Progress& progress)
      : parts_(parts), config_(config), progress_(progress) {}

  std::shared_ptr<const TableData> run() {
    auto data = std::make_shared<TableData>();
    data->rows = parts_.rows;
    if (copied()) {
      total_ = parts_.row_file.size() + (parts_.scale_file ? parts_.scale_file->size() : 0);
    }
    load_keys(*data);
    data->row_bytes = load_bytes(parts_.row_file, config_.row_file);
    if (parts_.scale_file) data->scale_bytes = load_bytes(*parts_.scale_file, config_.scale_file);
    return data;
  }

 private:
  bool copied() const { return config_.memory != Memory::kMapped; }

  // Mapped tables are not compared: their point is that opening reads nothing.
  bool verified() const { return config_.verify && copied(); }

  bool report(std::uint64_t done) {
    if (progress_ && !progress_(config_.name, before_ + done, total_)) {
      fail(ErrorCode::kCancelled, table_label(config_), ": opening was cancelled after ",
           before_ + done, " of ", total_, " bytes");
    }
    return true;
  }

  void compare(const File& file, const std::string& found, const TableFile& described) const {
    if (described.xxh128.empty() || found == described.xxh128) return;
    fail(ErrorCode::kTable, table_label(config_), ": ", file.path().string(), " has checksum ",
         found, " and the manifest says ", described.xxh128, "; copy the bundle again");
  }

  HostBytes load_bytes(const File& file, const TableFile& described) {
    if (!copied()) return HostBytes(MappedFile(file, Access::kRandom));
    const HostPages pages =
        config_.memory == Memory::kHuge ? HostPages::kReserved : HostPages::kTransparent;
    HostBuffer buffer(file.size(), pages, table_label(config_) + ", " + file.path().string());
    Xxh128 hash;
    LoadOptions options;
    if (verified()) options.hash = &hash;
    options.progress = [this](std::uint64_t done) { return report(done); };
    load_file(file, buffer.bytes(), options);
    if (file.identity_now() != file.identity()) {
      fail(ErrorCode::kIo, table_label(config_), ": ", file.path().string(),
           " was written to while it was read; open the table again");
    }
    if (verified()) compare(file, hash.hex(), described);
    before_ += file.size();
    return HostBytes(std::move(buffer));
  }

  void load_keys(TableData& data) {
    if (config_.keys == KeyKind::kDense) return check_dense_width(parts_.rows);
    KeySummary summary;
    if (!use_stored_index(data, summary)) scan(data, summary);
    if (data.index) data.key_bytes = MappedFile(parts_.key_file);
  }

  // Keys 0..rows-1 fit 32 bits or not by their number alone.
  void check_dense_width(std::uint64_t rows) const {
    constexpr std::uint64_t kEnd = std::uint64_t{1} << 31;
    if (!config_.keys_fit_32_bits || rows <= kEnd) return;
    refuse_wide_key(config_.name, parts_.key_file.path().string(), std::int64_t{kEnd}, kEnd);
  }

  bool use_stored_index(TableData& data, KeySummary& summary) {
    const std::optional<IndexFile> stored = open_index_file(parts_.key_file);
    if (!stored) return false;
    summary = stored->summary;
    // These two cases end in an error that names a position, which takes the keys themselves.
    if (config_.keys_fit_32_bits &&
        !(fits_32_bits(summary.min_key) && fits_32_bits(summary.max_key))) {
      return false;
    }
    if (verified() && !config_.key_file.xxh128.empty() &&
        summary.key_xxh128 != config_.key_file.xxh128) {
      return false;
    }
    if (config_.keys == KeyKind::kScan && summary.dense) return true;
    if (!stored->has_buckets) return false;
    data.index = load_index(*stored, copied());
    return data.index != nullptr;
  }

  void scan(TableData& data, KeySummary& summary) {
    total_ += parts_.key_file.size();
    ScanOptions options;
    options.always_index = config_.keys == KeyKind::kHashed;
    options.fit_32_bits = config_.keys_fit_32_bits;
    options.progress = [this](std::uint64_t done) { report(done); };
    ScannedKeys scanned = scan_keys(parts_.key_file, config_.name, options);
    before_ += parts_.key_file.size();
    summary = scanned.summary;
    if (verified()) compare(parts_.key_file, summary.key_xxh128, config_.key_file);
    data.index = store_index(std::move(scanned));
  }

  // An index file spares the next opening the keys; this opening can do without one, so a folder
  // that cannot be written to is no failure.
  std::unique_ptr<HashedKeyIndex> store_index(ScannedKeys scanned) const {
    bool saved = false;
    try {
      save_index_file(parts_.key_file, scanned.summary,
                      scanned.index ? scanned.index->ref() : KeyIndexRef{});
      saved = true;
    } catch (const Error&) {
    }
    if (!scanned.index) return nullptr;
    // The pages of a file can be dropped and read again, and are shared between processes.
    if (saved && !copied()) {
      const std::optional<IndexFile> stored = open_index_file(parts_.key_file);
      if (stored && stored->has_buckets && stored->summary == scanned.summary) {
        return load_index(*stored, false);
      }
    }
    return std::move(*scanned.index).finish();
  }

  const TableParts& parts_;
  const TableConfig& config_;
  const Progress& progress_;
  std::uint64_t before_ = 0;  // bytes of the files that are done
  std::uint64_t total_ = 0;
};

class OpenTable final : public TableFiles {
 public:
  OpenTable(const TableConfig& config, std::shared_ptr<const TableData> data)
      : config_(config), data_(std::move(data)) {}

  const TableConfig& config() const noexcept override { return config_; }
  std::uint64_t rows() const noexcept override { return data_->rows; }
  bool dense() const noexcept override { return data_->index == nullptr; }
  std::span<const std::byte> row_data() const noexcept override { return data_->row_bytes.bytes(); }
  std::span<const float> scales() const noexcept override {
    const std::span<const std::byte> bytes = data_->scale_bytes.bytes();
    return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
  }
  const KeyIndex* index() const noexcept override { return data_->index.get(); }

  std::int64_t key_of(std::uint64_t row) const override {
    if (row >= rows()) {
      fail(ErrorCode::kInvalidArgument, table_label(config_), ": row ", row, " of ", rows());
    }
    if (dense()) return static_cast<std::int64_t>(row);
    return reinterpret_cast<const std::int64_t*>(data_->key_bytes.bytes().data())[row];
  }

 private:
  const TableConfig config_;
  const std::shared_ptr<const TableData> data_;
};

}  // namespace

std::span<const std::byte> HostBytes::bytes() const noexcept {
  if (const auto* const mapped = std::get_if<MappedFile>(&memory_)) return mapped->bytes();
  return std::get_if<HostBuffer>(&memory_)->bytes();
}

std::shared_ptr<const TableData> load_table(const TableParts& parts, const TableConfig& config,
                                            const Progress& progress) {
  return Loader(parts, config, progress).run();
}

std::shared_ptr<const TableFiles> make_table_files(const TableConfig& config,
                                                   std::shared_ptr<const TableData> data) {
  return std::make_shared<OpenTable>(config, std::move(data));
}

}  // namespace hps
