// Two copies of this library in one process (a wheel's and Triton's, say) would each register the
// same operators. The first to ask is the process's one; the other must register nothing. Layer:
// base.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace hps {

/// 0, or 1 in the copy that claimed its process. Each copy exports its own under one name.
using InstanceMarker = std::atomic<std::uint32_t>;

/// True when this copy is, or now becomes, the process's one. False when another loaded object
/// exports a data symbol `marker_name` that is not 0: `*other` is then that object's file name.
/// Claims of several threads and copies are one after the other. May be called from a constructor.
bool claim_process(const char* marker_name, InstanceMarker& marker, std::string* other);

/// The same with the library's own marker, `hps_instance_claimed`. Defined in c_api/instance.cpp
/// beside it: a shared library exports nothing of the static libraries it is linked from.
bool claim_process(std::string* other);

}  // namespace hps
