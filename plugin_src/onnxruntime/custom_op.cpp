#include "onnxruntime/custom_op.h"

#include <memory>

#include "onnxruntime/kernel.h"

namespace hps::ort {
namespace {

/// What ONNX Runtime gets a pointer to, with what we need behind it.
struct Op {
  OrtCustomOp table;  ///< first: the pointer to it is the pointer to Op
  Api api;
};

const Api& api_of(const OrtCustomOp* op) noexcept { return reinterpret_cast<const Op*>(op)->api; }

OrtStatus* create_kernel(const OrtCustomOp* op, const OrtApi*, const OrtKernelInfo* info,
                         void** kernel) noexcept {
  *kernel = nullptr;
  return api_of(op).run_guarded(
      [&] { *kernel = std::make_unique<Kernel>(api_of(op), info).release(); });
}

OrtStatus* compute(void* kernel, OrtKernelContext* context) noexcept {
  const auto* self = static_cast<const Kernel*>(kernel);
  return self->api().run_guarded([&] { self->compute(context); });
}

void destroy(void* kernel) noexcept { std::unique_ptr<Kernel>(static_cast<Kernel*>(kernel)); }

const char* name(const OrtCustomOp*) noexcept { return "HPS_TRT"; }
const char* cpu_provider(const OrtCustomOp*) noexcept { return nullptr; }
int any_type(const OrtCustomOp*, std::size_t) noexcept { return kAnyType; }
int float_type(const OrtCustomOp*, std::size_t) noexcept { return kFloatType; }
std::size_t one(const OrtCustomOp*) noexcept { return 1; }
int variadic(const OrtCustomOp*, std::size_t) noexcept { return kVariadic; }
int required(const OrtCustomOp*, std::size_t) noexcept { return kRequired; }
int default_memory(const OrtCustomOp*, std::size_t) noexcept { return kDefaultMemory; }
int at_least_one(const OrtCustomOp*) noexcept { return 1; }
int heterogeneous(const OrtCustomOp*) noexcept { return 0; }
int first_version(const OrtCustomOp*) noexcept { return 1; }
int any_later_version(const OrtCustomOp*) noexcept { return 0x7fffffff; }

/// What both ops have in common: one (variadic) input and output, kernels that report statuses.
OrtCustomOp common() noexcept {
  OrtCustomOp op{};
  op.version = kApiVersion;
  op.GetName = name;
  op.GetExecutionProviderType = cpu_provider;
  op.GetInputType = any_type;
  op.GetInputTypeCount = one;
  op.GetOutputTypeCount = one;
  op.KernelDestroy = destroy;
  op.GetInputMemoryType = default_memory;
  op.GetVariadicInputMinArity = at_least_one;
  op.GetVariadicInputHomogeneity = heterogeneous;
  op.GetVariadicOutputMinArity = at_least_one;
  op.GetVariadicOutputHomogeneity = heterogeneous;
  op.CreateKernelV2 = create_kernel;
  op.KernelComputeV2 = compute;
  op.GetStartVersion = first_version;
  op.GetEndVersion = any_later_version;
  return op;
}

}  // namespace

CustomOps make_custom_ops(const Api& api) {
  auto any = std::make_unique<Op>(Op{common(), api});
  any->table.GetOutputType = any_type;
  any->table.GetInputCharacteristic = variadic;
  any->table.GetOutputCharacteristic = variadic;
  auto first = std::make_unique<Op>(Op{common(), api});
  first->table.GetOutputType = float_type;
  first->table.GetInputCharacteristic = required;
  first->table.GetOutputCharacteristic = required;
  // Never freed: sessions that outlive every handle of ours keep calling through them.
  return {&any.release()->table, &first.release()->table};
}

}  // namespace hps::ort
