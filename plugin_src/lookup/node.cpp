#include "lookup/node.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <limits>

#include "base/error.h"
#include "lookup/node_call.h"
#include "lookup/node_rows.h"
#include "lookup/node_tasks.h"

namespace hps {
namespace {

/// Workspaces kept for the next calls; more only exist while more calls run at once.
constexpr std::size_t kMaxIdle = 64;

/// The first exception of tasks that may not throw.
class FirstFailure {
 public:
  bool any() const noexcept { return failed_.load(std::memory_order_relaxed); }

  void capture_current() noexcept {
    const std::lock_guard lock(mutex_);
    if (!failed_.exchange(true, std::memory_order_relaxed)) first_ = std::current_exception();
  }

  /// After all tasks are done.
  void rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr first_;
};

Table& find_table(const NodeSpec& spec, const Version::Model& model, std::size_t index) {
  const LookupSpec& lookup = spec.lookups[index];
  if (spec.version == 2) {
    Table* table = model.find(lookup.table);
    if (table != nullptr) return *table;
    fail(ErrorCode::kNotFound, "model '", model.name, "' has no table '", lookup.table,
         "', which lookup ", index, " of an HPS_TRT node names");
  }
  const auto id = static_cast<std::size_t>(lookup.table_id);
  if (id < model.tables.size()) return *model.tables[id];
  fail(ErrorCode::kNotFound, "model '", model.name, "' has ", model.tables.size(),
       " tables, but an HPS_TRT node names table_id ", id, "; they count from 0");
}

std::shared_ptr<Deployment> resolve(const NodeSpec& spec) {
  return resolve_deployment({spec.version, spec.bundle_id, spec.model, spec.config_file});
}

/// Says where in the node it happened; the table's own text says the rest.
[[noreturn]] void rethrow_with_place(const Error& error, const LookupCall& call,
                                     const Piece& piece) {
  fail(error.code(), "lookup ", piece.lookup, " (ids: input ", call.spec->ids_input,
       ", positions counted from ", call.first_id(piece.begin), "): ", error.what());
}

}  // namespace

/// The tables of one Version. Holds none of them: the call that uses it holds the Version, so an
/// idle node does not keep old tables in memory after a reload.
struct Node::Binding {
  std::uint64_t serial = 0;
  std::vector<const Table*> tables;     ///< per lookup
  std::vector<std::int64_t> wrap_rows;  ///< per lookup; 0 in index mode key
};

struct Node::Workspace {
  std::vector<std::int64_t> starts;
  TaskList tasks;
};

ParallelFor serial() {
  return [](std::size_t tasks, const std::function<void(std::size_t)>& body) {
    for (std::size_t i = 0; i < tasks; ++i) body(i);
  };
}

Node::Node(NodeSpec spec) : Node(spec, resolve(spec)) {}

Node::Node(NodeSpec spec, std::shared_ptr<Deployment> deployment)
    : spec_(std::move(spec)), deployment_(std::move(deployment)) {
  bind(*deployment_->snapshot());
}

Node::~Node() = default;

std::shared_ptr<const Node::Binding> Node::bind(const Version& version) const {
  const std::lock_guard lock(mutex_);
  if (binding_ && binding_->serial == version.serial) return binding_;
  const Version::Model* model = version.find(spec_.model);
  if (model == nullptr) {
    fail(ErrorCode::kNotFound, "configuration ", version.config.file.string(), " has no model '",
         spec_.model, "', which an HPS_TRT node names");
  }
  auto binding = std::make_shared<Binding>();
  binding->serial = version.serial;
  for (std::size_t i = 0; i < spec_.lookups.size(); ++i) {
    const LookupSpec& lookup = spec_.lookups[i];
    const Table& table = find_table(spec_, *model, i);
    if (table.config().dim != lookup.dim) {
      fail(ErrorCode::kInvalidArgument, "table '", table.config().name, "' of model '", model->name,
           "' has dimension ", table.config().dim, ", but lookup ", i,
           " of an HPS_TRT node expects ", lookup.dim,
           "; convert the model again or open the "
           "configuration it was converted with");
    }
    const bool onnx = lookup.index_mode == IndexMode::kOnnx;
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    const std::uint64_t rows = std::min(table.rows(), kMost);
    binding->tables.push_back(&table);
    binding->wrap_rows.push_back(onnx ? static_cast<std::int64_t>(rows) : 0);
  }
  binding_ = binding;
  return binding;
}

std::unique_ptr<Node::Workspace> Node::take_workspace() const {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Workspace>();
  auto workspace = std::move(idle_.back());
  idle_.pop_back();
  return workspace;
}

void Node::give_back(std::unique_ptr<Workspace> workspace) const {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(workspace));
}

std::vector<std::vector<std::int64_t>> Node::output_shapes(std::span<const TensorIn> inputs) const {
  return measure(spec_, inputs).shapes;
}

void Node::run(std::span<const TensorIn> inputs, std::span<const TensorOut> outputs,
               const ParallelFor& parallel) const {
  Measure call = measure(spec_, inputs);
  place_outputs(spec_, call, outputs);
  const auto version = deployment_->snapshot();
  const auto binding = bind(*version);
  auto workspace = take_workspace();
  find_bags(call.lookups, inputs, workspace->starts);
  workspace->tasks.build(call.lookups);

  Unresolved unresolved;
  if (spec_.unresolved_output) {
    unresolved.counts = static_cast<std::int32_t*>(outputs.back().data);
    std::fill_n(unresolved.counts, call.shapes.back()[0], 0);
  }
  FirstFailure failure;
  const std::function<void(std::size_t)> body = [&](std::size_t task) {
    if (failure.any()) return;
    try {
      for (const Piece& piece : workspace->tasks.task(task)) {
        const LookupCall& lookup = call.lookups[piece.lookup];
        const auto write = lookup.spec->layout == Layout::kPlain ? write_rows : write_bags;
        try {
          write(lookup, *binding->tables[piece.lookup], binding->wrap_rows[piece.lookup],
                piece.begin, piece.end, unresolved);
        } catch (const Error& error) {
          rethrow_with_place(error, lookup, piece);
        }
      }
    } catch (...) {
      failure.capture_current();
    }
  };
  if (workspace->tasks.tasks() <= 1) {
    serial()(workspace->tasks.tasks(), body);
  } else {
    parallel(workspace->tasks.tasks(), body);
  }
  give_back(std::move(workspace));
  failure.rethrow();
}

}  // namespace hps
