// Runs benchmarks beside their peers and says how they compare, and under which conditions.
#pragma once

namespace hps::benchmarks {

/// Runs what is registered. Names are SHAPE/WHO; afterwards every WHO is given as a multiple of the
/// rows per second of SHAPE/plain. Machines have no fixed speed: only these ratios say anything.
/// @return the exit status for main.
int run_and_compare(int argc, char** argv);

}  // namespace hps::benchmarks
