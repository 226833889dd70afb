#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/schema.h"
#include "state/records/status.h"
#include "streaming/hl7/decoded.h"
#include "streaming/hl7/feed_options.h"
#include "streaming/hl7/unmapped_codes.h"
#include "streaming/messages/event_decoder.h"

namespace lacuna::streaming::hl7 {

/// HL7 v2 messages to events, as docs/hospital-feeds.md says. Not thread-safe (reuses its buffers): one per thread. The schema must outlive
/// it; the options are copied.
class MessageDecoder {
 public:
  /// What is wrong with the options: the key below `hl7`, and why.
  struct Problem {
    std::string key, message;
  };
  static std::vector<Problem> check(const Schema& schema, const FeedOptions& options);
  /// `invalid`: the first of them.
  static Result<MessageDecoder> make(const Schema& schema, const FeedOptions& options, const CodecLimits& limits);

  ~MessageDecoder();
  MessageDecoder(MessageDecoder&&) noexcept;

  /// A record: one message or several, in batches or not. What cannot be taken is in `out.refused`; where `out.events` stays empty as well,
  /// the record held nothing that is asked for. `out` is cleared first.
  void decode(std::string_view bytes, const Addressee& addressee, Time now, Decoded& out);

  /// Since the decoder was made.
  const UnmappedCodes& unmapped() const;

 private:
  struct Impl;
  explicit MessageDecoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lacuna::streaming::hl7
