#include "lookup/node_spec.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "lookup/attribute_reader.h"
#include "lookup/node_rules.h"

namespace hps {
namespace {

constexpr AttributeName kVersion1[] = {
    {"ps_config_file", true, true},
    {"model_name", true, true},
    {"table_id", false, true},
    {"emb_vec_size", false, true},
};

constexpr AttributeName kVersion2[] = {
    {"config_file", true, true},
    {"bundle_id", true, true},
    {"model_name", true, true},
    {"tables", true, true},
    {"input_types", false, true},
    {"output_types", false, true},
    {"dims", false, true},
    {"ids_inputs", false, true},
    {"ids_columns", false, true},
    {"layouts", false, true},
    {"layout_inputs", false, true},
    {"size_inputs", false, true},
    {"sizes", false, true},
    {"weights_inputs", false, true},
    {"combiners", false, true},
    {"divisors", false, true},
    {"has_ignored_ids", false, true},
    {"ignored_ids", false, true},
    {"index_modes", false, true},
    {"outputs", false, true},
    {"output_columns", false, true},
    {"unresolved_output", false, false},
};

/// An integer list with one entry per lookup: its range and the field it fills.
struct PerLookup {
  const char* name;
  std::int64_t low;
  std::int64_t high;
  bool may_grow;  ///< a value above `high` may mean something to a later version
  void (*set)(LookupSpec&, std::int32_t);
  std::int32_t (*get)(const LookupSpec&);
};

#define HPS_INT_FIELD(field)                                  \
  [](LookupSpec& l, std::int32_t value) { l.field = value; }, \
      [](const LookupSpec& l) -> std::int32_t { return l.field; }
#define HPS_ENUM_FIELD(field, Enum)                                              \
  [](LookupSpec& l, std::int32_t value) { l.field = static_cast<Enum>(value); }, \
      [](const LookupSpec& l) { return static_cast<std::int32_t>(l.field); }

constexpr PerLookup kPerLookup[] = {
    {"dims", 1, kMaxDim, false,
     [](LookupSpec& l, std::int32_t value) { l.dim = static_cast<std::uint32_t>(value); },
     [](const LookupSpec& l) { return static_cast<std::int32_t>(l.dim); }},
    {"ids_inputs", 0, kMaxInputs - 1, false, HPS_INT_FIELD(ids_input)},
    {"ids_columns", -1, kMaxInt32, false, HPS_INT_FIELD(ids_column)},
    {"layouts", 0, 5, true, HPS_ENUM_FIELD(layout, Layout)},
    {"layout_inputs", -1, kMaxInputs - 1, false, HPS_INT_FIELD(layout_input)},
    {"size_inputs", -1, kMaxInputs - 1, false, HPS_INT_FIELD(size_input)},
    {"sizes", -1, kMaxInt32, false, HPS_INT_FIELD(size)},
    {"weights_inputs", -1, kMaxInputs - 1, false, HPS_INT_FIELD(weights_input)},
    {"combiners", 0, 3, true, HPS_ENUM_FIELD(combiner, Combiner)},
    {"divisors", 0, 2, true, HPS_ENUM_FIELD(divisor, Divisor)},
    {"has_ignored_ids", 0, 1, false,
     [](LookupSpec& l, std::int32_t value) {
       if (value != 0) l.ignored_id = 0;
     },
     [](const LookupSpec& l) -> std::int32_t { return l.ignored_id.has_value() ? 1 : 0; }},
    {"index_modes", 0, 1, true, HPS_ENUM_FIELD(index_mode, IndexMode)},
    {"outputs", 0, kMaxLookups - 1, false, HPS_INT_FIELD(output)},
    {"output_columns", 0, kMaxInt32, false, HPS_INT_FIELD(output_column)},
};
#undef HPS_INT_FIELD
#undef HPS_ENUM_FIELD

NodeSpec parse_version_1(const AttributeReader& reader) {
  NodeSpec spec;
  spec.version = 1;
  spec.config_file = reader.text("ps_config_file");
  spec.model = reader.text("model_name");
  if (spec.model.empty()) invalid("attribute 'model_name' is empty; it must name a model");
  spec.output_types = {DataType::kFloat32};
  LookupSpec lookup;
  lookup.table_id = reader.integer("table_id", 0, kMaxInt32);
  lookup.dim = static_cast<std::uint32_t>(reader.integer("emb_vec_size", 1, kMaxDim));
  spec.lookups.push_back(lookup);
  return spec;
}

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end == std::string::npos ? end : end - begin));
    if (end == std::string::npos) return lines;
    begin = end + 1;
  }
}

void read_lookups(const AttributeReader& reader, NodeSpec& spec) {
  const std::vector<std::string> tables = split_lines(reader.text("tables"));
  if (tables.size() > static_cast<std::size_t>(kMaxLookups)) {
    invalid("attribute 'tables' names ", tables.size(), " lookups; one node may have ",
            kMaxLookups);
  }
  spec.lookups.resize(tables.size());
  for (std::size_t i = 0; i < tables.size(); ++i) spec.lookups[i].table = tables[i];
  for (const PerLookup& list : kPerLookup) {
    const auto values =
        reader.per_lookup(list.name, tables.size(), list.low, list.high, list.may_grow);
    for (std::size_t i = 0; i < values.size(); ++i) list.set(spec.lookups[i], values[i]);
  }
  const auto ignored = reader.per_lookup("ignored_ids", tables.size(), kMinInt32, kMaxInt32, false);
  for (std::size_t i = 0; i < ignored.size(); ++i) {
    if (spec.lookups[i].ignored_id.has_value()) {
      spec.lookups[i].ignored_id = ignored[i];
    } else if (ignored[i] != 0) {
      invalid("attribute 'ignored_ids'[", i, "] is ", ignored[i], " but 'has_ignored_ids'[", i,
              "] is 0; one of them must change");
    }
  }
}

NodeSpec parse_version_2(const AttributeReader& reader) {
  NodeSpec spec;
  spec.version = 2;
  spec.config_file = reader.text("config_file");
  spec.bundle_id = reader.text("bundle_id");
  spec.model = reader.text("model_name");
  spec.input_types = reader.types("input_types", kMaxInputs, true);
  spec.output_types = reader.types("output_types", kMaxLookups, false);
  if (reader.has("unresolved_output")) {
    spec.unresolved_output = reader.integer("unresolved_output", 0, 1) != 0;
  }
  read_lookups(reader, spec);
  check_rules(spec);
  if (spec.bundle_id == "-") spec.bundle_id.clear();
  return spec;
}

}  // namespace

std::span<const AttributeName> attribute_names(int version) {
  if (version == 1) return kVersion1;
  if (version == 2) return kVersion2;
  fail(ErrorCode::kUnsupported, "HPS_TRT node: version \"", version,
       "\" is not known; this build knows \"1\" and \"2\"");
}

NodeSpec NodeSpec::parse(int version, const Attributes& attributes) {
  const AttributeReader reader(attributes);
  reader.check_names(version);
  return version == 1 ? parse_version_1(reader) : parse_version_2(reader);
}

Attributes NodeSpec::to_attributes() const {
  using Ints = std::vector<std::int64_t>;
  Attributes result;
  if (version == 1) {
    result["ps_config_file"] = config_file;
    result["model_name"] = model;
    result["table_id"] = Ints{lookups.at(0).table_id};
    result["emb_vec_size"] = Ints{lookups.at(0).dim};
    return result;
  }
  result["config_file"] = config_file;
  result["bundle_id"] = bundle_id.empty() ? "-" : bundle_id;
  result["model_name"] = model;
  std::string tables;
  Ints ignored;
  for (const LookupSpec& lookup : lookups) {
    if (!ignored.empty()) tables += '\n';
    tables += lookup.table;
    ignored.push_back(lookup.ignored_id.value_or(0));
  }
  result["tables"] = tables;
  result["ignored_ids"] = ignored;
  const auto type_list = [](const std::vector<DataType>& types) {
    Ints values;
    for (const DataType type : types) values.push_back(static_cast<std::int64_t>(type));
    return values;
  };
  result["input_types"] = type_list(input_types);
  result["output_types"] = type_list(output_types);
  for (const PerLookup& list : kPerLookup) {
    Ints values;
    for (const LookupSpec& lookup : lookups) values.push_back(list.get(lookup));
    result[list.name] = values;
  }
  result["unresolved_output"] = Ints{unresolved_output ? 1 : 0};
  return result;
}

}  // namespace hps
