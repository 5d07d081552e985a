// One error type, and one border where it stops.
#pragma once

#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>

namespace hps {

/// The values cross the C API (`hps_c.h`, `HPS_ERROR_*`): append, never renumber.
enum class ErrorCode : int {
  kOk = 0,
  kInvalidArgument = 1,  ///< the caller's mistake: shape, type, name, null pointer
  kNotFound = 2,         ///< a file, model, table, bundle id or handle that does not exist
  kConfig = 3,           ///< a configuration file that does not say something valid
  kTable = 4,            ///< table files whose sizes or contents contradict the configuration
  kIo = 5,               ///< the operating system refused (errno text in the message)
  kUnsupported = 6,      ///< valid, but this build does not have it
  kUnknownKey = 7,       ///< a key that no tier holds, in a table whose policy is "error"
  kForked = 8,           ///< the handle was opened before fork()
  kCancelled = 9,        ///< a progress callback asked to stop
  kOutOfMemory = 10,
  kInternal = 11,  ///< a bug here
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// Throws `Error(code, all parts streamed one after the other)`.
/// A message says what is wrong, where (file, table, key), and how to mend it, in one line.
template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(code, text.str());
}

/// The text of the last failure that `guard` caught on the calling thread; "" when there was none.
/// Valid until the next failing `guard` on this thread.
const char* last_error() noexcept;

/// Stores `message` as this thread's last error. Never throws.
void set_last_error(const char* message) noexcept;

/// Maps the exception in flight to a code and stores its text. For use in a catch (...) block.
ErrorCode capture_current_exception() noexcept;

/// Runs `body`; nothing escapes. Everything that a host calls through C goes through here.
template <class Body>
ErrorCode guard(Body&& body) noexcept {
  try {
    body();
    return ErrorCode::kOk;
  } catch (...) {
    return capture_current_exception();
  }
}

}  // namespace hps
