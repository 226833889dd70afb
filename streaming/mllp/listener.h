#pragma once

#include <memory>
#include <string>

#include "state/records/status.h"
#include "streaming/hl7/feed_options.h"
#include "streaming/log/event_log.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/mllp/listener_counts.h"
#include "streaming/mllp/listener_options.h"

namespace lacuna::streaming::mllp {

/// Takes HL7 v2 messages over MLLP, writes each as it came to a topic, and answers it once the log has it: docs/hospital-feeds.md. Threads
/// of its own: lacuna-mllp (sockets), lacuna-append (the log). Any thread may call.
class Listener {
 public:
  /// The topic is there. The log must outlive it. `invalid`: a certificate that cannot be used; `unavailable`: the port is taken, or the
  /// log out of reach.
  static Result<std::unique_ptr<Listener>> start(const ListenerOptions& options, const hl7::FeedOptions& feed, const CodecLimits& limits,
                                                 LogFactory& log, Clock clock);
  virtual ~Listener() = default;  ///< as stop() and wait()

  virtual int port() const = 0;
  virtual ListenerCounts counts() const = 0;
  /// `unavailable` while the log does not take messages.
  virtual Status status() const = 0;
  /// No connection and no message more. What came is answered, then the connections are closed.
  virtual void stop() = 0;
  /// Whether that is done.
  virtual bool stopped() const = 0;
};

}  // namespace lacuna::streaming::mllp
