#include <spdlog/spdlog.h>

#include <cstdint>
#include <memory>
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
  while (const auto asked = context_.commands.next()) {
    if (asked->command.about_person()) {
      const Status sent = send_person_command(asked->command);
      context_.commands.answer(asked, sent);
      if (sent.code() == Code::invalid) continue;  // discarded
      LACUNA_RETURN_IF_ERROR(sent);
      continue;
    }
    LACUNA_RETURN_IF_ERROR(send_decision(asked));
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

/// One about a subject is for every instance: it is published, and answered once it has been read back here.
Status Turn::send_decision(const std::shared_ptr<OperatorCommands::Asked>& asked) {
  const StreamState& stream = context_.stream;
  const Time now = context_.clock(), clinical = stream.newest == Time{} ? now : stream.newest;
  const std::string id = context_.config.instance + "-" + std::to_string(now.time_since_epoch().count()) + "-" + std::to_string(++asked_);
  const Decision decision{id, asked->command, now, clinical, clinical + asked->command.duration};
  Status sent = check(decision, stream.monitor);
  const bool possible = sent.ok();
  if (possible) sent = commit_alone({to_record(context_.config, decision)});
  if (sent.ok()) {
    undecided_[id] = asked;
    return {};
  }
  context_.commands.answer(asked, possible ? Status(Code::unavailable, "it could not be published: " + sent.message()) : sent);
  return possible && sent.code() != Code::invalid ? sent : Status();  // an invalid one was discarded
}

/// Carries out what was decided anywhere. Between two batches, and durable with how far topics.control was read.
Status Turn::follow_decisions() {
  if (!control_) {
    auto reader = context_.factory.reader();
    if (!reader.ok()) return reader.status();
    auto control = std::make_unique<ControlReader>(context_.config, std::move(*reader));
    const auto next = control->begin(context_.stream.decisions.next());
    if (next.code() == Code::unavailable) return {};  // batches go on meanwhile
    if (next.code() == Code::not_found)
      return missing_topic(context_.config, context_.config.topics.control, "topics.control", 1, "one partition");
    if (!next.ok()) return next.status();
    context_.stream.decisions.read_up_to(*next);
    control_ = std::move(control);
  }
  const auto records = control_->read(context_.stream.decisions.next());
  if (records.code() == Code::unavailable) return {};
  if (!records.ok()) return records.status();
  if (records->empty()) return {};
  LACUNA_RETURN_IF_ERROR(finish_in_flight());
  std::vector<std::string> ids;
  const Status persisted = persist(decide(*records, ids));
  if (persisted.ok()) publish_progress(0);
  answer_decisions(
      ids, persisted.ok() ? Status() : Status(Code::unavailable, "it is published, but not carried out yet: " + persisted.message()));
  return persisted.code() == Code::invalid ? Status() : persisted;  // an invalid one was discarded, and is read again
}

std::vector<Alert> Turn::decide(const std::vector<streaming::Record>& records, std::vector<std::string>& ids) {
  const std::lock_guard lock(context_.stream_mutex);
  StreamState& stream = context_.stream;
  const Time now = stream.newest == Time{} ? context_.clock() : stream.newest;
  std::vector<Alert> out;
  for (const streaming::Record& record : records) {
    stream.decisions.read_up_to(record.position.offset + 1);
    auto decision = read_decision(record);
    if (!decision.ok()) {
      spdlog::warn("{}/0: what stands at offset {} is passed over: {}", context_.config.topics.control, record.position.offset,
                   decision.status().message());
      continue;
    }
    ids.push_back(decision->id);
    if (!carry_out(*decision, stream.monitor, now)) continue;
    std::vector<Alert> alerts = stream.monitor.take_alerts();
    const std::vector<Alert> open = stream.monitor.open_alerts();
    alert_response_.annotate(alerts, open, context_.learner->current()->id(), now);
    stream.mask.follow(alerts, open, now, context_.config.alert_response.react_for);
    for (Alert& alert : alerts) {
      if (alert.state == AlertState::resolved) alert.action = told(*decision) + (alert.action.empty() ? "" : "; " + alert.action);
    }
    out.insert(out.end(), alerts.begin(), alerts.end());
    spdlog::info("{}/{} {}", decision->command.kind, decision->command.subject, told(*decision));
    stream.decisions.note(std::move(*decision));
  }
  return out;
}

void Turn::answer_decisions(const std::vector<std::string>& ids, const Status& outcome) {
  for (const std::string& id : ids) {
    const auto asked = undecided_.find(id);
    if (asked == undecided_.end()) continue;
    context_.commands.answer(asked->second, outcome);
    undecided_.erase(asked);
  }
}

/// Makes what an operator changed durable. Where that fails it is forgotten.
Status Turn::persist(const std::vector<Alert>& alerts) {
  std::vector<streaming::OutputRecord> outputs;
  for (const Alert& alert : alerts) outputs.push_back(alert_record(context_.config, alert));
  Status persisted = outputs.empty() ? Status() : commit_alone(std::move(outputs));
  state::StateChange change;
  context_.stream.save_new(*context_.config.schema, change);
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
