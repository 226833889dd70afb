#pragma once

#include <vector>

#include "daemon/config/finish.h"
#include "daemon/config/keys.h"

namespace lacuna::daemon {

/// The keys under "mllp": what `lacuna feed --mllp` listens on, and where it writes (docs/hospital-feeds.md).
void add_listener_keys(std::vector<Key>& keys);

/// The topic, where none is given, and what belongs together.
void finish_listener(Draft& draft, const ComplainAt& complain);

}  // namespace lacuna::daemon
