#include "base/error.h"

#include <new>

namespace hps {
namespace {

std::string& message_slot() {
  thread_local std::string message;
  return message;
}

}  // namespace

const char* last_error() noexcept { return message_slot().c_str(); }

void set_last_error(const char* message) noexcept {
  try {
    message_slot() = message;
  } catch (...) {
    message_slot().clear();  // out of memory for the text: the code still says what happened
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
