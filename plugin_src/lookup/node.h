// Runs a node on host memory: the reference semantics of OPERATOR.md, used by ONNX Runtime's CPU
// provider and by tests. Layer: lookup.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "lookup/node_spec.h"
#include "lookup/service.h"

namespace hps {

struct TensorIn {
  const void* data = nullptr;
  DataType type = DataType::kFloat32;
  std::span<const std::int64_t> shape;  ///< row-major, contiguous; not necessarily aligned
};

struct TensorOut {
  void* data = nullptr;  ///< the bytes of output_shapes()[i] in its type; every byte is written
};

/// Calls body(0..tasks-1), possibly in parallel, and returns when all are done. `body` never
/// throws.
using ParallelFor =
    std::function<void(std::size_t tasks, const std::function<void(std::size_t)>& body)>;
ParallelFor serial();

/// A node bound to its tables. Immutable and thread-safe; follows reloads.
class Node {
 public:
  /// Resolves the deployment and checks every table's existence and dimension now.
  /// @throws Error(kNotFound), Error(kInvalidArgument) naming table, expected and found dimension.
  explicit Node(NodeSpec spec);
  Node(NodeSpec spec, std::shared_ptr<Deployment> deployment);
  ~Node();

  const NodeSpec& spec() const noexcept { return spec_; }

  /// Shapes of all outputs. @throws Error(kInvalidArgument) naming the input and its shape.
  std::vector<std::vector<std::int64_t>> output_shapes(std::span<const TensorIn> inputs) const;

  /// Fills every output. Offsets, lengths and segment ids are checked before they are used.
  /// On an exception the outputs' contents are unspecified and the host must fail the call.
  void run(std::span<const TensorIn> inputs, std::span<const TensorOut> outputs,
           const ParallelFor& parallel) const;

 private:
  struct Binding;
  struct Workspace;
  std::shared_ptr<const Binding> bind(const Version& version) const;
  std::unique_ptr<Workspace> take_workspace() const;
  void give_back(std::unique_ptr<Workspace> workspace) const;

  NodeSpec spec_;
  std::shared_ptr<Deployment> deployment_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Binding> binding_;        ///< of the newest Version seen
  mutable std::vector<std::unique_ptr<Workspace>> idle_;  ///< of calls that are over
};

}  // namespace hps
