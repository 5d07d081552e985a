#include "lookup/node.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "lookup/fake_deployment.h"
#include "lookup/node_oracle.h"

namespace hps {
namespace {

using testing::FakeDeployment;
using testing::FakeTable;
using testing::integers;
using testing::make_empty;
using testing::reals;
using testing::Tensor;

constexpr DataType kF32 = DataType::kFloat32;
constexpr DataType kF16 = DataType::kFloat16;
constexpr DataType kB16 = DataType::kBFloat16;
constexpr DataType kI32 = DataType::kInt32;
constexpr DataType kI64 = DataType::kInt64;
constexpr std::int64_t kRows = 100;

/// Shares tasks out over four threads, whatever their number.
void four_threads(std::size_t tasks, const std::function<void(std::size_t)>& body) {
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = next++; i < tasks; i = next++) body(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

std::shared_ptr<FakeDeployment> deployment_for(const NodeSpec& spec, bool strict = false) {
  std::vector<std::shared_ptr<Table>> tables;
  for (const LookupSpec& lookup : spec.lookups) {
    tables.push_back(std::make_shared<FakeTable>(lookup.table, kRows, lookup.dim, strict));
  }
  return std::make_shared<FakeDeployment>(std::move(tables));
}

std::vector<TensorIn> views(const std::vector<Tensor>& tensors) {
  std::vector<TensorIn> result;
  for (const Tensor& tensor : tensors) result.push_back(tensor.in());
  return result;
}

std::vector<Tensor> allocate(const Node& node, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> outputs;
  for (const auto& shape : node.output_shapes(views(inputs))) {
    const bool unresolved = outputs.size() == node.spec().output_types.size();
    outputs.push_back(
        make_empty(unresolved ? kI32 : node.spec().output_types[outputs.size()], shape));
  }
  return outputs;
}

std::vector<Tensor> run(const Node& node, const std::vector<Tensor>& inputs,
                        const ParallelFor& parallel = serial()) {
  std::vector<Tensor> outputs = allocate(node, inputs);
  std::vector<TensorOut> places;
  for (Tensor& output : outputs) places.push_back(output.out());
  node.run(views(inputs), places, parallel);
  return outputs;
}

/// Runs the node, serially and on threads, and compares every byte with the oracle.
void expect_oracle(const NodeSpec& spec, const std::vector<Tensor>& inputs) {
  const Node node(NodeSpec::parse(2, spec.to_attributes()), deployment_for(spec));
  std::vector<Tensor> want = allocate(node, inputs);
  testing::oracle(spec, kRows, inputs, want);
  for (const ParallelFor& parallel : {serial(), ParallelFor(four_threads)}) {
    const std::vector<Tensor> got = run(node, inputs, parallel);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].shape, want[i].shape) << "output " << i;
      ASSERT_TRUE(got[i].bytes == want[i].bytes) << "output " << i;
    }
  }
}

/// One lookup in table "t" of dimension `dim`, fp32 out, ids in input 0.
NodeSpec single(std::uint32_t dim = 5) {
  NodeSpec spec;
  spec.model = "m";
  spec.input_types = {kI64};
  spec.output_types = {kF32};
  LookupSpec lookup;
  lookup.table = "t";
  lookup.dim = dim;
  spec.lookups = {lookup};
  return spec;
}

/// `single()` with bags described by input 1.
NodeSpec bags(Layout layout, Combiner combiner = Combiner::kSum) {
  NodeSpec spec = single();
  spec.lookups[0].layout = layout;
  spec.lookups[0].combiner = combiner;
  if (layout == Layout::kPooled) return spec;
  spec.input_types.push_back(kI64);
  spec.lookups[0].layout_input = 1;
  if (layout == Layout::kSegments) spec.lookups[0].size = 3;
  return spec;
}

void expect_error(const NodeSpec& spec, const std::vector<Tensor>& inputs,
                  const std::vector<std::string>& parts,
                  ErrorCode code = ErrorCode::kInvalidArgument, bool strict = false) {
  const Node node(spec, deployment_for(spec, strict));
  try {
    run(node, inputs);
    ADD_FAILURE() << "ran, though " << parts.front() << " is wrong";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(error.code(), code) << text;
    for (const std::string& part : parts) {
      EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
    }
  }
}

/// Draws nodes and inputs; every layout, combiner, divisor and type turns up.
class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}

  NodeSpec node() {
    spec_ = {};
    inputs_.clear();
    spec_.model = "m";
    batch_ = pick(0, 9);
    spec_.unresolved_output = pick(0, 1) == 1;
    const std::int64_t outputs = pick(1, 3);
    for (std::int64_t o = 0; o < outputs; ++o) {
      spec_.output_types.push_back(one_of({kF32, kF16, kB16}));
      const std::int64_t blocks = pick(1, 3);
      std::int32_t column = 0;
      for (std::int64_t b = 0; b < blocks; ++b) {
        LookupSpec lookup = block();
        lookup.output = static_cast<std::int32_t>(o);
        lookup.output_column = column;
        column += static_cast<std::int32_t>(lookup.dim);
        spec_.lookups.push_back(lookup);
      }
    }
    return spec_;
  }
  const std::vector<Tensor>& inputs() const { return inputs_; }

 private:
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  DataType one_of(const std::vector<DataType>& types) {
    return types[static_cast<std::size_t>(pick(0, static_cast<std::int64_t>(types.size()) - 1))];
  }
  std::int32_t add(Tensor tensor) {
    spec_.input_types.push_back(tensor.type);
    inputs_.push_back(std::move(tensor));
    return static_cast<std::int32_t>(inputs_.size()) - 1;
  }
  Tensor ids(std::vector<std::int64_t> shape) {
    const DataType type = one_of({kI32, kI64});
    Tensor tensor{type, shape, {}};
    std::vector<std::int64_t> values(tensor.elements());
    for (std::int64_t& value : values) value = pick(-kRows - 5, kRows + 5);
    for (std::int64_t& value : values) value = pick(0, 5) == 0 ? -1 : value;
    return integers(type, shape, values);
  }
  /// Sorted, `count` values in [0, most].
  std::vector<std::int64_t> rising(std::int64_t count, std::int64_t most) {
    std::vector<std::int64_t> values(static_cast<std::size_t>(count));
    for (std::int64_t& value : values) value = pick(0, most);
    std::sort(values.begin(), values.end());
    return values;
  }

  /// A lookup that writes [batch_, dim].
  LookupSpec block() {
    LookupSpec lookup;
    lookup.table = "t" + std::to_string(spec_.lookups.size());
    lookup.dim = static_cast<std::uint32_t>(pick(1, 20));
    lookup.layout = static_cast<Layout>(pick(0, 5));
    if (pick(0, 1) == 1) lookup.ignored_id = -1;
    lookup.index_mode = static_cast<IndexMode>(pick(0, 1));
    if (lookup.layout == Layout::kPlain || lookup.layout == Layout::kPooled) {
      std::vector<std::int64_t> shape = {batch_};
      if (lookup.layout == Layout::kPooled) shape.push_back(pick(0, 30));
      if (pick(0, 1) == 1) {
        shape.push_back(pick(1, 4));
        lookup.ids_column = static_cast<std::int32_t>(pick(0, shape.back() - 1));
      }
      lookup.ids_input = add(ids(shape));
    } else {
      flat(lookup);
    }
    if (lookup.layout != Layout::kPlain) combine(lookup);
    return lookup;
  }

  void flat(LookupSpec& lookup) {
    std::int64_t count = batch_ == 0 ? 0 : pick(0, 60);
    if (batch_ == 0 && lookup.layout == Layout::kOffsetsLast) count = pick(0, 9);
    lookup.ids_input = add(ids({count}));
    const DataType type = one_of({kI32, kI64});
    std::vector<std::int64_t> values;
    if (lookup.layout == Layout::kSegments) {
      values = rising(count, std::max<std::int64_t>(0, batch_ - 1));
      if (pick(0, 1) == 1) {
        lookup.size_input = add(make_empty(one_of({kF32, kI64, kB16}), {batch_, 2}));
      } else {
        lookup.size = static_cast<std::int32_t>(batch_);
      }
    } else {
      const bool last = lookup.layout == Layout::kOffsetsLast;
      values = rising(batch_ + (last ? 1 : 0), count);
      if (!values.empty()) values[0] = 0;
      if (lookup.layout == Layout::kLengths) {
        for (std::size_t b = 0; b < values.size(); ++b) {
          values[b] = (b + 1 < values.size() ? values[b + 1] : count) - values[b];
        }
      }
    }
    lookup.layout_input = add(integers(type, {static_cast<std::int64_t>(values.size())}, values));
  }

  void combine(LookupSpec& lookup) {
    lookup.combiner = static_cast<Combiner>(pick(1, 3));
    if (lookup.combiner != Combiner::kSum) lookup.divisor = static_cast<Divisor>(pick(0, 2));
    if (pick(0, 1) == 0) return;
    std::vector<std::int64_t> shape = inputs_[static_cast<std::size_t>(lookup.ids_input)].shape;
    if (lookup.ids_column >= 0) shape.pop_back();
    Tensor tensor{one_of({kF32, kF16, kB16}), shape, {}};
    std::vector<float> values(tensor.elements());
    for (float& value : values) value = static_cast<float>(pick(-100, 100)) / 64.0F;
    lookup.weights_input = add(reals(tensor.type, shape, values));
  }

  std::mt19937 random_;
  std::int64_t batch_ = 0;
  NodeSpec spec_;
  std::vector<Tensor> inputs_;
};

TEST(Node, RandomNodesGiveTheOraclesBytes) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    Draw draw(seed);
    const NodeSpec spec = draw.node();
    SCOPED_TRACE("seed " + std::to_string(seed));
    expect_oracle(spec, draw.inputs());
    if (HasFatalFailure()) return;
  }
}

// Hosts pass on views into the bytes of messages. (Only a sanitizer sees what is wrong with reading
// them as if they were aligned.)
TEST(Node, InputsNeedNotBeAligned) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    Draw draw(seed);
    const NodeSpec spec = draw.node();
    const Node node(spec, deployment_for(spec));
    std::vector<std::vector<std::byte>> moved;
    std::vector<TensorIn> inputs = views(draw.inputs());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      moved.push_back(draw.inputs()[i].bytes);
      moved.back().insert(moved.back().begin(), std::byte{0});
      inputs[i].data = moved.back().data() + 1;
    }
    std::vector<Tensor> outputs = allocate(node, draw.inputs());
    std::vector<TensorOut> places;
    for (Tensor& output : outputs) places.push_back(output.out());
    node.run(inputs, places, serial());
    const std::vector<Tensor> want = run(node, draw.inputs());
    for (std::size_t i = 0; i < want.size(); ++i) {
      ASSERT_TRUE(outputs[i].bytes == want[i].bytes) << "seed " << seed << ", output " << i;
    }
  }
}

TEST(Node, LargeBatchesAreCutIntoTasks) {
  NodeSpec spec = single(16);
  spec.unresolved_output = true;
  spec.lookups[0].ignored_id = 3;
  std::vector<std::int64_t> values(20000);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<std::int64_t>(i * 7 % 110);
  expect_oracle(spec, {integers(kI64, {2000, 10}, values)});

  std::size_t most = 0;
  const ParallelFor count = [&](std::size_t tasks, const std::function<void(std::size_t)>& body) {
    most = std::max(most, tasks);
    serial()(tasks, body);
  };
  run(Node(spec, deployment_for(spec)), {integers(kI64, {2000, 10}, values)}, count);
  EXPECT_GT(most, 4U);
}

TEST(Node, BagsLongerThanAScratchBufferAreSummedInOrder) {
  // 4000 ids of dimension 64: a megabyte of rows, in one bag and in bags of every size.
  std::vector<std::int64_t> values(4000);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<std::int64_t>(i * 37 % 103);
  NodeSpec spec = single(64);
  spec.lookups[0].layout = Layout::kPooled;
  spec.lookups[0].combiner = Combiner::kMean;
  spec.unresolved_output = true;
  expect_oracle(spec, {integers(kI64, {4000}, values)});
  expect_oracle(spec, {integers(kI64, {2, 2000}, values)});
  NodeSpec ragged = bags(Layout::kOffsetsLast);
  ragged.lookups[0].dim = 64;
  ragged.lookups[0].ignored_id = 5;
  expect_oracle(ragged,
                {integers(kI64, {4000}, values), integers(kI64, {6}, {0, 1, 1, 3000, 3999, 3999})});
}

TEST(Node, ScalarIdGivesOneRow) {
  NodeSpec spec = single();
  spec.unresolved_output = true;
  expect_oracle(spec, {integers(kI64, {}, {7})});
  const auto outputs = run(Node(spec, deployment_for(spec)), {integers(kI64, {}, {kRows})});
  EXPECT_EQ(outputs[0].shape, (std::vector<std::int64_t>{5}));
  EXPECT_EQ(outputs[1].shape, (std::vector<std::int64_t>{1}));
  EXPECT_EQ(outputs[1].integer(0), 1);
  EXPECT_EQ(outputs[0].real(0), testing::kDefault);
}

TEST(Node, IgnoredIdsAreComparedBeforeTheyAreWrapped) {
  NodeSpec spec = single(1);
  spec.lookups[0].index_mode = IndexMode::kOnnx;
  spec.lookups[0].ignored_id = -1;
  spec.unresolved_output = true;
  const Node node(spec, deployment_for(spec));
  const auto outputs = run(node, {integers(kI64, {4}, {-1, kRows - 1, -2, -kRows - 1})});
  EXPECT_EQ(outputs[0].at<std::uint32_t>(0), 0U) << "zeros, positive";
  EXPECT_EQ(outputs[0].real(1), testing::element(kRows - 1, 0));
  EXPECT_EQ(outputs[0].real(2), testing::element(kRows - 2, 0));
  EXPECT_EQ(outputs[0].real(3), testing::kDefault);
  EXPECT_EQ(outputs[1].integer(0), 0);
  EXPECT_EQ(outputs[1].integer(3), 1);
}

TEST(Node, DivisorsCountWhatTheySay) {
  NodeSpec spec = bags(Layout::kPooled, Combiner::kMean);
  spec.lookups[0].dim = 1;
  spec.lookups[0].ignored_id = 99;
  spec.lookups[0].weights_input = 1;
  spec.input_types.push_back(kF32);
  const std::vector<Tensor> inputs = {integers(kI64, {2, 3}, {1, 2, 99, 99, 99, 99}),
                                      reals(kF32, {2, 3}, {0.5F, 0.25F, 8, 1, 1, 1})};
  const float sum = 0.5F * testing::element(1, 0) + 0.25F * testing::element(2, 0);
  const auto mean = [&](Divisor divisor) {
    spec.lookups[0].divisor = divisor;
    const auto outputs = run(Node(spec, deployment_for(spec)), inputs);
    EXPECT_EQ(outputs[0].at<std::uint32_t>(1), 0U) << "a bag without a kept id is zeros";
    return outputs[0].real(0);
  };
  EXPECT_EQ(mean(Divisor::kWeights), sum / 0.75F);
  EXPECT_EQ(mean(Divisor::kKept), sum / 2.0F);
  EXPECT_EQ(mean(Divisor::kAll), sum / 3.0F);
}

TEST(Node, WeightsThatCancelDivideAsIeeeSays) {
  NodeSpec spec = bags(Layout::kPooled, Combiner::kMean);
  spec.lookups[0].weights_input = 1;
  spec.input_types.push_back(kF32);
  const auto outputs = run(Node(spec, deployment_for(spec)),
                           {integers(kI64, {1, 2}, {1, 2}), reals(kF32, {1, 2}, {1.0F, -1.0F})});
  EXPECT_TRUE(std::isinf(outputs[0].real(0)) || std::isnan(outputs[0].real(0)));
}

TEST(Node, EmptyBatchesWork) {
  NodeSpec spec = single();
  spec.unresolved_output = true;
  expect_oracle(spec, {integers(kI64, {0}, {})});
  expect_oracle(spec, {integers(kI64, {3, 0}, {})});
  const Node node(spec, deployment_for(spec));
  const std::vector<std::int64_t> shape = {0, 4};
  const TensorIn nothing{nullptr, kI64, shape};
  const std::vector<TensorOut> places(2);
  EXPECT_NO_THROW(node.run({&nothing, 1}, places, serial()));
  const auto outputs = run(node, {integers(kI64, {3, 0}, {})});
  EXPECT_EQ(outputs[0].shape, (std::vector<std::int64_t>{3, 0, 5}));
  EXPECT_EQ(outputs[1].integer(2), 0);
}

TEST(Node, OffsetsAreChecked) {
  const Tensor ids = integers(kI64, {4}, {1, 2, 3, 4});
  const auto given = [&](const std::vector<std::int64_t>& values) {
    return std::vector<Tensor>{ids,
                               integers(kI64, {static_cast<std::int64_t>(values.size())}, values)};
  };
  for (const Layout layout : {Layout::kOffsets, Layout::kOffsetsLast}) {
    expect_error(bags(layout), given({1, 2}), {"offsets[0]", "is 1", "input 1", "must be 0"});
    expect_error(bags(layout), given({0, 3, 2}), {"offsets[2]", "is 2", "3 before it"});
    expect_error(bags(layout), given({0, 5}), {"offsets[1]", "is 5", "4 ids"});
    expect_error(bags(layout), given({0, -1}), {"offsets[1]", "is -1"});
    const std::int64_t most = std::numeric_limits<std::int64_t>::max();
    expect_error(bags(layout), given({0, most}), {"offsets[1]"});
  }
  expect_error(bags(Layout::kOffsetsLast), given({}), {"empty"});
  expect_oracle(bags(Layout::kOffsetsLast), given({0, 2}));
  expect_oracle(bags(Layout::kOffsets), given({}));
}

TEST(Node, LengthsAreChecked) {
  const auto given = [](const std::vector<std::int64_t>& values) {
    return std::vector<Tensor>{integers(kI64, {4}, {1, 2, 3, 4}),
                               integers(kI64, {static_cast<std::int64_t>(values.size())}, values)};
  };
  const NodeSpec spec = bags(Layout::kLengths);
  expect_error(spec, given({5, -1}), {"lengths[0]", "is 5", "4 of the 4"});
  expect_error(spec, given({3, -1}), {"lengths[1]", "is -1", "negative"});
  expect_error(spec, given({3}), {"add up to 3", "4 ids"});
  expect_error(spec, given({}), {"add up to 0"});
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  expect_error(spec, given({2, most, most}), {"lengths[1]"});
  expect_oracle(spec, given({0, 4, 0}));
}

TEST(Node, SegmentsAreChecked) {
  const auto given = [](const std::vector<std::int64_t>& values) {
    return std::vector<Tensor>{integers(kI64, {3}, {1, 2, 3}),
                               integers(kI64, {static_cast<std::int64_t>(values.size())}, values)};
  };
  const NodeSpec spec = bags(Layout::kSegments);
  expect_error(spec, given({0, 1, 3}), {"segment ids[2]", "is 3", "3 segments"});
  expect_error(spec, given({-1, 1, 2}), {"segment ids[0]", "is -1"});
  expect_error(spec, given({1, 0, 2}), {"segment ids[1]", "is 0", "1 before it"});
  expect_error(spec, given({0, 1}), {"[2]", "3 ids"});
  expect_oracle(spec, given({1, 1, 1}));
  expect_oracle(spec, given({0, 2, 2}));
}

TEST(Node, InputsAreChecked) {
  const NodeSpec spec = single();
  expect_error(spec, {}, {"1 inputs", "has 0"});
  expect_error(spec, {integers(kI32, {1}, {1})}, {"input 0", "int32", "int64"});
  NodeSpec column = single();
  column.lookups[0].ids_column = 2;
  expect_error(column, {integers(kI64, {3, 2}, {1, 2, 3, 4, 5, 6})}, {"column 2", "[3, 2]"});
  expect_error(column, {integers(kI64, {5, 0}, {})}, {"column 2", "[5, 0]"});
  NodeSpec weighted = bags(Layout::kPooled);
  weighted.lookups[0].weights_input = 1;
  weighted.input_types.push_back(kF32);
  expect_error(weighted, {integers(kI64, {2, 2}, {1, 2, 3, 4}), reals(kF32, {4, 1}, {1, 1, 1, 1})},
               {"weights", "[4, 1]", "[2, 2]"});
}

TEST(Node, OutputsOfOneTensorMustAgree) {
  NodeSpec spec = single();
  spec.lookups.push_back(spec.lookups[0]);
  spec.lookups[1].ids_input = 1;
  spec.lookups[1].output_column = 5;
  spec.input_types.push_back(kI64);
  expect_error(spec, {integers(kI64, {2}, {1, 2}), integers(kI64, {3}, {1, 2, 3})},
               {"lookup 1", "[3, 5]", "[2, 5]"});
  spec.lookups[1].output = 1;
  spec.lookups[1].output_column = 0;
  spec.output_types.push_back(kF32);
  expect_oracle(spec, {integers(kI64, {2}, {1, 2}), integers(kI64, {3}, {1, 2, 3})});
  spec.unresolved_output = true;
  expect_error(spec, {integers(kI64, {2}, {1, 2}), integers(kI64, {3}, {1, 2, 3})},
               {"output 1", "first extents"});
}

TEST(Node, HostileShapesAreRefusedBeforeAnyRead) {
  const std::int64_t huge = std::int64_t{1} << 40;
  const auto refused = [](const NodeSpec& spec,
                          const std::vector<std::vector<std::int64_t>>& shapes) {
    const Node node(spec, deployment_for(spec));
    std::byte nothing{};
    std::vector<TensorIn> inputs;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      inputs.push_back({&nothing, spec.input_types[i], shapes[i]});
    }
    EXPECT_THROW(node.output_shapes(inputs), Error);
  };
  refused(single(), {{huge, huge}});
  refused(single(1 << 20), {{huge, 4}});
  refused(single(), {{-1}});
  refused(single(), {{-1, 0}});
  refused(bags(Layout::kPooled), {{huge, huge, 0}});
  refused(bags(Layout::kOffsets), {{1}, {std::numeric_limits<std::int64_t>::max()}});
  refused(single(), {std::vector<std::int64_t>(65, 1)});
}

TEST(Node, AFailingTaskFailsTheCallAndSaysWhere) {
  NodeSpec spec = single();
  std::vector<std::int64_t> values(50000, 1);
  values[40000] = 777;
  const Node node(spec, deployment_for(spec, true));
  for (const ParallelFor& parallel : {serial(), ParallelFor(four_threads)}) {
    try {
      run(node, {integers(kI64, {50000}, values)}, parallel);
      ADD_FAILURE() << "the unknown key was not reported";
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_EQ(error.code(), ErrorCode::kUnknownKey);
      EXPECT_NE(text.find("lookup 0"), std::string::npos) << text;
      EXPECT_NE(text.find("key 777"), std::string::npos) << text;
    }
  }
  EXPECT_NO_THROW(run(node, {integers(kI64, {2}, {1, 2})}));
}

TEST(Node, CreationChecksTheTables) {
  const NodeSpec spec = single();
  const auto expect = [&](const std::shared_ptr<Deployment>& deployment, ErrorCode code,
                          const std::vector<std::string>& parts) {
    try {
      const Node node(spec, deployment);
      ADD_FAILURE() << "created, though " << parts.front() << " is wrong";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      for (const std::string& part : parts) {
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      }
    }
  };
  const auto with = [](const char* name, std::uint32_t dim) {
    return std::make_shared<FakeDeployment>(
        std::vector<std::shared_ptr<Table>>{std::make_shared<FakeTable>(name, 10, dim)});
  };
  expect(with("u", 5), ErrorCode::kNotFound, {"no table 't'"});
  expect(with("t", 6), ErrorCode::kInvalidArgument, {"'t'", "6", "expects 5"});
  NodeSpec other = spec;
  other.model = "n";
  EXPECT_THROW(Node(other, with("t", 5)), Error);
}

TEST(Node, Version1TakesTheTableByPosition) {
  NodeSpec spec = single();
  spec.version = 1;
  spec.input_types.clear();
  spec.lookups[0].table.clear();
  spec.lookups[0].table_id = 1;
  const auto deployment = std::make_shared<FakeDeployment>(std::vector<std::shared_ptr<Table>>{
      std::make_shared<FakeTable>("a", 10, 3), std::make_shared<FakeTable>("b", 10, 5)});
  const Node node(spec, deployment);
  for (const DataType type : {kI32, kI64}) {
    const auto outputs = run(node, {integers(type, {1, 2}, {9, -1})});
    EXPECT_EQ(outputs[0].shape, (std::vector<std::int64_t>{1, 2, 5}));
    EXPECT_EQ(outputs[0].real(4), testing::element(9, 4));
    EXPECT_EQ(outputs[0].real(5), testing::kDefault) << "-1 is a key like any other";
  }
  EXPECT_THROW(run(node, {reals(kF32, {1}, {1})}), Error);
  EXPECT_THROW(run(node, {integers(kI64, {}, {1})}), Error) << "version 1 takes no scalar";
  spec.lookups[0].table_id = 2;
  EXPECT_THROW(Node(spec, deployment), Error);
}

TEST(Node, FollowsAReload) {
  const NodeSpec spec = single();
  const auto deployment = deployment_for(spec);
  const Node node(spec, deployment);
  const std::vector<Tensor> inputs = {integers(kI64, {1}, {kRows})};
  EXPECT_EQ(run(node, inputs)[0].real(0), testing::kDefault);
  const std::weak_ptr<const Version> old = deployment->snapshot();
  deployment->swap({std::make_shared<FakeTable>("t", kRows + 1, 5)});
  EXPECT_TRUE(old.expired()) << "an idle node keeps old tables in memory";
  EXPECT_EQ(run(node, inputs)[0].real(0), testing::element(kRows, 0));
  deployment->swap({std::make_shared<FakeTable>("t", kRows, 6)});
  EXPECT_THROW(run(node, inputs), Error);
  deployment->swap({std::make_shared<FakeTable>("t", kRows, 5)});
  EXPECT_EQ(run(node, inputs)[0].real(0), testing::kDefault);
}

TEST(Node, ManyThreadsShareOneNode) {
  NodeSpec spec = bags(Layout::kLengths, Combiner::kMean);
  spec.unresolved_output = true;
  const Node node(spec, deployment_for(spec));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (std::int64_t n = 1; n <= 50; ++n) {
        std::vector<std::int64_t> ids(static_cast<std::size_t>(n + t), (n * 13 + t) % (kRows + 9));
        const std::vector<Tensor> inputs = {integers(kI64, {n + t}, ids),
                                            integers(kI64, {2}, {n, t})};
        std::vector<Tensor> want = allocate(node, inputs);
        testing::oracle(spec, kRows, inputs, want);
        const auto got = run(node, inputs);
        if (got[0].bytes != want[0].bytes || got[1].bytes != want[1].bytes) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace hps
