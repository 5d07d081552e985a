#include "tensorrt/report.h"

#include <cstdio>
#include <mutex>
#include <string>

namespace hps::tensorrt {
namespace {

struct Finder {
  Generation generation = Generation::kUnknown;
  void* finder = nullptr;
};

std::mutex& finder_mutex() {
  static std::mutex mutex;
  return mutex;
}

Finder& finder_slot() {
  static Finder finder;
  return finder;
}

struct Logger {
  Generation generation = Generation::kUnknown;
  void* logger = nullptr;
};

Logger current_logger() {
  Finder finder;
  {
    const std::lock_guard lock(finder_mutex());
    finder = finder_slot();
  }
  if (finder.finder != nullptr) {
    void* logger = find_logger(finder.generation, finder.finder);
    if (logger != nullptr) return {finder.generation, logger};
  }
  for (const Library& library : loaded_libraries()) {
    if (library.generation == Generation::kUnknown || library.get_logger == nullptr) continue;
    void* logger = library.get_logger();
    if (logger != nullptr) return {library.generation, logger};
  }
  return {};
}

}  // namespace

void set_logger_finder(Generation generation, void* finder) noexcept {
  try {
    const std::lock_guard lock(finder_mutex());
    const bool usable = finder != nullptr && generation != Generation::kUnknown;
    finder_slot() = usable ? Finder{generation, finder} : Finder{};
  } catch (const std::exception& error) {
    report(Severity::kError, error.what());
  }
}

void report(Severity severity, const char* message) noexcept {
  try {
    const Logger logger = current_logger();
    if (logger.logger != nullptr) {
      log(logger.generation, logger.logger, static_cast<std::int32_t>(severity), message);
      return;
    }
  } catch (...) {
    // No logger could be found: the message itself still counts.
  }
  if (severity <= Severity::kWarning) std::fprintf(stderr, "%s\n", message);
}

void report_last_error() noexcept {
  try {
    const std::string message = std::string("HPS_TRT: ") + last_error();
    report(Severity::kError, message.c_str());
  } catch (...) {
    report(Severity::kError, last_error());
  }
}

}  // namespace hps::tensorrt
