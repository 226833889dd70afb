#pragma once

#include <string>

#include "daemon/simulator/ward.h"
#include "state/records/status.h"

// Faults of a simulated ward as they are written on a command line. Times count from the simulation's start.

namespace lacuna::daemon {

/// "blood_gas:36h:48h". `invalid` names what is wrong and what there is.
Result<WardOptions::Outage> parse_outage(const std::string& text);
/// "vitals.temp:+1.2:60h:96h".
Result<WardOptions::Shift> parse_shift(const std::string& text);

}  // namespace lacuna::daemon
