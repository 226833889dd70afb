#include "daemon/commands/feed_listener.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "daemon/commands/logging.h"
#include "daemon/commands/service_manager.h"
#include "daemon/commands/session.h"
#include "daemon/commands/stop_limit.h"
#include "daemon/http/listener_server.h"
#include "streaming/mllp/listener.h"

namespace lacuna::daemon {

namespace {

using streaming::mllp::ListenerCounts;

constexpr Millis kTurn{100};           ///< of the loop that looks after a stop and the service manager
constexpr Millis kLogPauseMax{5'000};  ///< between two tries to reach the log at the start

/// The topic is there, or is made.
Status find_topic(const Config& config, const std::string& topic, streaming::LogFactory& log) {
  if (config.log.create_topics) {
    return log.ensure_topics(
        {{topic, config.log.partitions, {{"cleanup.policy", "delete"}, {"replication.factor", std::to_string(config.log.replication)}}}});
  }
  const auto reader = log.reader();
  if (!reader.ok()) return reader.status();
  const Status found = (*reader)->partition_count(topic).status();
  if (found.code() != Code::not_found) return found;
  return {Code::invalid, "there is no topic " + topic + ", and log.create_topics is off: make it, or set log.create_topics to true"};
}

/// Waits for a log that is out of reach: senders keep what nobody listens for. Ok: the topic is there, or a stop was asked for.
Status wait_for_topic(const Config& config, const std::string& topic, streaming::LogFactory& log, const Signals& signals,
                      ServiceManager& manager) {
  for (Millis pause{200}; !signals.stopped(); pause = std::min(2 * pause, kLogPauseMax)) {
    Status status = find_topic(config, topic, log);
    if (status.code() != Code::unavailable) return status;
    spdlog::warn("waiting for the log, and not listening yet: {}", status.message());
    for (Millis waited{0}; waited < pause && !signals.stopped(); waited += kTurn) {
      manager.alive(status);
      std::this_thread::sleep_for(kTurn);
    }
  }
  return {};
}

/// The embedded log has one writing process.
int explain_log(const Config& config, const Status& status) {
  const int code = explain(status);
  if (config.log.kind == LogKind::embedded && status.code() == Code::unavailable) {
    std::fprintf(
        stderr,
        "The embedded log is written by one process at a time: beside `lacuna run` messages come over Kafka (log.kind: kafka). Without "
        "it, listen first and run then.\n");
  }
  return code;
}

void tell_counts(const ListenerCounts& c) {
  std::uint64_t refused = 0;
  for (const std::uint64_t count : c.refused) refused += count;
  spdlog::info("stopped: {} messages = written {} + duplicate {} + ignored {} + refused {} + failed {}; {} records; {} connections",
               c.messages, c.written, c.duplicates, c.ignored, refused, c.failed, c.records, c.accepted);
}

int serve(const Config& config, const ListenerConfig& listener, streaming::LogFactory& log, Signals& signals, ServiceManager& manager) {
  auto started = streaming::mllp::Listener::start(listener.mllp, config.hl7, config.limits, log, system_clock());
  if (!started.ok()) return explain_log(config, started.status());
  const std::unique_ptr<streaming::mllp::Listener> mllp = std::move(*started);
  std::unique_ptr<ListenerServer> http;
  if (listener.http.enabled) {
    auto served = ListenerServer::start(listener.http, *mllp);
    if (!served.ok()) return explain(served.status());
    http = std::move(*served);
    spdlog::info("http://{}:{}/metrics", listener.http.address, http->port());
  }
  spdlog::info("listening on {}:{}{} for HL7 v2 messages, which go to topic {}", listener.mllp.address, mllp->port(),
               listener.mllp.tls.certificate.empty() ? ""
               : listener.mllp.tls.client_ca.empty() ? " (TLS)"
                                                     : " (TLS with client certificates)",
               listener.mllp.topic);
  StopLimit limit(config.shutdown_timeout, "senders send again what was not answered");
  bool stopping = false;
  while (!mllp->stopped()) {
    if (signals.stopped() && !std::exchange(stopping, true)) {
      limit.start();
      manager.stopping();
      mllp->stop();
    }
    manager.alive(mllp->status());
    std::this_thread::sleep_for(stopping ? kTurn / 10 : kTurn);
  }
  tell_counts(mllp->counts());
  return kExitOk;
}

}  // namespace

int listen_for_messages(Config config, const ListenerConfig& listener) {
  if (listener.mllp.topic.empty()) {
    std::fprintf(stderr, "lacuna feed: no topic to write to: give an entry of topics.events format: hl7v2, or set mllp.topic\n");
    return kExitConfiguration;
  }
  if (!set_up_logging(config)) return kExitConfiguration;
  // What is taken is held until the log has it: a record that is given up would come behind later ones of its patient.
  auto& properties = config.log.kafka.properties;
  if (!properties.contains("delivery.timeout.ms")) properties.try_emplace("message.timeout.ms", "0");
  Signals signals;
  ServiceManager manager;
  auto log = open_event_log(config, false);
  if (!log.ok()) return explain_log(config, log.status());
  const Status found = wait_for_topic(config, listener.mllp.topic, **log, signals, manager);
  if (!found.ok()) return explain_log(config, found);
  return signals.stopped() ? kExitOk : serve(config, listener, **log, signals, manager);
}

}  // namespace lacuna::daemon
