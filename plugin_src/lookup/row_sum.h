// The arithmetic of bags: fp32, element by element, a product rounded before it is added (no fused
// multiply-add), so that every processor and every host gives the same bits. Internal to lookup.
#pragma once

#include <cstddef>

namespace hps {

/// sum[i] += row[i]
void add_row(float* sum, const float* row, std::size_t dim) noexcept;

/// sum[i] += weight * row[i]
void add_scaled_row(float* sum, const float* row, float weight, std::size_t dim) noexcept;

/// sum[i] /= divisor
void divide_row(float* sum, float divisor, std::size_t dim) noexcept;

}  // namespace hps
