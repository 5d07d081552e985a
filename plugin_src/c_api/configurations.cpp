// Opening and closing configurations, and what they hold.
#include <cstdlib>

#include "c_api/border.h"
#include "config/config.h"

namespace hps::c_api {
namespace {

Progress progress_of(const hps_open_options* given) {
  if (given == nullptr) return {};
  const auto options = read_struct(given, "options", sizeof(std::size_t));
  if (options.progress == nullptr) return {};
  return [call = options.progress, user = options.progress_user](
             const std::string& table, std::uint64_t done, std::uint64_t total) {
    return call(user, table.c_str(), done, total) == 0;
  };
}

}  // namespace
}  // namespace hps::c_api

using namespace hps::c_api;

int hps_open(const char* config_file, const hps_open_options* options, hps_handle* handle) {
  return run([&] {
    need(config_file, "config_file");
    need(handle, "handle");
    *handle = 0;
    *handle = hps::add_handle(hps::open_deployment(config_file, progress_of(options)), config_file);
  });
}

int hps_close(hps_handle handle) {
  return run([&] { hps::drop_handle(handle); });
}

int hps_reload(hps_handle handle, const hps_open_options* options) {
  return run([&] { hps::reload_handle(handle, progress_of(options)); });
}

int hps_get_table_info(hps_handle handle, const char* model, const char* table,
                       hps_table_info* info) {
  return run([&] {
    read_struct(info, "info", offsetof(hps_table_info, dim));
    const OpenTable open = open_table_of(handle, model, table);
    const hps::TableConfig& config = open.table->config();
    hps_table_info found{};
    found.rows = open.table->rows();
    found.dim = config.dim;
    found.row_type = static_cast<std::int32_t>(config.type);
    found.dense = config.keys == hps::KeyKind::kDense ? 1 : 0;
    write_struct(info, found);
  });
}

int hps_statistics(hps_handle handle, char** json) {
  return run([&] {
    need(json, "json");
    *json = nullptr;
    give_text(hps::statistics_json(*hps::from_handle(handle)->snapshot()), json);
  });
}

int hps_config_check(const char* config_file, char** json) {
  return run([&] {
    need(config_file, "config_file");
    need(json, "json");
    *json = nullptr;
    give_text(hps::to_json(hps::load_config(config_file)), json);
  });
}

void hps_free(char* text) { std::free(text); }

const char* hps_last_error(void) { return hps::last_error(); }
const char* hps_version(void) { return "0.1.0"; }
int hps_api_version(void) { return HPS_API_VERSION; }
