#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/pipeline/turn.h"

// What a turn does for operators.

namespace lacuna::daemon {

/// Does what operators ask, between two batches.
Status Turn::run_operator_commands() {
  LACUNA_RETURN_IF_ERROR(finish_in_flight());
  StreamState& stream = context_.stream;
  while (const auto asked = context_.commands.next()) {
    if (asked->command.about_person()) {
      const Status sent = send_person_command(asked->command);
      context_.commands.answer(asked, sent);
      if (sent.code() == Code::invalid) continue;  // discarded
      LACUNA_RETURN_IF_ERROR(sent);
      continue;
    }
    std::vector<Alert> alerts;
    Status done;
    {
      const std::lock_guard lock(context_.stream_mutex);
      done = carry_out(asked->command, stream.monitor, stream.newest == Time{} ? context_.clock() : stream.newest);
      alerts = stream.monitor.take_alerts();
      alert_response_.annotate(alerts, stream.monitor.open_alerts(), context_.learner->current()->id());
    }
    const Status persisted = done.ok() ? persist(alerts) : Status();
    if (persisted.ok()) publish_progress(0);
    context_.commands.answer(asked, persisted.ok() ? done : Status(Code::unavailable, "it could not be kept: " + persisted.message()));
    if (persisted.code() == Code::invalid) continue;  // discarded
    LACUNA_RETURN_IF_ERROR(persisted);
  }
  return {};
}

/// Whoever holds the person carries it out. A forgetting goes to every partition, since wrong keys may have spread what is known.
Status Turn::send_person_command(const OperatorCommand& command) {
  const Time now = context_.clock();
  const std::string event_id = "command-" + std::to_string(now.time_since_epoch().count());
  const bool merge = command.action == OperatorCommand::Action::merge;
  Transfer transfer{Transfer::Kind::event, command.person, {}, command.into, {}};
  transfer.original.value = merge ? merge_event(command.person, command.into, event_id, now) : forget_event(command.person, event_id, now);
  std::vector<streaming::OutputRecord> outputs{to_record(context_.config, transfer)};
  if (!merge) {
    const auto partitions = group_.transfer_partitions();
    if (!partitions.ok()) return partitions.status();
    outputs.resize(static_cast<std::size_t>(*partitions), outputs.front());
    for (std::int32_t p = 0; p < *partitions; ++p) outputs[static_cast<std::size_t>(p)].partition = p;
  }
  return commit_alone(std::move(outputs));
}

/// Makes what an operator changed durable. Where that fails it is forgotten.
Status Turn::persist(const std::vector<Alert>& alerts) {
  std::vector<streaming::OutputRecord> outputs;
  for (const Alert& alert : alerts) outputs.push_back(alert_record(context_.config, alert));
  Status persisted = outputs.empty() ? Status() : commit_alone(std::move(outputs));
  state::StateChange change;
  change.meta = context_.stream.save_new(*context_.config.schema);
  if (persisted.ok()) persisted = context_.store->apply(change);
  if (persisted.ok()) persisted = context_.store->sync();
  if (!persisted.ok()) {
    LACUNA_RETURN_IF_ERROR(context_.reload());
    return persisted;
  }
  counts_.alerts += alerts.size();
  for (const Alert& alert : alerts) announce(alert);
  return {};
}

}  // namespace lacuna::daemon
