#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "streaming/hl7/feed_options.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/messages/refusal.h"

namespace lacuna::streaming::hl7 {

/// For whom a message has to be written to a topic, once each, keyed by that person.
struct Addressees {
  std::vector<std::string> persons;  ///< each once, in the message's order; at most kPersonsMax
  bool ignored = false;              ///< hl7.ignored_messages has its kind
  std::vector<RefusedPart> refused;  ///< without persons: why there are none. It quotes no identifier
};
/// A message about more persons is refused.
inline constexpr std::size_t kPersonsMax = 100;

/// Finds them by the rules of MessageDecoder: of a merge the prior persons (MRG-1), and that of PID-3 too where the merge brings OBX; of
/// any other message all persons of PID-3. One thread; reuses its buffers. The options must outlive it.
class AddresseeReader {
 public:
  AddresseeReader(const FeedOptions& options, const CodecLimits& limits);
  ~AddresseeReader();
  AddresseeReader(AddresseeReader&&) noexcept;
  /// `bytes`: one message; a record of several is refused. `out` is cleared first.
  void read(std::string_view bytes, Addressees& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lacuna::streaming::hl7
