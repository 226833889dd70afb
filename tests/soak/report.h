#pragma once

#include <vector>

#include "tests/soak/faults.h"
#include "tests/soak/fleet.h"
#include "tests/soak/observer.h"
#include "tests/soak/verifier.h"

namespace lacuna::soak {

/// The table at the end of a soak, on standard output; `start`: what its times count from.
void print_report(const Verdict& verdict, const std::vector<Injected>& faults, std::vector<Stall> stalls,
                  const std::vector<Fleet::Exit>& exits, const std::vector<std::string>& bad_stops, Moment start);

}  // namespace lacuna::soak
