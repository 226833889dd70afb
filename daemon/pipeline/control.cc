#include "daemon/pipeline/control.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "state/records/stored_version.h"

namespace lacuna::daemon {

namespace {

using Action = OperatorCommand::Action;
using Json = nlohmann::ordered_json;

constexpr int kSchemaVersion = 1;
constexpr std::uint32_t kStoredVersion = 1;
constexpr std::size_t kReadMax = 100;
constexpr std::pair<Action, std::string_view> kNames[] = {{Action::accept, "accept"}, {Action::mute, "mute"}, {Action::unmute, "unmute"}};

std::string_view name_of(Action action) {
  for (const auto& [known, name] : kNames) {
    if (known == action) return name;
  }
  return "unknown";
}

std::optional<Action> action_of(std::string_view name) {
  for (const auto& [action, known] : kNames) {
    if (known == name) return action;
  }
  return std::nullopt;
}

std::optional<Time> time_of(const Json& json, const char* name) {
  return json.contains(name) && json.at(name).is_string() ? parse_rfc3339(json.at(name).get<std::string>()) : std::nullopt;
}

/// Empty where it is absent; nothing where it is no text.
std::optional<std::string> text_of(const Json& json, const char* name) {
  if (!json.contains(name)) return std::string();
  return json.at(name).is_string() ? std::optional(json.at(name).get<std::string>()) : std::nullopt;
}

std::string encode(const Decision& d) {
  const OperatorCommand& c = d.command;
  Json out{{"schema_version", kSchemaVersion}, {"command", name_of(c.action)}, {"kind", c.kind}, {"subject", c.subject}};
  if (c.action == Action::mute) out["until"] = format_rfc3339(d.until);
  if (c.force) out["force"] = true;
  out["time"] = format_rfc3339(d.time);
  out["clinical_time"] = format_rfc3339(d.clinical);
  if (!c.by.empty()) out["by"] = c.by;
  if (!c.why.empty()) out["why"] = c.why;
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Decision> decode(std::string id, std::string_view text) {
  const auto wrong = [](const char* why) { return Status(Code::invalid, why); };
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return wrong("not a JSON object");
  if (json.value("schema_version", Json()) != kSchemaVersion) return Status(Code::unsupported, "of another version");
  const auto command = text_of(json, "command"), kind = text_of(json, "kind"), subject = text_of(json, "subject"), by = text_of(json, "by"),
             why = text_of(json, "why");
  if (!command || !kind || !subject || !by || !why) return wrong("a member that should be a text is none");
  const std::optional<Action> action = action_of(*command);
  if (!action) return Status(Code::unsupported, "a command that this version does not know");
  const auto time = time_of(json, "time"), clinical = time_of(json, "clinical_time"), until = time_of(json, "until");
  if (!time || !clinical || (*action == Action::mute && !until)) return wrong("a time is missing");
  const Json force = json.value("force", Json(false));
  if (!force.is_boolean()) return wrong("force is neither true nor false");
  Decision out{std::move(id), {*action, *kind, *subject, {}}, *time, *clinical, until.value_or(Time{})};
  out.command.force = force.get<bool>();
  out.command.by = *by;
  out.command.why = *why;
  return out;
}

}  // namespace

streaming::OutputRecord to_record(const Config& config, const Decision& decision) {
  return {config.topics.control, 0, decision.id, encode(decision), {}};
}

Result<Decision> read_decision(const streaming::Record& record) {
  if (record.key.empty() || !record.value) return Status(Code::invalid, "without an id or a value");
  return decode(record.key, *record.value);
}

Status check(const Decision& decision, const drift::Monitor& monitor) {
  const OperatorCommand& c = decision.command;
  for (const drift::SubjectView& s : monitor.subjects()) {
    if (s.kind != c.kind || s.subject != c.subject) continue;
    if (c.action != Action::accept || c.force || s.state == drift::SubjectState::alarmed) return {};
    return {
        Code::invalid,
        "it is not alarmed on this instance, so there is nothing to accept: ask the one that raised it, or use force to learn anew what "
        "is normal of it everywhere"};
  }
  return {Code::not_found, "no such subject is watched"};
}

bool carry_out(const Decision& decision, drift::Monitor& monitor, Time now) {
  const OperatorCommand& c = decision.command;
  switch (c.action) {
    case Action::mute: return monitor.mute(c.kind, c.subject, decision.until).ok();
    case Action::unmute: return monitor.mute(c.kind, c.subject, Time::min()).ok();
    case Action::accept: break;
    case Action::forget:
    case Action::merge: return false;
  }
  if (c.force) return monitor.accept(c.kind, c.subject, now, true).ok();
  for (const Alert& a : monitor.open_alerts()) {
    if (a.kind == c.kind && a.subject == c.subject && a.since <= decision.clinical) return monitor.accept(c.kind, c.subject, now).ok();
  }
  return false;
}

std::string told(const Decision& decision) {
  static constexpr std::pair<Action, std::string_view> words[] = {
      {Action::accept, "accepted"}, {Action::mute, "muted"}, {Action::unmute, "unmuted"}};
  std::string out;
  for (const auto& [action, word] : words) {
    if (action == decision.command.action) out = word;
  }
  if (!decision.command.by.empty()) out += " by " + decision.command.by;
  if (!decision.command.why.empty()) out += ": " + decision.command.why;
  return out;
}

void Decisions::note(Decision decision) {
  auto key = std::pair(decision.command.kind, decision.command.subject);
  by_subject_.insert_or_assign(std::move(key), std::move(decision));
  if (by_subject_.size() <= kMax) return;
  by_subject_.erase(
      std::min_element(by_subject_.begin(), by_subject_.end(), [](const auto& a, const auto& b) { return a.second.time < b.second.time; }));
}

std::vector<Decision> Decisions::standing() const {
  std::vector<Decision> out;
  for (const auto& entry : by_subject_) out.push_back(entry.second);
  return out;
}

std::string Decisions::save() const {
  ByteWriter out;
  out.put(kStoredVersion);
  out.put(next_);
  out.put<std::uint32_t>(static_cast<std::uint32_t>(by_subject_.size()));
  for (const auto& entry : by_subject_) {
    out.put_text(entry.second.id);
    out.put_text(encode(entry.second));
  }
  return out.take();
}

// Under another schema they stand as they are: a subject is its name.
Status Decisions::load(std::string_view bytes, const SchemaMapping* /*grown*/) {
  ByteReader in(bytes);
  LACUNA_RETURN_IF_ERROR(take_version(in, kStoredVersion, "control"));
  const Status corrupt(Code::corrupt, "control: not what was written");
  Decisions read;
  read.next_ = in.get<std::int64_t>();
  const auto count = in.get<std::uint32_t>();
  if (!in.ok() || count > kMax || read.next_ < 0) return corrupt;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::string id = in.get_text();
    auto decision = decode(std::move(id), in.get_text());
    if (!in.ok() || !decision.ok()) return corrupt;
    read.note(std::move(*decision));
  }
  if (!in.at_end()) return corrupt;
  *this = std::move(read);
  return {};
}

Result<std::int64_t> ControlReader::begin(std::int64_t next) {
  const auto bounds = reader_->bounds({config_.topics.control, 0});
  if (!bounds.ok()) return bounds.status();
  return next > bounds->second ? bounds->first : std::max(next, bounds->first);
}

Result<std::vector<streaming::Record>> ControlReader::read(std::int64_t next) {
  return reader_->read({config_.topics.control, 0}, next, kReadMax, Millis(0));
}

}  // namespace lacuna::daemon
