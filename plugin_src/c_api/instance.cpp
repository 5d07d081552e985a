// The marker of base/instance.h, and the claim that uses it.
#include "base/instance.h"

// An object, not a function: another copy reads it without running any code of this one, which may
// still be in the middle of being loaded. Protected: the name must mean our own here, whichever
// copy was loaded first.
extern "C" {
extern hps::InstanceMarker hps_instance_claimed;
__attribute__((visibility("protected"))) constinit hps::InstanceMarker hps_instance_claimed{0};
}

namespace hps {

bool claim_process(std::string* other) {
  return claim_process("hps_instance_claimed", hps_instance_claimed, other);
}

}  // namespace hps
