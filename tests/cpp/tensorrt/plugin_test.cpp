// Plays TensorRT's documented sequence against the built library: opened with dlopen, driven
// through raw virtual slots. Run by ctest with a libcuda.so.1 of our own in front (fake_cuda.cpp).
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <functional>

#include "temp_folder.h"
#include "tensorrt/raw.h"

namespace {

using raw::call;
using raw::FieldSet;
using Ints = std::vector<std::int32_t>;

template <class Function>
Function find(void* library, const char* name) {
  void* address = dlsym(library, name);
  if (address == nullptr) throw std::runtime_error(std::string("no symbol ") + name);
  return reinterpret_cast<Function>(address);
}

void* library() {
  static void* opened = [] {
    void* handle = dlopen(HPS_TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw std::runtime_error(dlerror());
    return handle;
  }();
  return opened;
}

void* creator(int version) {
  std::int32_t count = 0;
  void* const* all = find<void* const* (*)(std::int32_t&)>(library(), "getCreators")(count);
  EXPECT_EQ(count, 2);
  return all[version - 1];
}

std::string last_error() { return find<const char* (*)()>(library(), "hps_last_error")(); }

raw::Plugin create(int version, const raw::Fields* fields, std::int32_t phase = raw::kBuild) {
  return raw::Plugin(call<void*>(creator(version), 4, "/node", fields, phase));
}
raw::Plugin create(int version, FieldSet fields, std::int32_t phase = raw::kBuild) {
  return create(version, fields.collection(), phase);
}

const raw::Fields* serialized(const raw::Plugin& plugin) {
  return call<const raw::Fields*>(raw::capability(plugin, raw::kRuntimeCapability), 8);
}

/// One column of a packed int64 tensor [B, C], a bag over int32 ids [B, H] with weights, and a bag
/// by offsets with the last one given: three tables, two of them column blocks of output 0.
FieldSet node(const std::string& config = "none.json") {
  return FieldSet()
      .text("config_file", config)
      .text("bundle_id", "-")
      .text("model_name", "shop")
      .text("tables", "users\nitems\ntags")
      .ints("input_types", {7, 6, 10, 7, 6})
      .ints("output_types", {1, 16})
      .ints("dims", {4, 8, 2})
      .ints("ids_inputs", {0, 1, 3})
      .ints("ids_columns", {2, -1, -1})
      .ints("layouts", {0, 1, 3})
      .ints("layout_inputs", {-1, -1, 4})
      .ints("size_inputs", {-1, -1, -1})
      .ints("sizes", {-1, -1, -1})
      .ints("weights_inputs", {-1, 2, -1})
      .ints("combiners", {0, 1, 2})
      .ints("divisors", {0, 0, 1})
      .ints("has_ignored_ids", {0, 1, 0})
      .ints("ignored_ids", {0, -1, 0})
      .ints("index_modes", {1, 0, 0})
      .ints("outputs", {0, 0, 1})
      .ints("output_columns", {0, 4, 0})
      .ints("unresolved_output", {1});
}
constexpr std::int32_t kInputs = 5;
constexpr std::int32_t kOutputs = 3;
constexpr std::array<std::int32_t, 8> kNodeTypes = {raw::kInt64, raw::kInt32, raw::kHalf,
                                                    raw::kInt64, raw::kInt32, raw::kFloat,
                                                    raw::kBf16,  raw::kInt32};

FieldSet old_node(const std::string& config = "none.json") {
  return FieldSet()
      .text("ps_config_file", config)
      .text("model_name", "shop")
      .ints("table_id", {1})
      .ints("emb_vec_size", {8});
}

raw::Tensor tensor(const std::vector<std::int64_t>& shape, std::int32_t type) {
  raw::Tensor made{};
  made.dims.rank = static_cast<std::int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), made.dims.d);
  made.type = type;
  return made;
}

/// Tensors of node() for a batch of 6 with 3 packed columns, 5 ids a bag, 11 tags in 6 bags.
std::array<raw::Tensor, kInputs> node_inputs() {
  return {tensor({6, 3}, raw::kInt64), tensor({6, 5}, raw::kInt32), tensor({6, 5}, raw::kHalf),
          tensor({11}, raw::kInt64), tensor({7}, raw::kInt32)};
}
std::array<raw::Tensor, kOutputs> node_outputs() {
  return {tensor({6, 12}, raw::kFloat), tensor({6, 2}, raw::kBf16), tensor({6}, raw::kInt32)};
}

TEST(Creators, SayWhatTheyAre) {
  for (int version : {1, 2}) {
    void* made = creator(version);
    EXPECT_EQ(raw::kind_of(made), "PLUGIN CREATOR_V3ONE 1.0");
    EXPECT_EQ(call<std::int32_t>(made, 0), 0);
    EXPECT_STREQ(call<const char*>(made, 6), "HPS_TRT");
    EXPECT_EQ(call<const char*>(made, 7), std::to_string(version));
    EXPECT_STREQ(call<const char*>(made, 8), "");
  }
}

TEST(Creators, ListTheFieldsThatParsersHandOver) {
  const auto names = [](int version) {
    std::map<std::string, std::int32_t> types;
    const auto* fields = call<const raw::Fields*>(creator(version), 5);
    for (std::int32_t i = 0; i < fields->count; ++i) {
      types[fields->fields[i].name] = fields->fields[i].type;
    }
    return types;
  };
  EXPECT_EQ(names(1), (std::map<std::string, std::int32_t>{{"ps_config_file", raw::kFieldChar},
                                                           {"model_name", raw::kFieldChar},
                                                           {"table_id", raw::kFieldInt32},
                                                           {"emb_vec_size", raw::kFieldInt32}}));
  const auto two = names(2);
  EXPECT_EQ(two.size(), 22U);
  EXPECT_EQ(two.at("tables"), raw::kFieldChar);
  EXPECT_EQ(two.at("unresolved_output"), raw::kFieldInt32);
}

TEST(Capabilities, SayWhatTheyAre) {
  const auto plugin = create(2, node());
  ASSERT_TRUE(plugin) << last_error();
  EXPECT_EQ(raw::kind_of(plugin.get()), "PLUGIN 1.0");
  void* core = raw::capability(plugin, raw::kCore);
  EXPECT_EQ(raw::kind_of(core), "PLUGIN_V3ONE_CORE 1.0");
  EXPECT_EQ(raw::kind_of(raw::capability(plugin, raw::kBuildCapability)), "PLUGIN_V3ONE_BUILD 1.0");
  EXPECT_EQ(raw::kind_of(raw::capability(plugin, raw::kRuntimeCapability)),
            "PLUGIN_V3ONE_RUNTIME 1.0");
  EXPECT_EQ(raw::capability(plugin, 3), nullptr);
  EXPECT_STREQ(call<const char*>(core, 4), "HPS_TRT");
  EXPECT_STREQ(call<const char*>(core, 5), "2");
  EXPECT_STREQ(call<const char*>(core, 6), "");
}

TEST(Build, OutputTypesAndCounts) {
  const auto plugin = create(2, node());
  void* build = raw::capability(plugin, raw::kBuildCapability);
  EXPECT_EQ(call<std::int32_t>(build, 8), kOutputs);
  Ints types(kOutputs, -1);
  ASSERT_EQ(call<std::int32_t>(build, 5, types.data(), kOutputs, kNodeTypes.data(), kInputs), 0);
  EXPECT_EQ(types, (Ints{raw::kFloat, raw::kBf16, raw::kInt32}));
  EXPECT_NE(call<std::int32_t>(build, 5, types.data(), kOutputs, kNodeTypes.data(), kInputs - 1),
            0);
  EXPECT_EQ(last_error(), "the node has 4 inputs and 3 outputs, its attributes describe 5 and 3");
}

TEST(Build, ShapesAreSymbolic) {
  const auto plugin = create(2, node());
  raw::ExprBuilder builder;
  const auto shape = [&](const std::vector<std::string>& symbols) {
    raw::DimsExprs made{};
    made.rank = static_cast<std::int32_t>(symbols.size());
    for (std::size_t i = 0; i < symbols.size(); ++i) made.d[i] = builder.symbol(symbols[i]);
    return made;
  };
  const std::array<raw::DimsExprs, kInputs> inputs = {
      shape({"B", "C"}), shape({"B1", "H"}), shape({"B1", "H"}), shape({"L"}), shape({"O"})};
  std::array<raw::DimsExprs, kOutputs> outputs{};
  const auto shapes = [&] {
    return call<std::int32_t>(raw::capability(plugin, raw::kBuildCapability), 6, inputs.data(),
                              kInputs, static_cast<const raw::DimsExprs*>(nullptr), 0,
                              outputs.data(), kOutputs, builder.get());
  };
  ASSERT_EQ(shapes(), 0) << last_error();
  const auto text = [](const raw::DimsExprs& made) {
    std::vector<std::string> all;
    for (std::int32_t i = 0; i < made.rank; ++i) all.push_back(raw::ExprBuilder::text(made.d[i]));
    return all;
  };
  EXPECT_EQ(text(outputs[0]), (std::vector<std::string>{"B", "12"}));
  EXPECT_EQ(text(outputs[1]), (std::vector<std::string>{"O-1", "2"}));
  EXPECT_EQ(text(outputs[2]), (std::vector<std::string>{"B"}));
  builder.refuse = true;
  EXPECT_NE(shapes(), 0);
}

/// All (type, format) pairs that the plugin accepts at `position`, in the way TensorRT asks.
std::vector<std::pair<std::int32_t, std::int32_t>> accepted(const raw::Plugin& plugin,
                                                            std::int32_t position,
                                                            std::int32_t inputs,
                                                            std::int32_t outputs) {
  std::vector<raw::DynamicTensor> tensors(static_cast<std::size_t>(inputs + outputs));
  std::vector<std::pair<std::int32_t, std::int32_t>> found;
  for (std::int32_t type = 0; type < raw::kTypes; ++type) {
    for (std::int32_t format = 0; format < 13; ++format) {
      auto& at = tensors[static_cast<std::size_t>(position)].desc;
      at.type = type;
      at.format = format;
      if (call<bool>(raw::capability(plugin, raw::kBuildCapability), 7, position, tensors.data(),
                     inputs, outputs)) {
        found.emplace_back(type, format);
      }
    }
  }
  return found;
}

TEST(Build, Version2AcceptsOneTypeAndOneFormatPerPosition) {
  const auto plugin = create(2, node());
  for (std::int32_t position = 0; position < kInputs + kOutputs; ++position) {
    const auto expected = std::pair{kNodeTypes[static_cast<std::size_t>(position)], 0};
    EXPECT_EQ(accepted(plugin, position, kInputs, kOutputs), std::vector{expected}) << position;
  }
  EXPECT_GE(call<std::int32_t>(raw::capability(plugin, raw::kBuildCapability), 13), 1);
}

TEST(Build, Version1AcceptsBothIdTypesAndThreeRowTypes) {
  const auto plugin = create(1, old_node());
  using Pairs = std::vector<std::pair<std::int32_t, std::int32_t>>;
  EXPECT_EQ(accepted(plugin, 0, 1, 1), (Pairs{{raw::kInt32, 0}, {raw::kInt64, 0}}));
  EXPECT_EQ(accepted(plugin, 1, 1, 1), (Pairs{{raw::kFloat, 0}, {raw::kHalf, 0}, {raw::kBf16, 0}}));
  Ints type{-1};
  const std::int32_t id_type = raw::kInt32;
  void* build = raw::capability(plugin, raw::kBuildCapability);
  ASSERT_EQ(call<std::int32_t>(build, 5, type.data(), 1, &id_type, 1), 0);
  EXPECT_EQ(type[0], raw::kFloat);
}

TEST(Build, ConfigurePluginChecksTypes) {
  const auto plugin = create(2, node());
  std::array<raw::DynamicTensor, kInputs> in{};
  std::array<raw::DynamicTensor, kOutputs> out{};
  for (std::size_t i = 0; i < in.size(); ++i) in[i].desc = node_inputs()[i];
  for (std::size_t i = 0; i < out.size(); ++i) out[i].desc = node_outputs()[i];
  const auto configure = [&] {
    return call<std::int32_t>(raw::capability(plugin, raw::kBuildCapability), 4, in.data(), kInputs,
                              out.data(), kOutputs);
  };
  EXPECT_EQ(configure(), 0) << last_error();
  out[1].desc.type = raw::kFloat;
  EXPECT_NE(configure(), 0);
  EXPECT_EQ(last_error(), "output 1 has TensorRT type 0, which the node's attributes exclude");
}

TEST(Fields, SerializedFieldsMakeTheSamePlugin) {
  for (int version : {1, 2}) {
    const auto first = create(version, version == 1 ? old_node() : node());
    ASSERT_TRUE(first) << last_error();
    const auto second = create(version, serialized(first));
    ASSERT_TRUE(second) << last_error();
    EXPECT_EQ(raw::dump(serialized(second)), raw::dump(serialized(first)));
  }
  const auto fields = raw::dump(serialized(create(2, node())));
  EXPECT_EQ(fields.at("bundle_id"), "6:2:2d00");
  EXPECT_EQ(fields.at("ignored_ids"), "5:3:00000000ffffffff00000000");
}

TEST(Fields, EveryWayOfGivingAStringIsRead) {
  const auto reference = raw::dump(serialized(create(1, old_node())));
  const std::vector<char> bare = {'s', 'h', 'o', 'p'};
  const std::vector<char> ended = {'s', 'h', 'o', 'p', '\0'};
  const std::vector<std::pair<std::vector<char>, std::int32_t>> ways = {
      {bare, 4}, {ended, 5}, {ended, 1}, {{'s', 'h', 'o', 'p', '\0', '\0'}, 6}};
  for (const auto& [bytes, length] : ways) {
    const auto plugin = create(1, old_node().chars("model_name", bytes, length));
    ASSERT_TRUE(plugin) << last_error();
    EXPECT_EQ(raw::dump(serialized(plugin)), reference) << length;
  }
  const auto wide = create(1, old_node().longs("table_id", {1}));
  ASSERT_TRUE(wide) << last_error();
  EXPECT_EQ(raw::dump(serialized(wide)), reference);
}

TEST(Fields, AVersion1StringOfLengthOneIsNotReadWithoutEnd) {
  const std::vector<char> endless(5000, 'x');
  EXPECT_FALSE(create(1, old_node().chars("model_name", endless, 1)));
  EXPECT_NE(last_error().find("model_name"), std::string::npos);
}

TEST(Fields, BadOnesAreRefusedByName) {
  EXPECT_FALSE(create(2, node().erase("dims")));
  EXPECT_NE(last_error().find("'dims'"), std::string::npos) << last_error();
  EXPECT_FALSE(create(2, node().chars("tables", {'a', '\0', 'b', '\0'}, 4)));
  EXPECT_EQ(last_error(), "plugin field 'tables' holds several strings; it must be one");
  EXPECT_FALSE(create(2, static_cast<const raw::Fields*>(nullptr)));

  const float value = 1;
  const std::array<std::pair<raw::Field, std::string>, 5> bad = {{
      {{nullptr, &value, 5, 1}, "plugin field 0 has no name"},
      {{"dims", &value, 1, 1},
       "plugin field 'dims' has type 1; strings are kCHAR (6), integers kINT32 (5) or kINT64 (10)"},
      {{"dims", nullptr, 5, 3}, "plugin field 'dims' has length 3 and no data"},
      {{"dims", &value, 5, -1}, "plugin field 'dims' has length -1"},
      {{"", &value, 5, 1}, "the name of plugin field 0 must have 1 to 255 characters"},
  }};
  for (const auto& [field, message] : bad) {
    const raw::Fields fields{1, &field};
    EXPECT_FALSE(create(2, &fields));
    EXPECT_EQ(last_error(), message);
  }
  const std::array<raw::Field, 2> twice = {{{"dims", &value, 5, 1}, {"dims", &value, 5, 1}}};
  const raw::Fields fields{2, twice.data()};
  EXPECT_FALSE(create(2, &fields));
  EXPECT_EQ(last_error(), "plugin field 'dims' is given twice");
}

TEST(Clones, OutliveTheirOriginal) {
  auto plugin = create(2, node());
  const auto expected = raw::dump(serialized(plugin));
  auto copy = raw::clone(plugin);
  ASSERT_NE(copy.get(), plugin.get());
  plugin.reset();
  auto attached =
      raw::Plugin(call<void*>(raw::capability(copy, raw::kRuntimeCapability), 7, nullptr));
  copy.reset();
  EXPECT_EQ(raw::dump(serialized(attached)), expected);
  EXPECT_EQ(call<std::int32_t>(raw::capability(attached, raw::kBuildCapability), 8), kOutputs);
}

/// An execution context's resources: slot 1 gives the error recorder, whose slots 9 to 11 are used.
struct Recorder {
  void* slots[12] = {};
  void** table = slots;
  int references = 0;
  std::string message;
  void* context_slots[2] = {};
  struct Context {
    void** table;
    Recorder* recorder;
  } context{context_slots, this};

  Recorder() {
    slots[9] = reinterpret_cast<void*>(&report);
    slots[10] = reinterpret_cast<void*>(&retain);
    slots[11] = reinterpret_cast<void*>(&release);
    context_slots[1] = reinterpret_cast<void*>(&recorder_of);
  }
  Recorder(const Recorder&) = delete;
  static Recorder* self(void* table) {
    return reinterpret_cast<Recorder*>(static_cast<char*>(table) - offsetof(Recorder, table));
  }
  static bool report(void* object, std::int32_t code, const char* text) {
    self(object)->message = std::to_string(code) + " " + text;
    return true;
  }
  static std::int32_t retain(void* object) { return ++self(object)->references; }
  static std::int32_t release(void* object) { return --self(object)->references; }
  static void* recorder_of(void* object) { return &static_cast<Context*>(object)->recorder->table; }
};

std::int32_t shape_change(const raw::Plugin& plugin, const std::array<raw::Tensor, kInputs>& in,
                          const std::array<raw::Tensor, kOutputs>& out) {
  return call<std::int32_t>(raw::capability(plugin, raw::kRuntimeCapability), 5, in.data(), kInputs,
                            out.data(), kOutputs);
}

std::int32_t enqueue(const raw::Plugin& plugin, const std::array<raw::Tensor, kOutputs>& out,
                     const std::array<void*, kOutputs>& memory) {
  const auto in = node_inputs();
  const std::array<const void*, kInputs> none{};
  return call<std::int32_t>(raw::capability(plugin, raw::kRuntimeCapability), 6, in.data(),
                            out.data(), none.data(), memory.data(), static_cast<void*>(nullptr),
                            reinterpret_cast<void*>(0x57));
}

TEST(Shapes, ContradictionsAreNamed) {
  const auto plugin = create(2, node());
  EXPECT_EQ(shape_change(plugin, node_inputs(), node_outputs()), 0) << last_error();
  auto out = node_outputs();
  out[1].dims.d[0] = 7;
  EXPECT_NE(shape_change(plugin, node_inputs(), out), 0);
  EXPECT_EQ(last_error(), "axis 0 of output 1 has extent 7 and must have 6");
  out[1].dims.rank = 1;
  EXPECT_NE(shape_change(plugin, node_inputs(), out), 0);
  EXPECT_EQ(last_error(), "output 1 has rank 1 and must have 2");
}

TEST(Enqueue, BuildingZeroesEveryOutputByteOnTheStreamAndNoOther) {
  const auto built = create(2, node());
  const auto plugin =
      raw::Plugin(call<void*>(raw::capability(built, raw::kRuntimeCapability), 7, nullptr));
  ASSERT_EQ(shape_change(plugin, node_inputs(), node_outputs()), 0) << last_error();
  const std::array<std::size_t, kOutputs> bytes = {6 * 12 * 4, 6 * 2 * 2, 6 * 4};
  std::array<std::vector<unsigned char>, kOutputs> memory;
  std::array<void*, kOutputs> addresses{};
  for (std::size_t i = 0; i < memory.size(); ++i) {
    memory[i].assign(bytes[i] + 32, 0xAB);
    addresses[i] = memory[i].data() + 16;
  }
  ASSERT_EQ(enqueue(plugin, node_outputs(), addresses), 0) << last_error();
  for (std::size_t i = 0; i < memory.size(); ++i) {
    std::vector<unsigned char> expected(bytes[i] + 32, 0xAB);
    std::fill(expected.begin() + 16, expected.end() - 16, static_cast<unsigned char>(0));
    EXPECT_EQ(memory[i], expected) << i;
  }
  void* cuda = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  ASSERT_NE(cuda, nullptr);
  EXPECT_EQ(*find<int*>(cuda, "fake_cuda_calls"), kOutputs);
  EXPECT_EQ(*find<const void**>(cuda, "fake_cuda_stream"), reinterpret_cast<void*>(0x57));
}

TEST(Enqueue, EmptyOutputsNeedNoMemory) {
  const auto plugin = create(2, node());
  std::array<raw::Tensor, kOutputs> out = node_outputs();
  for (auto& made : out) made.dims.d[0] = 0;
  EXPECT_EQ(enqueue(plugin, out, {}), 0) << last_error();
  EXPECT_NE(enqueue(plugin, node_outputs(), {}), 0);
  EXPECT_EQ(last_error(), "output 0 has 288 bytes and no memory");
}

TEST(Enqueue, AFailureOfTheDriverFailsTheCall) {
  const auto built = create(2, node());
  Recorder recorder;
  auto plugin = raw::Plugin(call<void*>(raw::capability(built, raw::kRuntimeCapability), 7,
                                        static_cast<void*>(&recorder.context)));
  EXPECT_EQ(recorder.references, 1);
  void* cuda = dlopen("libcuda.so.1", RTLD_LAZY);
  ASSERT_NE(cuda, nullptr);
  int* result = find<int*>(cuda, "fake_cuda_result");
  *result = 700;
  std::vector<unsigned char> memory(288);
  EXPECT_NE(enqueue(plugin, node_outputs(), {memory.data(), memory.data(), memory.data()}), 0);
  *result = 0;
  const std::string expected = "cuMemsetD8Async of 288 bytes failed: CUDA_ERROR_FAKE (made up)";
  EXPECT_EQ(last_error(), expected);
  EXPECT_EQ(recorder.message, "7 " + expected);
  plugin.reset();
  EXPECT_EQ(recorder.references, 0);
}

/// A bundle with the tables of node(), all dense.
void write_bundle(const std::filesystem::path& folder, int item_dim = 8) {
  const auto table = [&](const std::string& name, int rows, int dim) {
    const auto at = folder / "tables" / name;
    std::filesystem::create_directories(at);
    std::vector<std::int64_t> keys(static_cast<std::size_t>(rows));
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<std::int64_t>(i);
    hps::test::write_values(at / "key", keys);
    hps::test::write_values(at / "emb_vector",
                            std::vector<float>(keys.size() * static_cast<std::size_t>(dim), 1));
    return R"({"name": ")" + name + R"(", "path": "tables/)" + name + R"(", "rows": )" +
           std::to_string(rows) + R"(, "dim": )" + std::to_string(dim) +
           R"(, "type": "fp32", "keys": "dense"})";
  };
  hps::test::write_text(folder / "hps.json",
                        R"({"format": "hps-trt/1", "models": [{"name": "shop", "tables": [)" +
                            table("users", 10, 4) + ", " + table("items", 7, item_dim) + ", " +
                            table("tags", 5, 2) + "]}]}");
}

class RunPhase : public ::testing::Test {
 protected:
  hps::test::TempFolder folder_;
  std::string config() const { return (folder_.path() / "hps.json").string(); }
  void TearDown() override { unsetenv("HPS_TRT_LOAD"); }
};

constexpr const char* kNoDeviceLookup =
    "the lookup on the GPU is not in this build, so model 'shop' cannot run in TensorRT; run its "
    "bundle in ONNX Runtime";

TEST_F(RunPhase, OpensTheTablesAtOnceAndSaysThatTheGpuPartIsMissing) {
  write_bundle(folder_.path());
  const auto built = create(2, node(config()));
  const auto plugin = create(2, serialized(built), raw::kRuntime);
  ASSERT_TRUE(plugin) << last_error();
  const auto attached =
      raw::Plugin(call<void*>(raw::capability(plugin, raw::kRuntimeCapability), 7, nullptr));
  ASSERT_EQ(shape_change(attached, node_inputs(), node_outputs()), 0) << last_error();
  std::vector<unsigned char> memory(288, 0xAB);
  EXPECT_NE(enqueue(attached, node_outputs(), {memory.data(), memory.data(), memory.data()}), 0);
  EXPECT_EQ(last_error(), kNoDeviceLookup);
  const auto old = create(1, old_node(config()), raw::kRuntime);
  EXPECT_TRUE(old) << last_error();
}

TEST_F(RunPhase, MissingTablesGiveNoPlugin) {
  const auto built = create(2, node(config()));
  ASSERT_TRUE(built) << last_error();
  EXPECT_FALSE(create(2, serialized(built), raw::kRuntime));
  EXPECT_NE(last_error().find("hps.json"), std::string::npos) << last_error();
}

TEST_F(RunPhase, AnotherDimensionGivesNoPlugin) {
  write_bundle(folder_.path(), 9);
  EXPECT_FALSE(create(2, node(config()), raw::kRuntime));
  EXPECT_NE(last_error().find("items"), std::string::npos) << last_error();
}

TEST_F(RunPhase, LazyLoadingFailsAtTheFirstEnqueue) {
  setenv("HPS_TRT_LOAD", "lazy", 1);
  const auto plugin = create(2, node(config()), raw::kRuntime);
  ASSERT_TRUE(plugin) << last_error();
  EXPECT_NE(enqueue(plugin, node_outputs(), {}), 0);
  EXPECT_NE(last_error().find("hps.json"), std::string::npos) << last_error();
  write_bundle(folder_.path());
  EXPECT_NE(enqueue(plugin, node_outputs(), {}), 0);
  EXPECT_EQ(last_error(), kNoDeviceLookup);
}

TEST_F(RunPhase, OtherModesOfLoadingAreRefused) {
  setenv("HPS_TRT_LOAD", "soon", 1);
  EXPECT_FALSE(create(2, node(config()), raw::kRuntime));
  EXPECT_EQ(last_error(), "HPS_TRT_LOAD is 'soon'; it may be eager or lazy");
  EXPECT_TRUE(create(2, node(config()))) << "building reads no such setting";
}

}  // namespace
