// A table's "gpu" object: read and checked here, served by builds that have the GPU tier.
#include "config/known_keys.h"
#include "config/names.h"
#include "config/parsers.h"

namespace hps::config {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 50;
constexpr std::uint64_t kMostRows = std::uint64_t{1} << 40;
constexpr std::uint32_t kMostDevices = 1024;

constexpr Choice<Placement> kPlacements[] = {{"none", Placement::kNone},
                                             {"device", Placement::kDevice},
                                             {"pinned", Placement::kPinned},
                                             {"cached", Placement::kCached}};
constexpr std::string_view kSizes[] = {"cache_bytes", "cache_rows", "cache_fraction"};

void check_sizes(const Object& object, Placement placement) {
  std::string_view first;
  for (const std::string_view key : kSizes) {
    if (!object.has(key)) continue;
    if (placement != Placement::kCached) {
      object.need(key).refuse(R"(only "placement": "cached" has a cache; remove this key)");
    }
    if (!first.empty()) {
      object.need(key).refuse("the size of the cache is given by ", in_quotes(first),
                              " already; keep one of the two");
    }
    first = key;
  }
}

std::vector<std::uint32_t> parse_devices(const Value& value) {
  std::vector<std::uint32_t> devices;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::uint32_t device = value.at(i).whole32(0, kMostDevices - 1);
    for (const std::uint32_t other : devices) {
      if (other == device) value.at(i).refuse("device ", device, " is listed twice; remove one");
    }
    devices.push_back(device);
    if (devices.size() > kMostDevices) value.refuse("more than ", kMostDevices, " devices");
  }
  return devices;
}

}  // namespace

void parse_gpu(const Value& section, TableConfig& table, std::vector<Notice>& notices) {
  const Object object = section.object(kGpuKeys);
  GpuConfig& gpu = table.gpu;
  const Value placement = object.need("placement");
  gpu.placement = placement.choice<Placement>(kPlacements);
  check_sizes(object, gpu.placement);
  if (const auto size = object.find("cache_bytes")) gpu.cache_bytes = size->whole(1, kMostBytes);
  if (const auto size = object.find("cache_rows")) gpu.cache_rows = size->whole(1, kMostRows);
  if (const auto size = object.find("cache_fraction")) gpu.cache_fraction = size->number(0.0, 1.0);
  if (const auto file = object.find("frequency_file")) {
    gpu.frequency_file = bundle_path(*file);
    if (gpu.placement == Placement::kNone) {
      not_needed(notices, *file, "without a placement no row is on a GPU");
    }
  }
  if (const auto devices = object.find("devices")) {
    gpu.devices = parse_devices(*devices);
    if (gpu.placement == Placement::kNone) {
      not_needed(notices, *devices, "without a placement no row is on a GPU");
    }
  }
  if (gpu.placement != Placement::kNone) {
    not_here(notices, placement, "placement " + in_quotes(placement.text()),
             R"(set "none": the host tier serves)");
  }
  object.all_read();
}

}  // namespace hps::config
