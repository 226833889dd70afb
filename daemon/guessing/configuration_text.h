#pragma once

#include <string>

#include "daemon/guessing/plan.h"

namespace lacuna::daemon {

/// The plan as a configuration file with comments. `source`: what was read, for the first line; `data_dir`: for the key of that name.
std::string configuration_text(const Plan& plan, const std::string& source, const std::string& data_dir);

/// A scalar of YAML: as it is where that can mean nothing else, also inside of [] and {}; else in double quotes.
std::string yaml_scalar(const std::string& text);

}  // namespace lacuna::daemon
