// One HPS_TRT node of one session, on ONNX Runtime's CPU provider.
#pragma once

#include <atomic>
#include <memory>

#include "lookup/node.h"
#include "onnxruntime/ort_api.h"

namespace hps::ort {

/// ONNX Runtime calls compute() from any number of threads.
class Kernel {
 public:
  /// Reads the node and opens its tables. @throws Error that says what is wrong with either.
  Kernel(const Api& api, const OrtKernelInfo* info);

  /// Checks the inputs' types and places, allocates the outputs, fills them on the session's
  /// threads.
  void compute(OrtKernelContext* context) const;

  const Api& api() const noexcept { return api_; }

 private:
  Api api_;
  std::unique_ptr<const Node> node_;
  mutable std::atomic<bool> outputs_checked_{false};  ///< by a call that found them right
};

}  // namespace hps::ort
