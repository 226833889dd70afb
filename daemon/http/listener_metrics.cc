#include "daemon/http/listener_metrics.h"

#include "daemon/http/exposition.h"
#include "streaming/messages/refusal.h"

namespace lacuna::daemon {

std::string listener_prometheus_text(const streaming::mllp::ListenerCounts& c, const Status& log) {
  using streaming::mllp::AnswerDurations;
  Exposition out;
  out.gauge("mllp_connections", "Connections of senders").add(c.connections);
  out.counter("mllp_connections_total", "Connections that were accepted by the system").add(c.accepted);
  out.counter("mllp_closed_connections_total", "Connections that ended, by why");
  for (std::size_t i = 0; i < c.closed.size(); ++i) out.add(c.closed[i], {{"reason", streaming::mllp::kClosedNames[i]}});
  out.counter("mllp_messages_total", "Messages received").add(c.messages);
  out.counter("mllp_outcomes_total", "Messages by what became of them")
      .add(c.written, {{"outcome", "written"}})
      .add(c.duplicates, {{"outcome", "duplicate"}})
      .add(c.ignored, {{"outcome", "ignored"}})
      .add(c.failed, {{"outcome", "failed"}});
  std::uint64_t refused = 0;
  for (const std::uint64_t count : c.refused) refused += count;
  out.add(refused, {{"outcome", "refused"}});
  out.counter("mllp_refused_total", "Refused messages by reason");
  for (std::size_t i = 0; i < c.refused.size(); ++i) {
    out.add(c.refused[i], {{"reason", std::string(to_string(static_cast<streaming::Refusal>(i)))}});
  }
  out.counter("mllp_answers_total", "Answers by their code in MSA-1");
  for (std::size_t i = 0; i < c.answered.size(); ++i) out.add(c.answered[i], {{"code", streaming::mllp::kAnswerCodes[i]}});
  out.counter("mllp_acknowledgements_total", "Acknowledgements that were sent to us").add(c.acknowledgements);
  out.counter("mllp_reused_control_ids_total", "Messages under a control id that their sender had used for another one")
      .add(c.reused_control_ids);
  out.counter("mllp_records_total", "Records written to the log").add(c.records);
  out.counter("mllp_received_bytes_total", "Bytes from senders, after TLS").add(c.received_bytes);
  out.counter("mllp_stray_bytes_total", "Bytes outside of frames, line ends left out").add(c.stray_bytes);
  out.durations("mllp_answer_seconds", "From the last byte of a message to its answer", AnswerDurations::kBounds, c.durations.counts,
                c.durations.sum);
  out.gauge("mllp_waiting_messages", "Messages that wait for the log").add(c.in_flight);
  out.gauge("mllp_waiting_bytes", "Their bytes; at mllp.in_flight_bytes nothing is read").add(c.in_flight_bytes);
  out.gauge("mllp_waiting_seconds_max", "How long the one that waits longest has waited").add(c.oldest_seconds);
  out.gauge("mllp_paused_connections", "Connections that are not read from because of what waits").add(c.paused);
  out.gauge("mllp_log_available", "1 while the log takes messages").add(log.ok() ? 1 : 0);
  return out.text();
}

}  // namespace lacuna::daemon
