#include "store/store.h"

namespace hps {

std::size_t RowShape::row_bytes() const {
  const std::size_t elements = dim * element_size(type);
  return type == DataType::kInt8 ? elements + sizeof(float) : elements;
}

}  // namespace hps
