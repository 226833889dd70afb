#pragma once

#include <string>
#include <vector>

#include "state/records/status.h"
#include "streaming/mllp/listener_options.h"

namespace lacuna::daemon {

/// The section `mllp`, which `lacuna feed --mllp` alone reads.
struct ListenerConfig {
  streaming::mllp::ListenerOptions mllp;  ///< the topic is empty where none is told, and none of topics.events is hl7v2
  struct Http {
    bool enabled = true;
    std::string address = "127.0.0.1";
    int port = 9465;  ///< 0: any free one, printed at start
  } http;
};

/// Of a configuration that load_config() takes; `invalid`: the first of its problems.
Result<ListenerConfig> load_listener(const std::string& path, const std::vector<std::string>& overrides = {});
Result<ListenerConfig> parse_listener(const std::string& text, const std::string& name, const std::vector<std::string>& overrides = {});

}  // namespace lacuna::daemon
