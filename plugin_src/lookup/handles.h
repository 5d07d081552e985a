// What is open through the C API, for resolve_deployment. Layer: lookup; for this folder.
#pragma once

#include <memory>
#include <vector>

#include "lookup/service.h"

namespace hps {

/// The deployments of all handles, newest first.
std::vector<std::shared_ptr<Deployment>> deployments_of_handles();

}  // namespace hps
