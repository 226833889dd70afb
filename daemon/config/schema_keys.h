#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/keys.h"

namespace lacuna::daemon {

/// The keys under "schema" and "input", whose sections bear names that the author chooses.
void add_schema_keys(std::vector<Key>& keys);
void add_input_keys(std::vector<Key>& keys);
/// What to make in the draft when such a section begins, also when nothing stands in it.
std::vector<std::pair<std::string, std::function<void(Draft&, const Captures&)>>> named_sections();

}  // namespace lacuna::daemon
