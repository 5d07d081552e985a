// ONNX Runtime's functions, typed, and its statuses turned into our errors and back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "onnxruntime/ort_abi.h"

namespace hps::ort {

using CreateStatus = OrtStatus* (*)(int code, const char* message) noexcept;

/// The one function that exists in every version of the table.
CreateStatus create_status_of(const OrtApi* table) noexcept;

/// The functions used, each read from its position in the table of `base`. Trivially copyable.
struct Api {
  CreateStatus create_status;
  const char* (*get_error_message)(const OrtStatus*) noexcept;
  void (*release_status)(OrtStatus*) noexcept;

  OrtStatus* (*create_domain)(const char* name, OrtCustomOpDomain**) noexcept;
  OrtStatus* (*domain_add)(OrtCustomOpDomain*, const OrtCustomOp*) noexcept;
  OrtStatus* (*add_domain)(OrtSessionOptions*, OrtCustomOpDomain*) noexcept;

  OrtStatus* (*get_int)(const OrtKernelInfo*, const char* name, std::int64_t*) noexcept;
  OrtStatus* (*get_ints)(const OrtKernelInfo*, const char* name, std::int64_t*,
                         std::size_t* count) noexcept;
  OrtStatus* (*get_string)(const OrtKernelInfo*, const char* name, char*,
                           std::size_t* size) noexcept;
  OrtStatus* (*info_inputs)(const OrtKernelInfo*, std::size_t*) noexcept;
  OrtStatus* (*info_outputs)(const OrtKernelInfo*, std::size_t*) noexcept;

  OrtStatus* (*input_count)(const OrtKernelContext*, std::size_t*) noexcept;
  OrtStatus* (*output_count)(const OrtKernelContext*, std::size_t*) noexcept;
  OrtStatus* (*get_input)(const OrtKernelContext*, std::size_t index, const OrtValue**) noexcept;
  OrtStatus* (*get_output)(OrtKernelContext*, std::size_t index, const std::int64_t* extents,
                           std::size_t rank, OrtValue**) noexcept;
  OrtStatus* (*parallel_for)(const OrtKernelContext*, void (*body)(void*, std::size_t),
                             std::size_t total, std::size_t batches, void* user) noexcept;

  OrtStatus* (*tensor_data)(OrtValue*, void**) noexcept;
  OrtStatus* (*tensor_info)(const OrtValue*, OrtTensorTypeAndShapeInfo**) noexcept;
  OrtStatus* (*tensor_memory)(const OrtValue*, const OrtMemoryInfo**) noexcept;
  void (*device_type)(const OrtMemoryInfo*, int*) noexcept;
  OrtStatus* (*element_type)(const OrtTensorTypeAndShapeInfo*, int*) noexcept;
  OrtStatus* (*rank)(const OrtTensorTypeAndShapeInfo*, std::size_t*) noexcept;
  OrtStatus* (*extents)(const OrtTensorTypeAndShapeInfo*, std::int64_t*, std::size_t) noexcept;
  void (*release_tensor_info)(OrtTensorTypeAndShapeInfo*) noexcept;

  explicit Api(const OrtApi* table) noexcept;

  /// Releases `status`. @throws Error(kInternal) with its message when there is one.
  void check(OrtStatus* status, const char* doing) const;

  /// Releases `status`; true when it was none.
  bool succeeded(OrtStatus* status) const noexcept;

  /// A status for the failure that guard() just caught on this thread: its code, its message.
  OrtStatus* status_of(ErrorCode code) const noexcept;

  /// guard() whose result is a status: null, or the failure.
  template <class Body>
  OrtStatus* run_guarded(Body&& body) const noexcept {
    const ErrorCode code = guard(body);
    return code == ErrorCode::kOk ? nullptr : status_of(code);
  }
};

}  // namespace hps::ort
