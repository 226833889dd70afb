#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace lacuna::daemon {

/// `lacuna evaluate --mask`: learns from the table in `paths` without the cells that the mask names, and prints how far its imputations of
/// these are from what they are, beside plain methods. `plot`: the
/// folder of pictures; empty: none. Returns the exit code.
int evaluate_mask(const Config& config, const std::vector<std::string>& paths, const std::string& mask, int epochs,
                  const std::string& plot);

}  // namespace lacuna::daemon
