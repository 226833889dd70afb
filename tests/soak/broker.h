#pragma once

#include <string>
#include <utility>

namespace lacuna::soak {

/// The one real Apache Kafka of a soak, by way of tests/support/kafka.sh. One thread at a time.
class Broker {
 public:
  /// `folder` holds its data, log and process id.
  Broker(std::string script, std::string folder) : script_(std::move(script)), folder_(std::move(folder)) {}
  /// Ends it, paused or not.
  ~Broker();

  /// kafka.sh's exit status: 0 when it serves, 77 when it cannot be had. `fresh`: on any free port and
  /// without data; else where it was, with what it had.
  int start(bool fresh);
  void kill();
  void pause();
  void resume();
  std::string bootstrap() const;

 private:
  void signal(int number) const;

  const std::string script_;
  const std::string folder_;
};

}  // namespace lacuna::soak
