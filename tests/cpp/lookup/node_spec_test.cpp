#include "lookup/node_spec.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace hps {
namespace {

using Ints = std::vector<std::int64_t>;
const std::string kId = "0123456789abcdef0123456789abcdef";

/// Three lookups: plain ids of a packed column, a weighted mean over offsets, segments with a size
/// input. Outputs: two blocks of one fp16 output, and one fp32 output of its own.
Attributes example() {
  return {{"config_file", "hps.json"},
          {"bundle_id", kId},
          {"model_name", "dlrm"},
          {"tables", "emb_0\nemb_1\nemb_0"},
          {"input_types", Ints{7, 6, 6, 10, 7, 1}},
          {"output_types", Ints{10, 1}},
          {"dims", Ints{4, 8, 16}},
          {"ids_inputs", Ints{0, 1, 1}},
          {"ids_columns", Ints{3, -1, -1}},
          {"layouts", Ints{0, 2, 5}},
          {"layout_inputs", Ints{-1, 2, 4}},
          {"size_inputs", Ints{-1, -1, 5}},
          {"sizes", Ints{-1, -1, -1}},
          {"weights_inputs", Ints{-1, 3, -1}},
          {"combiners", Ints{0, 2, 1}},
          {"divisors", Ints{0, 1, 0}},
          {"has_ignored_ids", Ints{0, 1, 0}},
          {"ignored_ids", Ints{0, -1, 0}},
          {"index_modes", Ints{1, 0, 0}},
          {"outputs", Ints{0, 0, 1}},
          {"output_columns", Ints{8, 0, 0}},
          {"unresolved_output", Ints{1}}};
}

Attributes version_1() {
  return {{"ps_config_file", "/etc/ps.json"},
          {"model_name", "wdl"},
          {"table_id", Ints{1}},
          {"emb_vec_size", Ints{16}}};
}

/// Parsing fails with `code` and a message that has every one of `parts`.
void expect_failure(int version, const Attributes& attributes, ErrorCode code,
                    const std::vector<std::string>& parts) {
  try {
    NodeSpec::parse(version, attributes);
    ADD_FAILURE() << "parsed, though " << parts.front() << " is wrong";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(error.code(), code) << text;
    for (const std::string& part : parts) {
      EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
    }
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

void expect_invalid(const Attributes& attributes, const std::vector<std::string>& parts) {
  expect_failure(2, attributes, ErrorCode::kInvalidArgument, parts);
}

/// `example()` with one value of one list replaced.
Attributes with(const std::string& name, std::size_t position, std::int64_t value) {
  Attributes attributes = example();
  std::get<Ints>(attributes.at(name)).at(position) = value;
  return attributes;
}

Attributes with(const std::string& name, const AttributeValue& value) {
  Attributes attributes = example();
  attributes[name] = value;
  return attributes;
}

TEST(NodeSpec, ReadsEveryFieldOfVersion2) {
  const NodeSpec spec = NodeSpec::parse(2, example());
  EXPECT_EQ(spec.version, 2);
  EXPECT_EQ(spec.config_file, "hps.json");
  EXPECT_EQ(spec.bundle_id, kId);
  EXPECT_EQ(spec.model, "dlrm");
  EXPECT_TRUE(spec.unresolved_output);
  EXPECT_EQ(spec.inputs(), 6U);
  EXPECT_EQ(spec.outputs(), 3U);
  EXPECT_EQ(spec.input_types[3], DataType::kFloat16);
  EXPECT_EQ(spec.output_types[0], DataType::kFloat16);
  ASSERT_EQ(spec.lookups.size(), 3U);

  const LookupSpec& column = spec.lookups[0];
  EXPECT_EQ(column.table, "emb_0");
  EXPECT_EQ(column.dim, 4U);
  EXPECT_EQ(column.ids_column, 3);
  EXPECT_EQ(column.index_mode, IndexMode::kOnnx);
  EXPECT_EQ(column.output_column, 8);
  EXPECT_FALSE(column.ignored_id.has_value());

  const LookupSpec& mean = spec.lookups[1];
  EXPECT_EQ(mean.table, "emb_1");
  EXPECT_EQ(mean.layout, Layout::kOffsets);
  EXPECT_EQ(mean.layout_input, 2);
  EXPECT_EQ(mean.weights_input, 3);
  EXPECT_EQ(mean.combiner, Combiner::kMean);
  EXPECT_EQ(mean.divisor, Divisor::kKept);
  EXPECT_EQ(mean.ignored_id, -1);
  EXPECT_EQ(mean.index_mode, IndexMode::kKey);

  EXPECT_EQ(spec.lookups[2].size_input, 5);
  EXPECT_EQ(spec.lookups[2].output, 1);
}

TEST(NodeSpec, AttributesComeBackAsTheyWere) {
  EXPECT_EQ(NodeSpec::parse(2, example()).to_attributes(), example());
  EXPECT_EQ(NodeSpec::parse(1, version_1()).to_attributes(), version_1());
  const Attributes unnamed = with("bundle_id", "-");
  const NodeSpec spec = NodeSpec::parse(2, unnamed);
  EXPECT_EQ(spec.bundle_id, "");
  EXPECT_EQ(spec.to_attributes(), unnamed);
}

TEST(NodeSpec, ReadsVersion1) {
  const NodeSpec spec = NodeSpec::parse(1, version_1());
  EXPECT_EQ(spec.version, 1);
  EXPECT_EQ(spec.config_file, "/etc/ps.json");
  EXPECT_EQ(spec.model, "wdl");
  EXPECT_EQ(spec.inputs(), 1U);
  EXPECT_EQ(spec.output_types, std::vector<DataType>{DataType::kFloat32});
  ASSERT_EQ(spec.lookups.size(), 1U);
  EXPECT_EQ(spec.lookups[0].table_id, 1);
  EXPECT_EQ(spec.lookups[0].dim, 16U);
  EXPECT_EQ(spec.lookups[0].index_mode, IndexMode::kKey);
  EXPECT_EQ(spec.lookups[0].layout, Layout::kPlain);
}

TEST(NodeSpec, StripsTrailingNulBytes) {
  Attributes attributes = version_1();
  attributes["model_name"] = std::string("wdl\0", 4);
  attributes["ps_config_file"] = std::string("ps.json\0\0", 9);  // one by hand, one by the parser
  const NodeSpec spec = NodeSpec::parse(1, attributes);
  EXPECT_EQ(spec.model, "wdl");
  EXPECT_EQ(spec.config_file, "ps.json");
  attributes["model_name"] = std::string("w\0dl", 4);
  expect_failure(1, attributes, ErrorCode::kInvalidArgument, {"'model_name'", "NUL", "1"});
}

TEST(NodeSpec, RefusesBadVersion1) {
  const auto changed = [](const char* name, const AttributeValue& value) {
    Attributes attributes = version_1();
    attributes[name] = value;
    return attributes;
  };
  constexpr ErrorCode kBad = ErrorCode::kInvalidArgument;
  expect_failure(1, changed("table_id", Ints{-1}), kBad, {"'table_id'", "-1"});
  expect_failure(1, changed("emb_vec_size", Ints{0}), kBad, {"'emb_vec_size'", "0"});
  expect_failure(1, changed("emb_vec_size", Ints{1048577}), kBad, {"'emb_vec_size'", "1048577"});
  expect_failure(1, changed("emb_vec_size", Ints{1, 2}), kBad, {"'emb_vec_size'", "2 values"});
  expect_failure(1, changed("emb_vec_size", "16"), kBad, {"'emb_vec_size'", "integers"});
  expect_failure(1, changed("model_name", ""), kBad, {"'model_name'", "empty"});
  expect_failure(1, changed("dims", Ints{1}), ErrorCode::kUnsupported, {"'dims'", "\"1\""});
  for (const auto& [name, value] : version_1()) {
    Attributes attributes = version_1();
    attributes.erase(name);
    expect_failure(1, attributes, kBad, {"'" + name + "'", "missing"});
  }
}

TEST(NodeSpec, AcceptsWhatHostsPassAlong) {
  Attributes attributes = with("plugin_version", std::string("2\0", 2));
  attributes["plugin_namespace"] = "";
  EXPECT_EQ(NodeSpec::parse(2, attributes).to_attributes(), example());
  expect_invalid(with("plugin_version", "1"), {"'plugin_version'", "'1'"});
  expect_invalid(with("plugin_namespace", "x"), {"'plugin_namespace'", "'x'"});
}

TEST(NodeSpec, MissingAttributesAreNamed) {
  for (const auto& [name, value] : example()) {
    Attributes attributes = example();
    attributes.erase(name);
    if (name == "unresolved_output") {
      EXPECT_FALSE(NodeSpec::parse(2, attributes).unresolved_output);
    } else {
      expect_invalid(attributes, {"'" + name + "'", "missing"});
    }
  }
}

TEST(NodeSpec, UnknownAttributesAreOfALaterVersion) {
  expect_failure(2, with("max_norms", Ints{0}), ErrorCode::kUnsupported, {"'max_norms'"});
  EXPECT_THROW(attribute_names(3), Error);
}

TEST(NodeSpec, KindsAreChecked) {
  for (const AttributeName& name : attribute_names(2)) {
    const AttributeValue wrong = name.is_string ? AttributeValue(Ints{1}) : AttributeValue("1");
    expect_invalid(with(name.name, wrong), {std::string("'") + name.name + "'"});
  }
}

TEST(NodeSpec, ListsHaveOneValuePerLookup) {
  for (const AttributeName& name : attribute_names(2)) {
    if (name.is_string) continue;
    const std::string text = name.name;
    if (text == "input_types" || text == "output_types" || text == "unresolved_output") {
      expect_invalid(with(text, Ints{}), {"'" + text + "'", "0 values"});
      continue;
    }
    expect_invalid(with(text, Ints{0, 0}), {"'" + text + "'", "2 values", "3"});
    expect_invalid(with(text, Ints{}), {"'" + text + "'", "0 values"});
  }
}

TEST(NodeSpec, IntegersFitIn32Bits) {
  for (const AttributeName& name : attribute_names(2)) {
    if (name.is_string) continue;
    expect_invalid(with(name.name, 0, std::int64_t{1} << 31),
                   {std::string("'") + name.name + "'[0]", "2147483648", "32 bits"});
    expect_invalid(with(name.name, 0, -(std::int64_t{1} << 31) - 1), {"-2147483649", "32 bits"});
  }
}

TEST(NodeSpec, RangesAreChecked) {
  const auto refused = [](const char* name, std::int64_t value, ErrorCode code) {
    expect_failure(2, with(name, 1, value), code,
                   {std::string("'") + name + "'[1]", std::to_string(value)});
  };
  constexpr ErrorCode kBad = ErrorCode::kInvalidArgument;
  constexpr ErrorCode kLater = ErrorCode::kUnsupported;
  refused("dims", 0, kBad);
  refused("dims", 1048577, kBad);
  refused("ids_inputs", -1, kBad);
  refused("ids_inputs", 6, kBad);
  refused("ids_columns", -2, kBad);
  refused("layouts", -1, kBad);
  refused("layouts", 6, kLater);
  refused("layout_inputs", 6, kBad);
  refused("weights_inputs", -2, kBad);
  refused("combiners", 4, kLater);
  refused("combiners", -1, kBad);
  refused("divisors", 3, kLater);
  refused("has_ignored_ids", 2, kBad);
  refused("index_modes", 2, kLater);
  refused("outputs", 2, kBad);
  refused("outputs", -1, kBad);
  refused("output_columns", -1, kBad);
  refused("input_types", 3, kLater);
  refused("output_types", 7, kLater);
  expect_invalid(with("unresolved_output", 0, 2), {"'unresolved_output'", "2"});
}

TEST(NodeSpec, NamesAreChecked) {
  expect_invalid(with("tables", "emb_0\n\nemb_0"), {"'tables'", "line 1", "''"});
  expect_invalid(with("tables", "emb_0\n../etc\nemb_0"), {"'tables'", "line 1", "../etc"});
  expect_invalid(with("tables", "emb_0\nemb_1\n" + std::string(121, 'a')), {"'tables'", "line 2"});
  expect_invalid(with("tables", "emb_0\nemb_1\nemb_0\n"), {"3 values"});
  expect_invalid(with("model_name", ""), {"'model_name'"});
  expect_invalid(with("model_name", "a/b"), {"'model_name'", "a/b"});
  expect_invalid(with("bundle_id", ""), {"'bundle_id'"});
  expect_invalid(with("bundle_id", kId.substr(1)), {"'bundle_id'"});
  expect_invalid(with("bundle_id", "X" + kId.substr(1)), {"'bundle_id'"});
}

TEST(NodeSpec, LayoutRulesHold) {
  expect_invalid(with("layout_inputs", 0, 2), {"'layout_inputs'[0]", "2", "'layouts'[0]"});
  expect_invalid(with("layout_inputs", 1, -1), {"'layout_inputs'[1]", "-1", "needs an input"});
  expect_invalid(with("ids_columns", 1, 0), {"'ids_columns'[1]", "flat"});
  expect_invalid(with("size_inputs", 1, 5), {"'size_inputs'[1]", "layout 5"});
  expect_invalid(with("sizes", 1, 5), {"'sizes'[1]", "use -1"});
  expect_invalid(with("sizes", 2, 5), {"'sizes'[2]", "use -1"});
  expect_invalid(with("size_inputs", 2, -1), {"'sizes'[2]", "number of segments"});
}

TEST(NodeSpec, CombinerRulesHold) {
  expect_invalid(with("combiners", 0, 1), {"'combiners'[0]", "1", "layout 0"});
  expect_invalid(with("combiners", 1, 0), {"'combiners'[1]", "0"});
  expect_invalid(with("weights_inputs", 0, 3), {"'weights_inputs'[0]", "combiner"});
  expect_invalid(with("divisors", 2, 1), {"'divisors'[2]", "1", "use 0"});
  expect_invalid(with("ignored_ids", 0, 7), {"'ignored_ids'[0]", "7", "'has_ignored_ids'[0]"});
}

TEST(NodeSpec, InputTypesFitTheirUse) {
  expect_invalid(with("ids_inputs", 0, 3), {"'ids_inputs'[0]", "fp16", "int32"});
  expect_invalid(with("layout_inputs", 1, 5), {"'layout_inputs'[1]", "fp32"});
  expect_invalid(with("weights_inputs", 1, 2), {"'weights_inputs'[1]", "int32", "fp32"});
  expect_invalid(with("size_inputs", 2, 4), {"input 5", "used by no lookup"});
  EXPECT_NO_THROW(NodeSpec::parse(2, with("input_types", 5, 16))) << "a size input has any type";
}

TEST(NodeSpec, ColumnBlocksCoverTheOutput) {
  expect_invalid(with("output_columns", 0, 9), {"'output_columns'[0]", "9", "end at 8"});
  expect_invalid(with("output_columns", 0, 7), {"'output_columns'[0]", "7", "end at 8"});
  expect_invalid(with("output_columns", 1, 1), {"'output_columns'[1]", "1", "end at 0"});
  expect_invalid(with("dims", 1, 7), {"'output_columns'[0]", "8", "end at 7"});
  expect_invalid(with("output_types", Ints{10, 1, 1}), {"output 2", "'outputs'"});
}

TEST(NodeSpec, LimitsAreEnforced) {
  std::string tables = "t";
  for (int i = 1; i < 4097; ++i) tables += "\nt";
  expect_invalid(with("tables", tables), {"'tables'", "4097", "4096"});
  expect_invalid(with("config_file", std::string((1 << 20) + 1, 'a')), {"'config_file'", "bytes"});
  // 2048 blocks of 2^20 columns are one more column than 32 bits count.
  Attributes wide;
  tables = "t";
  for (int i = 1; i < 2048; ++i) tables += "\nt";
  wide = with("tables", tables);
  for (auto& [name, value] : wide) {
    auto* list = std::get_if<Ints>(&value);
    if (list == nullptr || name == "unresolved_output") continue;
    list->assign(2048, name == "dims" ? 1 << 20 : 0);
    if (name == "ids_columns" || name == "layout_inputs" || name == "weights_inputs" ||
        name == "size_inputs" || name == "sizes") {
      list->assign(2048, -1);
    }
    if (name == "output_columns") {
      for (int i = 0; i < 2048; ++i) (*list)[i] = static_cast<std::int64_t>(i) << 20;
    }
  }
  wide["input_types"] = Ints{7};
  wide["output_types"] = Ints{1};
  expect_invalid(wide, {"'dims'[2047]", "wider"});
}

/// "0.0" is axis 0 of input 0; "0.0-1" that less 1; "7" the constant 7.
std::string text_of(const std::vector<DimSource>& extents) {
  std::string text;
  for (const DimSource& extent : extents) {
    if (!text.empty()) text += ' ';
    if (extent.input < 0) {
      text += std::to_string(extent.constant);
      continue;
    }
    text += std::to_string(extent.input) + "." + std::to_string(extent.axis);
    if (extent.addend != 0) text += std::to_string(extent.addend);
  }
  return text;
}

/// A node of one lookup of dimension 4 over ids, a layout input and a size input.
NodeSpec single(Layout layout, std::int32_t column = -1) {
  NodeSpec spec;
  spec.model = "m";
  spec.input_types = {DataType::kInt64, DataType::kInt64, DataType::kInt64};
  spec.output_types = {DataType::kFloat32};
  LookupSpec lookup;
  lookup.table = "t";
  lookup.dim = 4;
  lookup.layout = layout;
  lookup.ids_column = column;
  lookup.combiner = layout == Layout::kPlain ? Combiner::kNone : Combiner::kSum;
  if (layout != Layout::kPlain && layout != Layout::kPooled) lookup.layout_input = 1;
  spec.lookups.push_back(lookup);
  return spec;
}

std::string shape(const NodeSpec& spec, const std::vector<std::int32_t>& ranks,
                  std::size_t output = 0) {
  return text_of(spec.output_shape(output, ranks));
}

TEST(NodeSpecShape, FollowsTheLayout) {
  EXPECT_EQ(shape(single(Layout::kPlain), {2, 1, 1}), "0.0 0.1 4");
  EXPECT_EQ(shape(single(Layout::kPlain), {0, 1, 1}), "4");
  EXPECT_EQ(shape(single(Layout::kPlain, 3), {2, 1, 1}), "0.0 4");
  EXPECT_EQ(shape(single(Layout::kPlain, 0), {1, 1, 1}), "4");
  EXPECT_EQ(shape(single(Layout::kPooled), {3, 1, 1}), "0.0 0.1 4");
  EXPECT_EQ(shape(single(Layout::kPooled, 1), {3, 1, 1}), "0.0 4");
  EXPECT_EQ(shape(single(Layout::kPooled), {1, 1, 1}), "4");
  EXPECT_EQ(shape(single(Layout::kOffsets), {1, 1, 1}), "1.0 4");
  EXPECT_EQ(shape(single(Layout::kOffsetsLast), {2, 1, 1}), "1.0-1 4");
  EXPECT_EQ(shape(single(Layout::kLengths), {1, 1, 1}), "1.0 4");
  NodeSpec segments = single(Layout::kSegments);
  segments.lookups[0].size = 9;
  EXPECT_EQ(shape(segments, {1, 1, 1}), "9 4");
  segments.lookups[0].size_input = 2;
  EXPECT_EQ(shape(segments, {1, 1, 3}), "2.0 4");
}

TEST(NodeSpecShape, AddsUpTheColumnsOfAnOutput) {
  NodeSpec spec = single(Layout::kOffsetsLast);
  spec.lookups.push_back(single(Layout::kPlain).lookups[0]);
  spec.lookups[1].output_column = 4;
  spec.lookups[1].dim = 3;
  spec.unresolved_output = true;
  EXPECT_EQ(shape(spec, {1, 1, 1}), "0.0 7") << "the plain extent is told before the sum";
  EXPECT_EQ(shape(spec, {1, 1, 1}, 1), "0.0");
  EXPECT_THROW(shape(spec, {1, 1, 1}, 2), Error);
  EXPECT_THROW(shape(spec, {2, 1, 1}), Error) << "[a, b, 3] beside [n, 4]";
}

TEST(NodeSpecShape, UnresolvedOfAScalarIsOne) {
  NodeSpec spec = single(Layout::kPlain);
  spec.unresolved_output = true;
  EXPECT_EQ(shape(spec, {0, 1, 1}, 1), "1");
  EXPECT_EQ(shape(spec, {2, 1, 1}, 1), "0.0");
}

TEST(NodeSpecShape, RefusesRanksThatContradict) {
  EXPECT_THROW(shape(single(Layout::kPooled), {0, 1, 1}), Error);
  EXPECT_THROW(shape(single(Layout::kPlain, 0), {0, 1, 1}), Error);
  EXPECT_THROW(shape(single(Layout::kPooled, 0), {1, 1, 1}), Error);
  EXPECT_THROW(shape(single(Layout::kOffsets), {1, 2, 1}), Error);
  EXPECT_THROW(shape(single(Layout::kLengths), {0, 1, 1}), Error);
  EXPECT_THROW(shape(single(Layout::kPlain), {1, 1}), Error);
  NodeSpec weighted = single(Layout::kOffsets);
  weighted.lookups[0].weights_input = 2;
  EXPECT_EQ(shape(weighted, {1, 1, 1}), "1.0 4");
  EXPECT_THROW(shape(weighted, {1, 1, 2}), Error);
  NodeSpec segments = single(Layout::kSegments);
  segments.lookups[0].size_input = 2;
  EXPECT_THROW(shape(segments, {1, 1, 0}), Error);
}

TEST(NodeSpecShape, Version1HasTheIdsShape) {
  const NodeSpec spec = NodeSpec::parse(1, version_1());
  const std::vector<std::int32_t> ranks = {2};
  EXPECT_EQ(text_of(spec.output_shape(0, ranks)), "0.0 0.1 16");
  const std::vector<std::int32_t> scalar = {0};
  EXPECT_THROW(spec.output_shape(0, scalar), Error);
}

}  // namespace
}  // namespace hps
