// What a HPS_TRT node says, checked: the one reading of its attributes that every host shares.
// The specification is plugin_src/OPERATOR.md; surgery/op.py writes it;
// tests/test_operator_contract.py holds the three together. Layer: base <- lookup. Knows no host.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/data_type.h"

namespace hps {

/// Attributes as a host hands them over. Strings may carry one trailing '\0'; integers arrive as
/// 32- or 64-bit lists, a single integer as a list of one.
using AttributeValue = std::variant<std::string, std::vector<std::int64_t>>;
using Attributes = std::map<std::string, AttributeValue, std::less<>>;

enum class Layout : std::int32_t {
  kPlain = 0,        ///< ids [...]            -> [..., D]
  kPooled = 1,       ///< ids [..., H]         -> [..., D], a bag is the last axis
  kOffsets = 2,      ///< ids [L], offsets [B] -> [B, D], the last bag ends at L
  kOffsetsLast = 3,  ///< ids [L], offsets [B+1] -> [B, D]
  kLengths = 4,      ///< ids [L], lengths [B] -> [B, D]
  kSegments = 5,     ///< ids [L], segment ids [L] -> [S, D], S from size_input or size
};
enum class Combiner : std::int32_t { kNone = 0, kSum = 1, kMean = 2, kSqrtN = 3 };
enum class Divisor : std::int32_t { kWeights = 0, kKept = 1, kAll = 2 };
enum class IndexMode : std::int32_t { kKey = 0, kOnnx = 1 };

struct LookupSpec {
  std::string table;           ///< version "2"
  std::int32_t table_id = -1;  ///< version "1": position in the model's list of tables
  std::uint32_t dim = 0;
  std::int32_t ids_input = 0;
  std::int32_t ids_column = -1;  ///< >= 0: that column of the last axis of a packed ids tensor
  Layout layout = Layout::kPlain;
  std::int32_t layout_input = -1;
  std::int32_t weights_input = -1;
  std::int32_t size_input = -1;
  std::int32_t size = -1;
  Combiner combiner = Combiner::kNone;
  Divisor divisor = Divisor::kWeights;
  std::optional<std::int64_t> ignored_id;
  IndexMode index_mode = IndexMode::kKey;
  std::int32_t output = 0;
  std::int32_t output_column = 0;
};

/// One extent of an output: a constant, or an input's extent plus `addend` (0, or -1 for
/// kOffsetsLast). TensorRT evaluates it on symbols, ONNX Runtime on numbers.
struct DimSource {
  std::int32_t input = -1;  ///< < 0: constant
  std::int32_t axis = 0;
  std::int64_t addend = 0;
  std::int64_t constant = 0;
};

struct NodeSpec {
  int version = 2;  ///< 1 or 2
  std::string model;
  std::string config_file;
  std::string bundle_id;               ///< "" : match by model name
  std::vector<DataType> input_types;   ///< empty for version 1: kInt32 or kInt64
  std::vector<DataType> output_types;  ///< of the embedding outputs; version 1: {kFloat32}
  bool unresolved_output = false;      ///< one more output, int32 [B]
  std::vector<LookupSpec> lookups;

  std::size_t inputs() const noexcept { return version == 1 ? 1 : input_types.size(); }
  std::size_t outputs() const noexcept { return output_types.size() + (unresolved_output ? 1 : 0); }

  /// Every rule of OPERATOR.md that needs no tensor. @throws Error(kInvalidArgument) that names the
  /// attribute, the position and the value; Error(kUnsupported) for what a later version may know.
  static NodeSpec parse(int version, const Attributes& attributes);

  /// Inverse of parse.
  Attributes to_attributes() const;

  /// Extents of output `output`, given the rank of every input.
  /// @throws Error(kInvalidArgument) when ranks contradict the layout.
  std::vector<DimSource> output_shape(std::size_t output,
                                      std::span<const std::int32_t> input_ranks) const;
};

/// Names of the attributes of a version, in the order of OPERATOR.md; `is_string` tells the two
/// kinds apart. For TensorRT's getFieldNames and ONNX Runtime's reading of attributes.
struct AttributeName {
  const char* name;
  bool is_string;
  bool required;
};
std::span<const AttributeName> attribute_names(int version);

}  // namespace hps
