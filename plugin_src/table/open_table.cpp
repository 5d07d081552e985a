#include <chrono>
#include <compare>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/fork.h"
#include "table/table.h"
#include "table/table_data.h"
#include "table/table_parts.h"

namespace hps {
namespace {

// Two openings with equal keys would read the same bytes in the same way.
struct ShareKey {
  FileIdentity rows, keys, scales;
  std::uint32_t dim = 0;
  DataType type = DataType::kFloat32;
  KeyKind kind = KeyKind::kDense;
  Memory memory = Memory::kMapped;
  bool fit_32_bits = false;
  std::string compared;  // the checksums asked for; "" without `verify`

  auto operator<=>(const ShareKey&) const = default;
};

ShareKey share_key(const TableParts& parts, const TableConfig& config) {
  ShareKey key;
  key.rows = parts.row_file.identity();
  key.keys = parts.key_file.identity();
  if (parts.scale_file) key.scales = parts.scale_file->identity();
  key.dim = config.dim;
  key.type = config.type;
  key.kind = config.keys;
  key.memory = config.memory;
  key.fit_32_bits = config.keys_fit_32_bits;
  if (config.verify) {
    key.compared = "verified " + config.row_file.xxh128 + " " + config.key_file.xxh128 + " " +
                   config.scale_file.xxh128;
  }
  return key;
}

// Tables that are open, or being opened, in this process.
class SharedTables {
 public:
  std::shared_ptr<const TableData> open(const TableParts& parts, const TableConfig& config,
                                        const Progress& progress) {
    const ShareKey key = share_key(parts, config);
    if (auto data = find_or_claim(key, config, progress)) return data;
    std::shared_ptr<const TableData> data;
    try {
      data = load_table(parts, config, progress);
    } catch (...) {
      settle(key, nullptr);  // who waited tries for itself
      throw;
    }
    settle(key, data);
    return data;
  }

 private:
  struct Entry {
    bool loading = false;
    std::weak_ptr<const TableData> data;
  };

  // The table, or null: then the caller has to load it, and to call settle.
  std::shared_ptr<const TableData> find_or_claim(const ShareKey& key, const TableConfig& config,
                                                 const Progress& progress) {
    std::unique_lock lock(mutex_);
    for (;;) {
      Entry& entry = entries_[key];
      if (auto data = entry.data.lock()) return data;
      if (!entry.loading) {
        entry.loading = true;
        return nullptr;
      }
      // Woken now and then, only so that the caller may give up.
      settled_.wait_for(lock, std::chrono::milliseconds(50));
      if (!progress) continue;
      lock.unlock();
      if (!progress(config.name, 0, key.rows.size)) {
        fail(ErrorCode::kCancelled, table_label(config), ": opening was cancelled");
      }
      lock.lock();
    }
  }

  void settle(const ShareKey& key, std::shared_ptr<const TableData> data) noexcept {
    {
      const std::lock_guard lock(mutex_);
      Entry& entry = entries_.find(key)->second;
      entry.loading = false;
      entry.data = data;
      std::erase_if(entries_, [](const auto& item) {
        return !item.second.loading && item.second.data.expired();
      });
    }
    settled_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable settled_;
  std::map<ShareKey, Entry> entries_;
};

PerProcess<SharedTables> shared_tables;

}  // namespace

std::shared_ptr<const TableFiles> open_table(const TableConfig& config, const Progress& progress) {
  const TableParts parts = open_table_parts(config);
  return make_table_files(config, load_table(parts, config, progress));
}

std::shared_ptr<const TableFiles> open_table_shared(const TableConfig& config,
                                                    const Progress& progress) {
  const TableParts parts = open_table_parts(config);
  return make_table_files(config, shared_tables.get().open(parts, config, progress));
}

}  // namespace hps
