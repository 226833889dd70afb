#pragma once

#include <functional>
#include <string>

#include "daemon/config/keys.h"

namespace lacuna::daemon {

/// What no single key can tell: the schema as a whole, keys that must fit each other. Fills config.schema, config.mapping
/// and the values that follow from others. `complain` gets the dotted path as well.
using ComplainAt = std::function<void(const std::string& path, Place place, std::string message)>;
void finish_draft(Draft& draft, const ComplainAt& complain);
/// The input part alone, against a schema.
void finish_mapping(Draft& draft, const Schema& schema, const ComplainAt& complain);

}  // namespace lacuna::daemon
