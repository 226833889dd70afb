#include "daemon/config/listener_keys.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/config/values.h"

namespace lacuna::daemon {

namespace {

using namespace values;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t kMiB = 1ULL << 20;

bool is_not_empty(std::string_view text) { return !text.empty(); }

#define MLLP(member) \
  [](Draft & d, const Captures&) -> auto& { return d.listener.mllp.member; }
#define MLLP_HTTP(member) \
  [](Draft & d, const Captures&) -> auto& { return d.listener.http.member; }

}  // namespace

void add_listener_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  add(text("mllp.address", "an address of this host", is_not_empty,
           "Where `lacuna feed --mllp` listens; 0.0.0.0 for all addresses. Without mllp.tls.client_ca whoever reaches it may send.",
           MLLP(address)));
  add(integer("mllp.port", 0, 65'535, "0: any free one, printed at start.", MLLP(port)));
  add(text("mllp.topic", "a topic's name", is_not_empty,
           "Where messages are written. Absent: to the first entry of topics.events with format: hl7v2.", MLLP(topic)));
  add(text("mllp.tls.certificate", "a PEM file", is_not_empty, "Its certificate, with the chain. Absent: no TLS.", MLLP(tls.certificate)));
  add(text("mllp.tls.key", "a PEM file", is_not_empty, "The certificate's key, without a password.", MLLP(tls.key)));
  add(text("mllp.tls.client_ca", "a PEM file", is_not_empty, "Senders need a certificate that one of these signed. Absent: they need none.",
           MLLP(tls.client_ca)));
  add(integer("mllp.connections_max", 1, 10'000, "Connections at a time; a further one is closed at once.", MLLP(connections_max)));
  add(integer("mllp.in_flight_max", 1, 10'000,
              "Messages of one connection that wait for their answer; then it is not read from until one is answered.",
              MLLP(in_flight_max)));
  add(size(
      "mllp.in_flight_bytes", kMiB, 16'384 * kMiB,
      "Messages of all connections that wait for the log; then none is read from. Beside these each connection may hold a message that "
      "is still coming (limits.message_bytes_max).",
      MLLP(in_flight_bytes)));
  add(duration(
      "mllp.frame_timeout", Millis(100), hours(1),
      "A handshake, a message from its first byte to its last, and an answer until it is sent may take so long; then the connection is "
      "closed.",
      MLLP(frame_timeout)));
  add(duration("mllp.idle_timeout", Millis(100), hours(24 * 30), "A connection without messages is closed after so long.",
               MLLP(idle_timeout)));
  add(integer("mllp.remembered", 0, 10'000'000,
              "Newest messages that are known again when they come a second time, and answered as before without being written. Each takes "
              "about 100 bytes.",
              MLLP(remembered)));
  add(boolean("mllp.http.enabled", "Serve metrics and health of the listener.", MLLP_HTTP(enabled)));
  add(text("mllp.http.address", "an address of this host", is_not_empty, "Where; no patient data is among them.", MLLP_HTTP(address)));
  add(integer("mllp.http.port", 0, 65'535, "0: any free one, printed at start.", MLLP_HTTP(port)));
}
#undef MLLP
#undef MLLP_HTTP

void finish_listener(Draft& draft, const ComplainAt& complain) {
  streaming::mllp::ListenerOptions& mllp = draft.listener.mllp;
  const streaming::mllp::TlsOptions& tls = mllp.tls;
  const auto say = [&](const std::string& path, std::string message) { complain(path, draft.given[path], std::move(message)); };
  if (tls.certificate.empty() && !tls.key.empty()) say("mllp.tls.key", "needs mllp.tls.certificate");
  if (tls.certificate.empty() && !tls.client_ca.empty()) say("mllp.tls.client_ca", "needs mllp.tls.certificate");
  if (!tls.certificate.empty() && tls.key.empty()) say("mllp.tls.certificate", "needs mllp.tls.key");
  if (!mllp.topic.empty()) {
    if (mllp.topic.starts_with('^')) say("mllp.topic", "a pattern is no place to write to: name a topic");
    return;
  }
  const Config::Topics& topics = draft.config.topics;
  const auto takes = [&topics](const std::string& entry) { return !entry.starts_with('^') && !topics.holds_json(entry); };
  const auto found = std::ranges::find_if(topics.events, takes);
  if (found != topics.events.end()) mllp.topic = *found;
}

}  // namespace lacuna::daemon
