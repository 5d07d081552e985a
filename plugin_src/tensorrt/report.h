// Where messages go: TensorRT's logger when there is one, standard error otherwise.
// Layer: base <- tensorrt.
#pragma once

#include <utility>

#include "base/error.h"
#include "tensorrt/foreign.h"

namespace hps::tensorrt {

enum class Severity : std::int32_t { kError = 1, kWarning = 2, kInfo = 3, kVerbose = 4 };

/// The finder that TensorRT handed over; the newest counts. Not owned: TensorRT keeps it. Null, or
/// of a generation we do not know: messages go where they would without it.
void set_logger_finder(Generation generation, void* finder) noexcept;

/// One line. Errors and warnings that find no logger go to standard error, the rest nowhere.
/// Thread-safe; never fails.
void report(Severity severity, const char* message) noexcept;

/// Runs `body` through hps::guard; a failure is reported as "HPS_TRT: <its message>".
/// Returns whether it succeeded.
template <class Body>
bool guarded(Body&& body) noexcept;

/// The message of this thread's last failure, reported as an error.
void report_last_error() noexcept;

template <class Body>
bool guarded(Body&& body) noexcept {
  if (guard(std::forward<Body>(body)) == ErrorCode::kOk) return true;
  report_last_error();
  return false;
}

}  // namespace hps::tensorrt
