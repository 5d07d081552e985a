#include "base/error.h"

#include <memory>
#include <new>
#include <utility>

namespace hps {
namespace {

// Null until the first failure. A plain pointer outlives the thread's other thread_local objects:
// static destructors of the host run after those, and their calls may fail too.
thread_local std::string* last_message = nullptr;

// Frees the message with its thread; what a static destructor leaves behind ends with the process.
struct MessageOwner {
  ~MessageOwner() { std::unique_ptr<std::string>(std::exchange(last_message, nullptr)); }
};

}  // namespace

const char* last_error() noexcept { return last_message == nullptr ? "" : last_message->c_str(); }

void set_last_error(const char* message) noexcept {
  try {
    if (last_message == nullptr) {
      last_message = std::make_unique<std::string>().release();
      thread_local const MessageOwner owner;
    }
    *last_message = message;
  } catch (...) {
    // Out of memory for the text: the code still says what happened.
    if (last_message != nullptr) last_message->clear();
  }
}

ErrorCode capture_current_exception() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    set_last_error(error.what());
    return error.code();
  } catch (const std::bad_alloc&) {
    set_last_error("out of memory");
    return ErrorCode::kOutOfMemory;
  } catch (const std::exception& error) {
    set_last_error(error.what());
    return ErrorCode::kInternal;
  } catch (...) {
    set_last_error("an exception of unknown type");
    return ErrorCode::kInternal;
  }
}

}  // namespace hps
