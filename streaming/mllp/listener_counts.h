#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "streaming/messages/refusal.h"

namespace lacuna::streaming::mllp {

/// The codes of answers, in the order of ListenerCounts::answered.
inline constexpr std::array kAnswerCodes{"AA", "AE", "AR", "CA", "CE", "CR"};
/// Why a connection ended, in the order of ListenerCounts::closed.
enum class Closed : std::uint8_t {
  peer,       ///< it left, or the network did
  idle,       ///< nothing came for mllp.idle_timeout
  deadline,   ///< a handshake, a frame or an answer took longer than mllp.frame_timeout
  handshake,  ///< TLS was not agreed upon
  full,       ///< there were mllp.connections_max already
  stopped,    ///< we did
};
inline constexpr std::array kClosedNames{"peer", "idle", "deadline", "handshake", "full", "stopped"};

/// How long answers took, from the last byte of a message to the answer on its way.
struct AnswerDurations {
  static constexpr std::array<double, 12> kBounds{0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5, 30, 120};
  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  double sum = 0;
  void add(double seconds) {
    std::size_t i = 0;
    while (i < kBounds.size() && seconds > kBounds[i]) ++i;
    counts[i] += 1;
    sum += seconds;
  }
};

/// Since the listener started, but for what says "now". A copy.
struct ListenerCounts {
  std::uint64_t connections = 0;  ///< now
  std::uint64_t accepted = 0;     ///< connections, those that were closed at once too
  std::array<std::uint64_t, kClosedNames.size()> closed{};
  std::uint64_t messages = 0;  ///< frames: written, ignored, duplicate, refused, failed or in flight
  std::uint64_t written = 0;   ///< messages that the log has
  std::uint64_t records = 0;   ///< of these
  std::uint64_t ignored = 0;   ///< of nobody, and in hl7.ignored_messages: accepted and not written
  std::uint64_t duplicates = 0;
  std::uint64_t failed = 0;                            ///< the log did not take them
  std::array<std::uint64_t, kRefusalCount> refused{};  ///< by Refusal: never taken as they are
  std::uint64_t acknowledgements = 0;                  ///< that were sent to us; also in `ignored`
  std::uint64_t reused_control_ids = 0;
  std::array<std::uint64_t, kAnswerCodes.size()> answered{};
  std::uint64_t received_bytes = 0, stray_bytes = 0;
  std::uint64_t in_flight = 0, in_flight_bytes = 0;  ///< now: messages that wait for the log
  double oldest_seconds = 0;                         ///< now: of the message that waits longest
  std::uint64_t paused = 0;                          ///< now: connections that are not read from because of what waits
  AnswerDurations durations;
};

}  // namespace lacuna::streaming::mllp
