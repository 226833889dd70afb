#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "daemon/config/config.h"
#include "state/records/status.h"
#include "streaming/log/event_log.h"

// What `lacuna tail` does, apart from its options: any topic of a log as lines.

namespace lacuna::daemon {

struct TailOptions {
  std::string topic;
  enum class From : std::uint8_t { newest, beginning, end, offset } from = From::newest;
  std::int64_t offset = 0;                ///< From::offset: of every partition
  std::optional<std::uint64_t> count;     ///< records; newest: how many (default 10); else stop after so many
  std::optional<std::int32_t> partition;  ///< absent: all
  std::optional<std::string> key;         ///< only records with this key
  bool follow = false;
  enum class Format : std::uint8_t {
    pretty,  ///< for people
    json,    ///< the value
    record,  ///< all of it, as JSON
  } format = Format::pretty;
};

inline constexpr std::uint64_t kTailCount = 10;

/// Writes records until the end as it was at the start, or until `stopped` with options.follow. Records of
/// one partition come in order; From::newest sorts by time over partitions, the others interleave them. Ok
/// also when `out` was closed by its reader. not_found: no such topic or partition.
Status tail(const Config& config, const TailOptions& options, streaming::TopicReader& reader, const std::function<bool()>& stopped,
            std::ostream& out);

}  // namespace lacuna::daemon
