// Reads a configuration file from disk.
#include <system_error>

#include "base/file.h"
#include "config/config.h"
#include "config/reader.h"

namespace hps {
namespace {

std::string read_text(const std::filesystem::path& path) {
  const File file = File::open(path);
  if (file.size() > config::kLargestFile) {
    fail(ErrorCode::kConfig, path.string(), ": ", file.size(),
         " bytes; a configuration has at most ", config::kLargestFile, " bytes");
  }
  std::string text(file.size(), '\0');
  file.read_at(std::as_writable_bytes(std::span(text)), 0);
  return text;
}

}  // namespace

Config load_config(const std::filesystem::path& file) {
  if (file.empty()) {
    fail(ErrorCode::kInvalidArgument, "the path of the configuration is empty; name an hps.json");
  }
  std::error_code error;
  const std::filesystem::path canonical = std::filesystem::canonical(file, error);
  if (error) {
    const bool missing =
        error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
    fail(missing ? ErrorCode::kNotFound : ErrorCode::kIo, file.string(), ": ", error.message(),
         "; give the path of an hps.json or ps.json");
  }
  if (std::filesystem::is_directory(canonical, error)) {
    fail(ErrorCode::kIo, canonical.string(), ": a folder; give the configuration file in it, as ",
         (canonical / "hps.json").string());
  }
  return parse_config(read_text(canonical), canonical);
}

}  // namespace hps
