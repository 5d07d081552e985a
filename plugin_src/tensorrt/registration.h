// Which registries of this process have our creators. Layer: base <- tensorrt.
#pragma once

#include <span>

#include "tensorrt/foreign.h"

namespace hps::tensorrt {

/// Our creators, "1" and "2"; never destroyed: a registry may ask for them while the process ends.
std::span<nvinfer1::IPluginCreatorInterface* const> creators();

/// Registers them in that library's registry, once; the second time does nothing. A release whose
/// layout is unknown, and a second copy of this library, register nothing and say so. Thread-safe.
void register_in(const Library& library) noexcept;

/// For a registry that is about to register the creators itself (getCreators): takes back what
/// register_in did, so that the registry's own record is the only one. False when this is a second
/// copy of this library.
bool hand_over_to(const Library& library) noexcept;

}  // namespace hps::tensorrt
