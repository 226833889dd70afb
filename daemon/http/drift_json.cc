#include "daemon/http/drift_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "daemon/http/subject_counts.h"
#include "streaming/messages/encoders.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kByMax = 200, kWhyMax = 1000;
constexpr Millis kMuteMax = std::chrono::hours(24 * 365);

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// What is not finite is left out, as in messages.
void put(Json& out, const char* name, double value) {
  if (std::isfinite(value)) out[name] = value;
}

Json json_of(const Progress& progress, const drift::SubjectView& view) {
  Json out{{"kind", view.kind}, {"subject", view.subject}, {"state", to_string(view.state)}};
  if (view.muted_until > progress.event_time) out["muted_until"] = format_rfc3339(view.muted_until);
  if (view.since != Time::min()) out["since"] = format_rfc3339(view.since);
  out["updates"] = view.updates;
  if (view.updates > 0) {
    put(out, "expected", view.expected);
    put(out, "recent", view.recent);
  }
  put(out, "log_evidence", view.log_evidence);
  if (view.state != drift::SubjectState::learning) put(out, "log_threshold", view.log_threshold);
  out["effects"] = Json::object();
  for (const Effect& e : view.effects) put(out["effects"], e.name.c_str(), e.value);
  return out;
}

}  // namespace

std::string drift_json(const Config& config, const Progress& progress) {
  Json families = Json::array(), subjects = Json::array();
  for (const auto& [kind, counts] : count_subjects(progress.subjects, progress.event_time)) {
    Json out{{"kind", kind},
             {"subjects", counts.size()},
             {"learning", counts.states[0]},
             {"armed", counts.states[1]},
             {"alarmed", counts.states[2]},
             {"muted", counts.muted}};
    put(out, "log_evidence_over_threshold_max", counts.over_threshold_max);
    families.push_back(std::move(out));
  }
  for (const drift::SubjectView& view : progress.subjects) subjects.push_back(json_of(progress, view));
  Json out{{"false_per_month", config.alerts.false_per_month}};
  if (progress.event_time != Time{}) out["time"] = format_rfc3339(progress.event_time);
  out["learning_pace"] = progress.steps_multiplier;
  out["families"] = std::move(families);
  out["subjects"] = std::move(subjects);
  return text_of(out);
}

std::string subject_json(const Progress& progress, std::string_view kind, std::string_view subject) {
  for (const drift::SubjectView& view : progress.subjects) {
    if (view.kind == kind && view.subject == subject) return text_of(json_of(progress, view));
  }
  return {};
}

std::string alerts_json(const Progress& progress) {
  std::string out = "{\"alerts\":[";
  for (const Alert& alert : progress.open_alerts) {
    if (out.back() == '}') out += ',';
    out += streaming::encode_alert(alert);
  }
  Json decisions = Json::array();
  for (const Decision& d : progress.decisions) {
    Json one{{"kind", d.command.kind}, {"subject", d.command.subject}, {"decision", told(d)}, {"time", format_rfc3339(d.time)}};
    if (d.command.action == OperatorCommand::Action::mute) {
      one["until"] = format_rfc3339(d.until);
      one["over"] = d.until <= progress.event_time;
    }
    decisions.push_back(std::move(one));
  }
  return out + "],\"decisions\":" + text_of(decisions) + "}";
}

std::string lag_json(const Progress& progress) {
  Json partitions = Json::array();
  for (const auto& [partition, lag] : progress.lags) {
    Json one{{"topic", partition.topic}, {"partition", partition.partition}, {"lag", lag}};
    const auto counts = progress.partitions.find(partition);
    one["restored"] = counts != progress.partitions.end();
    if (counts != progress.partitions.end()) {
      const state::RecordCounts& c = counts->second;
      one["consumed"] = c.consumed;
    }
    partitions.push_back(std::move(one));
  }
  Json out{{"lag", progress.lag}};
  if (progress.event_time != Time{}) out["time"] = format_rfc3339(progress.event_time);
  out["changelog_records_left"] = progress.recovery.records_left;
  out["learning_queued"] = progress.learner.queued;
  out["partitions"] = std::move(partitions);
  return text_of(out);
}

std::string missingness_json(const std::vector<drift::MissingnessMatrix::Row>& rows) {
  Json out = Json::array();
  for (const auto& row : rows) {
    out.push_back({{"site", row.site},
                   {"modality", row.modality},
                   {"week", format_rfc3339(row.week).substr(0, 10)},
                   {"patient_hours", row.patient_hours},
                   {"share", row.share}});
  }
  return text_of({{"rows", std::move(out)}});
}

Result<OperatorCommand> parse_command(OperatorCommand::Action action, std::string_view body) {
  const auto wrong = [](const std::string& why) { return Status(Code::invalid, why); };
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return wrong("the body is not a JSON object");
  OperatorCommand out{action, {}, {}, {}};
  const bool timed = action == OperatorCommand::Action::mute, forced = action == OperatorCommand::Action::accept;
  for (const auto& [name, value] : json.items()) {
    const bool text = name == "kind" || name == "subject" || name == "by" || name == "why" || (timed && name == "for");
    if (!text && !(forced && name == "force")) {
      return wrong(std::string("only kind, subject, by, why") + (timed ? ", for" : "") + (forced ? ", force" : "") + " are known here");
    }
    if (text && !value.is_string()) return wrong(name + " is not a text");
    if (!text && !value.is_boolean()) return wrong(name + " is neither true nor false");
  }
  if (!json.contains("kind") || !json.contains("subject")) return wrong("kind and subject are needed: /v1/drift lists them");
  out.kind = json.at("kind").get<std::string>();
  out.subject = json.at("subject").get<std::string>();
  out.force = json.value("force", false);
  out.by = json.value("by", "");
  out.why = json.value("why", "");
  if (out.by.size() > kByMax || out.why.size() > kWhyMax) {
    return wrong("by takes at most " + std::to_string(kByMax) + " bytes, why " + std::to_string(kWhyMax));
  }
  if (!timed) return out;
  const auto duration = parse_duration(json.value("for", ""));
  if (!duration || *duration <= Millis(0) || *duration > kMuteMax) {
    return wrong("for is needed: a duration such as 24h, at most " + format_duration(kMuteMax));
  }
  out.duration = *duration;
  return out;
}

}  // namespace lacuna::daemon
