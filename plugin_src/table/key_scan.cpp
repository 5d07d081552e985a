#include "table/key_scan.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/xxh128.h"

namespace hps {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 16;  // keys

class Scan {
 public:
  Scan(const File& file, std::string_view table, const ScanOptions& options)
      : file_(file), table_(table), options_(options) {
    keys_.summary.rows = file.size() / sizeof(std::int64_t);
    if (options.always_index) keys_.index.emplace(keys_.summary.rows, table);
  }

  ScannedKeys run() && {
    const std::uint64_t rows = keys_.summary.rows;
    std::vector<std::int64_t> buffer(std::min<std::uint64_t>(kChunk, rows));
    Xxh128 hash;
    for (std::uint64_t first = 0; first < rows; first += kChunk) {
      const std::size_t count = std::min<std::uint64_t>(kChunk, rows - first);
      const std::span<std::int64_t> keys = std::span(buffer).first(count);
      file_.read_at(std::as_writable_bytes(keys), first * sizeof(std::int64_t));
      hash.update(std::as_bytes(keys));
      take(keys, first);
      if (options_.progress) options_.progress((first + count) * sizeof(std::int64_t));
    }
    if (file_.identity_now() != file_.identity()) {
      fail(ErrorCode::kIo, "table '", table_, "': ", file_.path().string(),
           " was written to while it was read; open the table again");
    }
    keys_.summary.key_xxh128 = hash.hex();
    return std::move(keys_);
  }

 private:
  void take(std::span<const std::int64_t> keys, std::uint64_t first) {
    KeySummary& summary = keys_.summary;
    const auto [low, high] = std::minmax_element(keys.begin(), keys.end());
    if (options_.fit_32_bits && (!fits_32_bits(*low) || !fits_32_bits(*high))) {
      const auto wide = std::find_if_not(keys.begin(), keys.end(), fits_32_bits);
      refuse_wide_key(table_, file_.path().string(), *wide,
                      first + static_cast<std::uint64_t>(wide - keys.begin()));
    }
    summary.min_key = first == 0 ? *low : std::min(summary.min_key, *low);
    summary.max_key = first == 0 ? *high : std::max(summary.max_key, *high);
    if (summary.dense && !continues(keys, first)) {
      summary.dense = false;
      if (!keys_.index) begin_index(first);
    }
    if (keys_.index) add(keys);
  }

  static bool continues(std::span<const std::int64_t> keys, std::uint64_t first) {
    std::uint64_t different = 0;
    for (const std::int64_t key : keys) different |= static_cast<std::uint64_t>(key) ^ first++;
    return different == 0;
  }

  // The keys before `first` were dense, so they are known without being read again.
  void begin_index(std::uint64_t first) {
    keys_.index.emplace(keys_.summary.rows, table_);
    std::vector<std::int64_t> known(std::min<std::uint64_t>(kChunk, first));
    for (std::uint64_t at = 0; at < first; at += kChunk) {
      std::iota(known.begin(), known.end(), static_cast<std::int64_t>(at));
      add(std::span(known).first(std::min<std::uint64_t>(kChunk, first - at)));
    }
  }

  void add(std::span<const std::int64_t> keys) {
    if (const auto twice = keys_.index->add(keys)) {
      fail(ErrorCode::kTable, "table '", table_, "': ", file_.path().string(), " has key ",
           twice->key, " twice, at positions ", twice->first, " and ", twice->second,
           "; every key must have one row");
    }
  }

  const File& file_;
  const std::string_view table_;
  const ScanOptions& options_;
  ScannedKeys keys_;
};

}  // namespace

ScannedKeys scan_keys(const File& file, std::string_view table, const ScanOptions& options) {
  return Scan(file, table, options).run();
}

void refuse_wide_key(std::string_view table, const std::string& file, std::int64_t key,
                     std::uint64_t position) {
  fail(ErrorCode::kTable, "table '", table, "': ", file, " has key ", key, " at position ",
       position, ", which does not fit 32 bits; set \"supportlonglong\": true");
}

}  // namespace hps
