#pragma once

#include <optional>
#include <string>

// The broker of the integration tests.
//   LACUNA_TEST_KAFKA      host:port of a broker that is there already; or
//   LACUNA_TEST_KAFKA_DIR  the folder of one that tests/support/kafka.sh started (as CTest does): it can be restarted

namespace lacuna::integration {

struct Broker {
  std::string bootstrap;
  std::string folder;  ///< empty: not ours to restart
};

/// Empty where there is none: skip the test.
std::optional<Broker> broker();

/// Where the broker asks for a login; empty where it is not ours.
std::string login_bootstrap(const Broker& broker);

/// Runs kafka.sh for the broker's folder; true when it succeeded. `arguments` of "acl" are kafka-acls', of "configs" kafka-configs'.
bool control(const Broker& broker, const std::string& command, const std::string& arguments = "");

/// A name that no other test and no earlier run has used.
std::string unique_name(const std::string& base);

/// Runs a shell command and gives what it printed; empty when it failed.
std::optional<std::string> run(const std::string& command, const std::string& input = "");

}  // namespace lacuna::integration
