// ONNX Runtime's entry point: adds HPS_TRT to the options of a session to be.
#include <map>
#include <mutex>
#include <string>

#include "base/error.h"
#include "base/instance.h"
#include "onnxruntime/custom_op.h"
#include "onnxruntime/ort_api.h"

namespace hps::ort {
namespace {

/// Domains of one ONNX Runtime, made once and kept for the life of the process.
struct Domains {
  OrtCustomOpDomain* own = nullptr;       ///< "hps_trt"
  OrtCustomOpDomain* standard = nullptr;  ///< ""
};

Domains make_domains(const Api& api) {
  const CustomOps ops = make_custom_ops(api);
  Domains domains;
  api.check(api.create_domain("hps_trt", &domains.own), "to create the domain hps_trt");
  api.check(api.domain_add(domains.own, ops.any_version), "to add HPS_TRT to its domain");
  api.check(api.create_domain("", &domains.standard), "to create the default domain");
  api.check(api.domain_add(domains.standard, ops.version_1), "to add HPS_TRT to ONNX's domain");
  return domains;
}

/// One per OrtApi table: a process may hold several ONNX Runtimes.
const Domains& domains_of(const OrtApi* table, const Api& api) {
  static std::mutex mutex;
  static auto& made = *new std::map<const OrtApi*, Domains>;  // sessions outlive static destructors
  const std::lock_guard lock(mutex);
  auto found = made.find(table);
  if (found == made.end()) found = made.emplace(table, make_domains(api)).first;
  return found->second;
}

void register_ops(OrtSessionOptions* options, const OrtApi* table, const Api& api) {
  std::string other;
  if (!claim_process(&other)) {
    fail(ErrorCode::kUnsupported, "libhps_plugin.so is loaded twice into this process: ", other,
         " came first; register that file instead of this copy");
  }
  const Domains& domains = domains_of(table, api);
  api.check(api.add_domain(options, domains.own), "the domain hps_trt");
  api.check(api.add_domain(options, domains.standard), "HPS_TRT in ONNX's own domain");
}

/// Every release has version 1 of the table, and with it CreateStatus.
OrtStatus* too_old(const OrtApiBase* base) noexcept {
  const OrtApi* oldest = base->GetApi(1);
  if (oldest == nullptr) return nullptr;
  OrtStatus* status = nullptr;
  const ErrorCode code = guard([&] {
    const std::string text = std::string("hps_trt needs onnxruntime 1.18 or newer; this one is ") +
                             base->GetVersionString();
    status = create_status_of(oldest)(kNotImplemented, text.c_str());
  });
  return code == ErrorCode::kOk ? status : create_status_of(oldest)(kFail, last_error());
}

}  // namespace
}  // namespace hps::ort

extern "C" __attribute__((visibility("default"))) OrtStatus* RegisterCustomOps(
    OrtSessionOptions* options, const OrtApiBase* base) noexcept {
  using namespace hps::ort;
  const OrtApi* table = base->GetApi(kApiVersion);
  if (table == nullptr) return too_old(base);
  const Api api(table);
  return api.run_guarded([&] { register_ops(options, table, api); });
}
