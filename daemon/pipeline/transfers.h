#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "streaming/log/event_log.h"

// The topic of what is on its way to the partition where a person is known (docs/identity.md): records that came elsewhere, states of
// merged persons, commands about a person.

namespace lacuna::daemon {

/// A record of topics.transfers. Its key is `person`, and its partition that of the plain id.
struct Transfer {
  enum class Kind : std::uint8_t {
    event,  ///< a record as it came to an input topic, or a command in the form of one
    state,  ///< a piece of state::encode_transfer()
  };
  Kind kind = Kind::event;
  std::string person;            ///< key of whom it is about
  std::vector<std::string> via;  ///< keys of persons that were merged, on its way here
  std::string into;              ///< of a command to merge: key of the person into whom; of other records empty
  streaming::Record original;    ///< of an event: as it came, where it came; of a state the value alone
};

/// For the topic's own hash to place.
streaming::OutputRecord to_record(const Config& config, const Transfer& transfer);
/// What is wrong with it is `invalid`.
Result<Transfer> read_transfer(const streaming::Record& record);

/// The event of a command: who shall be forgotten, or merged into whom.
std::string forget_event(std::string_view person, std::string_view event_id, Time now);
std::string merge_event(std::string_view person, std::string_view into, std::string_view event_id, Time now);

/// The input partition beside each partition of topics.transfers that an instance reads: their positions are committed together.
using Homes = std::map<std::int32_t, streaming::TopicPartition>;

/// Reads the partitions of topics.transfers that this instance is responsible for, outside of the consumer group: where it stands is part
/// of the store and of the changelog. One thread.
class TransferReader {
 public:
  TransferReader(const Config& config, std::unique_ptr<streaming::TopicReader> reader) : config_(config), reader_(std::move(reader)) {}

  /// From that offset on.
  void follow(std::int32_t partition, std::int64_t next) { next_[partition] = next; }
  void leave(std::int32_t partition) { next_.erase(partition); }
  void clear() { next_.clear(); }
  bool follows(std::int32_t partition) const { return next_.contains(partition); }

  /// What there is, without waiting; in order within a partition. `unavailable`: call it again.
  Result<std::vector<streaming::Record>> read(std::size_t limit);
  /// Nothing is left to read. Asks the log, through another reader: this one would begin anew behind what it has fetched.
  Result<bool> at_end(streaming::TopicReader& other) const;
  Result<std::int32_t> partition_count() { return reader_->partition_count(config_.topics.transfers); }

 private:
  const Config& config_;
  const std::unique_ptr<streaming::TopicReader> reader_;
  std::map<std::int32_t, std::int64_t> next_;
  std::int32_t turn_ = 0;  ///< the partition that gave last
};

}  // namespace lacuna::daemon
