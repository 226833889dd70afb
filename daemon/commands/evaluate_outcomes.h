#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/evaluation/protocols.h"

namespace lacuna::daemon {

/// `lacuna evaluate --outcomes`: what became of the stays, from a file of its own that `mapping` says how to read. Each patient's goes to
/// the end of the stay of that patient. `invalid` where the file holds anything but attributes that are declared as outcomes.
Status add_outcomes(const Config& config, const std::string& path, const streaming::FileMapping& mapping, std::vector<Stay>& stays);

}  // namespace lacuna::daemon
