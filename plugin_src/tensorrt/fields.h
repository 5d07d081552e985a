// Plugin fields <-> attributes of a node. Layer: lookup <- tensorrt.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lookup/node_spec.h"
#include "tensorrt/abi.h"

namespace hps::tensorrt {

/// Reads what a parser, a serialized engine or a program gave. Every way a string is known to
/// arrive is read: with and without a trailing '\0', and for version 1 as a field of length 1 with
/// a whole C string behind it (HPS users build it so in Python). Integers: 32- and 64-bit lists.
/// @throws Error(kInvalidArgument) naming the field.
Attributes read_fields(int version, const nvinfer1::PluginFieldCollection* fields);

/// Fields that own what they point to: what an engine stores of a plugin. Immutable.
class Fields {
 public:
  explicit Fields(const Attributes& attributes);
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  const nvinfer1::PluginFieldCollection* collection() const noexcept { return &collection_; }

 private:
  struct Value;
  std::vector<std::unique_ptr<Value>> values_;
  std::vector<nvinfer1::PluginField> fields_;
  nvinfer1::PluginFieldCollection collection_;

 public:
  ~Fields();
};

/// The names that getFieldNames lists for a version; owned for the life of the process.
const nvinfer1::PluginFieldCollection* field_names(int version);

}  // namespace hps::tensorrt
