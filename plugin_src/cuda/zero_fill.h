// Zeroes the outputs of a node. Layer: base <- cuda.
#pragma once

#include <span>

#include "cuda/driver.h"

namespace hps::cuda {

/// Finds out for the current device whether the kernel can be used, and loads it. Loading code is
/// not allowed everywhere in a stream capture: call this before, where the host offers a place.
/// Without this call zero_fill_async works too, by memsets. Never fails. Thread-safe.
void prepare_zero_fill() noexcept;

/// Queues zeros for every byte of every region on `stream`; does not synchronise and may be
/// captured into a graph. Regions are device memory of any alignment and may be empty. Thread-safe.
/// @throws Error naming what the driver or the runtime refused.
void zero_fill_async(std::span<const Region> regions, Stream stream);

}  // namespace hps::cuda
