#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/operator_commands.h"
#include "model/drift/monitor.h"
#include "state/records/schema_mapping.h"
#include "streaming/log/event_log.h"

// The topic of what operators decide, for every instance (docs/messages.md).

namespace lacuna::daemon {

/// A record of topics.control. Its key is `id`.
struct Decision {
  std::string id;
  OperatorCommand command;  ///< about a subject, with who and why
  Time time{};              ///< when it was made
  Time clinical{};          ///< how far the instance that was asked had come; what begins later is not meant
  Time until{};             ///< mute: clinical time
};

streaming::OutputRecord to_record(const Config& config, const Decision& decision);
/// `invalid`: what is wrong with it. `unsupported`: of a later version, or a command that this one does not know.
Result<Decision> read_decision(const streaming::Record& record);

/// Why it cannot be made about what is watched here: not_found, invalid.
Status check(const Decision& decision, const drift::Monitor& monitor);
/// Does it, where it is about something here. `now`: clinical time. False where it changes nothing.
bool carry_out(const Decision& decision, drift::Monitor& monitor, Time now);
/// "accepted by anna: the analyser was replaced".
std::string told(const Decision& decision);

/// What was decided, as far as topics.control was read: kept with the state that it changed. Not thread-safe.
class Decisions {
 public:
  static constexpr std::size_t kMax = 1000;  ///< subjects; the oldest are dropped

  std::int64_t next() const { return next_; }
  void read_up_to(std::int64_t next) { next_ = next; }
  /// Of each subject the last one stands.
  void note(Decision decision);
  std::vector<Decision> standing() const;

  std::string save() const;
  Status load(std::string_view bytes, const SchemaMapping* grown = nullptr);

 private:
  std::int64_t next_ = 0;
  std::map<std::pair<std::string, std::string>, Decision> by_subject_;
};

/// Reads topics.control outside of the consumer group. One thread.
class ControlReader {
 public:
  ControlReader(const Config& config, std::unique_ptr<streaming::TopicReader> reader) : config_(config), reader_(std::move(reader)) {}

  /// Where to read on from: what is older than the topic goes back, or is newer than it, cannot be read.
  Result<std::int64_t> begin(std::int64_t next);
  /// What there is, without waiting. `unavailable`: call it again.
  Result<std::vector<streaming::Record>> read(std::int64_t next);

 private:
  const Config& config_;
  const std::unique_ptr<streaming::TopicReader> reader_;
};

}  // namespace lacuna::daemon
