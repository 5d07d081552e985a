#include "onnxruntime/ort_api.h"

#include <cstring>
#include <string>

namespace hps::ort {
namespace {

/// Copies the function pointer at `position` of the table.
template <class Function>
void read(const OrtApi* table, std::size_t position, Function& function) noexcept {
  static_assert(sizeof(Function) == sizeof(void*));
  std::memcpy(&function, reinterpret_cast<const std::byte*>(table) + position * sizeof(void*),
              sizeof(void*));
}

StatusCode status_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnknownKey:
      return kInvalidArgument;
    case ErrorCode::kNotFound:
      return kNoSuchFile;
    case ErrorCode::kUnsupported:
      return kNotImplemented;
    case ErrorCode::kInternal:
    case ErrorCode::kOutOfMemory:
      return kRuntimeException;
    default:
      return kFail;
  }
}

}  // namespace

CreateStatus create_status_of(const OrtApi* table) noexcept {
  CreateStatus function = nullptr;
  read(table, 0, function);
  return function;
}

Api::Api(const OrtApi* table) noexcept : create_status(create_status_of(table)) {
  read(table, 2, get_error_message);
  read(table, 26, create_domain);
  read(table, 27, domain_add);
  read(table, 28, add_domain);
  read(table, 51, tensor_data);
  read(table, 60, element_type);
  read(table, 61, rank);
  read(table, 62, extents);
  read(table, 65, tensor_info);
  read(table, 86, get_int);
  read(table, 87, get_string);
  read(table, 88, input_count);
  read(table, 89, output_count);
  read(table, 90, get_input);
  read(table, 91, get_output);
  read(table, 93, release_status);
  read(table, 99, release_tensor_info);
  read(table, 163, get_ints);
  read(table, 194, tensor_memory);
  read(table, 225, device_type);
  read(table, 230, info_inputs);
  read(table, 231, info_outputs);
  read(table, 274, parallel_for);
}

void Api::check(OrtStatus* status, const char* doing) const {
  if (status == nullptr) return;
  const std::string message = get_error_message(status);
  release_status(status);
  fail(ErrorCode::kInternal, "ONNX Runtime refused ", doing, ": ", message);
}

bool Api::succeeded(OrtStatus* status) const noexcept {
  if (status == nullptr) return true;
  release_status(status);
  return false;
}

OrtStatus* Api::status_of(ErrorCode code) const noexcept {
  return create_status(status_code(code), last_error());
}

}  // namespace hps::ort
