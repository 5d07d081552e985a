#include "onnxruntime/kernel.h"

#include <functional>
#include <string>
#include <vector>

#include "onnxruntime/attributes.h"

namespace hps::ort {
namespace {

NodeSpec read_spec(const Api& api, const OrtKernelInfo* info) {
  const int version = plugin_version(api, info);
  NodeSpec spec = NodeSpec::parse(version, read_attributes(api, info, version));
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  api.check(api.info_inputs(info, &inputs), "to count a node's inputs");
  api.check(api.info_outputs(info, &outputs), "to count a node's outputs");
  if (inputs != spec.inputs() || outputs != spec.outputs()) {
    fail(ErrorCode::kInvalidArgument, "HPS_TRT node: its attributes describe ", spec.inputs(),
         " inputs and ", spec.outputs(), " outputs, but it has ", inputs, " and ", outputs);
  }
  return spec;
}

/// Released at the end of the scope.
class TensorInfo {
 public:
  TensorInfo(const Api& api, const OrtValue* value) : api_(api) {
    api_.check(api_.tensor_info(value, &info_), "to describe a tensor");
  }
  ~TensorInfo() { api_.release_tensor_info(info_); }
  TensorInfo(const TensorInfo&) = delete;
  TensorInfo& operator=(const TensorInfo&) = delete;

  int element_type() const {
    int type = 0;
    api_.check(api_.element_type(info_, &type), "to name a tensor's type");
    return type;
  }
  /// Appends the shape to `extents`; returns the rank.
  std::size_t append_shape(std::vector<std::int64_t>& extents) const {
    std::size_t rank = 0;
    api_.check(api_.rank(info_, &rank), "to tell a tensor's rank");
    extents.resize(extents.size() + rank);
    const auto to = extents.data() + (extents.size() - rank);
    if (rank > 0) api_.check(api_.extents(info_, to, rank), "to tell a tensor's shape");
    return rank;
  }

 private:
  const Api& api_;
  OrtTensorTypeAndShapeInfo* info_ = nullptr;
};

void check_on_host(const Api& api, const OrtValue* value, const char* kind, std::size_t index) {
  const OrtMemoryInfo* memory = nullptr;
  api.check(api.tensor_memory(value, &memory), "to tell where a tensor is");
  int device = kCpuDevice;
  api.device_type(memory, &device);
  if (device != kCpuDevice) {
    fail(ErrorCode::kUnsupported, "HPS_TRT node: ", kind, " ", index,
         " is not in host memory (device type ", device, "); run the node on the CPU provider");
  }
}

void* data_of(const Api& api, const OrtValue* value) {
  void* data = nullptr;
  // ONNX Runtime has no read-only form of this call; inputs are only read.
  api.check(api.tensor_data(const_cast<OrtValue*>(value), &data), "to give a tensor's data");
  return data;
}

/// The inputs of one call; their shapes lie back to back in one list.
class Inputs {
 public:
  Inputs(const Api& api, const NodeSpec& spec, const OrtKernelContext* context) {
    const std::size_t count = spec.inputs();
    tensors_.resize(count);
    extents_.reserve(4 * count);
    std::vector<std::size_t> ranks(count);
    for (std::size_t i = 0; i < count; ++i) {
      const OrtValue* value = nullptr;
      api.check(api.get_input(context, i, &value), "to give an input");
      if (value == nullptr) {
        fail(ErrorCode::kInvalidArgument, "HPS_TRT node: input ", i, " is missing");
      }
      check_on_host(api, value, "input", i);
      const TensorInfo info(api, value);
      tensors_[i].type = known_type(info.element_type(), i);
      ranks[i] = info.append_shape(extents_);
      tensors_[i].data = data_of(api, value);
    }
    std::size_t at = 0;
    for (std::size_t i = 0; i < count; ++i) {
      tensors_[i].shape = {extents_.data() + at, ranks[i]};
      at += ranks[i];
    }
  }

  std::span<const TensorIn> tensors() const noexcept { return tensors_; }

 private:
  /// A type that no input of a node can have would read as garbage: refused here by its number.
  static DataType known_type(int type, std::size_t input) {
    const auto known = static_cast<DataType>(type);
    if (is_id_type(known) || is_output_type(known)) return known;
    fail(ErrorCode::kInvalidArgument, "HPS_TRT node: input ", input, " has ONNX element type ",
         type, "; int32 (6), int64 (7), fp32 (1), fp16 (10) and bf16 (16) are possible");
  }

  std::vector<TensorIn> tensors_;
  std::vector<std::int64_t> extents_;
};

OrtValue* make_output(const Api& api, OrtKernelContext* context, std::size_t index,
                      const std::vector<std::int64_t>& shape) {
  OrtValue* value = nullptr;
  api.check(api.get_output(context, index, shape.data(), shape.size(), &value),
            "to allocate an output");
  if (value == nullptr) {
    fail(ErrorCode::kInvalidArgument, "HPS_TRT node: output ", index, " is missing");
  }
  return value;
}

/// The graph, not the node, says an output's type; it is the same for every call of a session.
void check_output(const Api& api, const NodeSpec& spec, std::size_t index, const OrtValue* value) {
  check_on_host(api, value, "output", index);
  const DataType wanted =
      index < spec.output_types.size() ? spec.output_types[index] : DataType::kInt32;
  const int type = TensorInfo(api, value).element_type();
  if (type == static_cast<int>(wanted)) return;
  fail(ErrorCode::kInvalidArgument, "HPS_TRT node: output ", index,
       " is declared in the graph with ONNX element type ", type, ", but the node writes ",
       name_of(wanted), " (", static_cast<int>(wanted), ")");
}

/// The session's own threads. Tasks are of about equal cost, so each is a batch of its own.
ParallelFor session_threads(const Api& api, const OrtKernelContext* context) {
  return [&api, context](std::size_t tasks, const std::function<void(std::size_t)>& body) {
    const auto call = [](void* user, std::size_t task) {
      (*static_cast<const std::function<void(std::size_t)>*>(user))(task);
    };
    auto* user = const_cast<std::function<void(std::size_t)>*>(&body);
    api.check(api.parallel_for(context, call, tasks, tasks, user), "to run a node's tasks");
  };
}

}  // namespace

Kernel::Kernel(const Api& api, const OrtKernelInfo* info)
    : api_(api), node_(std::make_unique<Node>(read_spec(api, info))) {}

void Kernel::compute(OrtKernelContext* context) const {
  const Inputs inputs(api_, node_->spec(), context);
  const auto shapes = node_->output_shapes(inputs.tensors());
  std::vector<TensorOut> outputs;
  outputs.reserve(shapes.size());
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const OrtValue* value = make_output(api_, context, i, shapes[i]);
    if (!outputs_checked_.load(std::memory_order_relaxed)) {
      check_output(api_, node_->spec(), i, value);
    }
    outputs.push_back({data_of(api_, value)});
  }
  outputs_checked_.store(true, std::memory_order_relaxed);
  node_->run(inputs.tensors(), outputs, session_threads(api_, context));
}

}  // namespace hps::ort
