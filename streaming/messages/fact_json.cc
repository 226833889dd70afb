#include "streaming/messages/fact_json.h"

#include <string>

#include "state/records/time.h"

namespace lacuna::streaming {

namespace {

ValueProblem malformed(std::string message) { return {Refusal::malformed, std::move(message)}; }

void note(GivenFacts& out, Refusal reason, std::string message) {
  if (!out.problem) out.problem = ValueProblem{reason, std::move(message)};
}

// Visits the members of `value`, each at most once; `read` answers false where it does not know one.
template <typename Read>
bool read_object(std::string_view name, ondemand::value value, GivenFacts& out, Read read) {
  bool is_object = false;
  std::size_t members = 0;
  std::vector<std::string> seen;
  bool is_json = each_member_if_object(value, is_object, [&](std::string_view key, ondemand::value member) {
    members += 1;
    for (const std::string& before : seen) {
      if (before == key) note(out, Refusal::malformed, std::string(name) + ": a member is given twice");
    }
    if (seen.size() < 4) seen.emplace_back(key);
    return read(key, member);
  });
  if (is_json && !is_object) note(out, Refusal::malformed, std::string(name) + " must be an object");
  if (is_json && is_object && members == 0) note(out, Refusal::malformed, std::string(name) + " is empty");
  return is_json;
}

bool read_id(std::string_view path, ondemand::value value, std::optional<std::string_view>& id, GivenFacts& out) {
  if (!read_text(value, id)) return false;
  if (!id) note(out, Refusal::malformed, std::string(path) + " must be text");
  return true;
}

bool read_true(std::string_view path, ondemand::value value, bool& flag, GivenFacts& out) {
  RawValue raw;
  if (!read_value(value, false, raw)) return false;
  flag = raw.kind == RawValue::Kind::truth && raw.truth && !raw.unit;
  if (!flag) note(out, Refusal::malformed, std::string(path) + " must be true");
  return true;
}

// A number or a text: an object with a value and a unit is no revision.
bool read_revision(ondemand::value value, GivenFacts& out) {
  ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  RawValue& raw = out.revision.emplace();
  const bool nested = type == ondemand::json_type::object || type == ondemand::json_type::array;
  return nested ? skip_json(value, 3) : read_value(value, false, raw);
}

std::optional<ValueProblem> take_revision(const RawValue& given, Revision& out) {
  if (given.kind == RawValue::Kind::number) {
    out = {Revision::Kind::number, given.number + 0.0};  // there is one zero
    return std::nullopt;
  }
  const std::optional<Time> time = given.kind == RawValue::Kind::text ? parse_rfc3339(given.text) : std::nullopt;
  if (!time) return malformed("result.revision must be a finite number or an RFC 3339 time");
  out = {Revision::Kind::time, static_cast<double>(time->time_since_epoch().count())};
  return std::nullopt;
}

std::optional<ValueProblem> take_id(std::string_view path, std::string_view id, std::size_t bytes_max, std::string& out) {
  if (id.empty()) return malformed(std::string(path) + " is empty");
  out = id;
  return check_id(path, id, bytes_max);
}

}  // namespace

bool read_result(ondemand::value value, GivenFacts& out) {
  return read_object("result", value, out, [&out](std::string_view key, ondemand::value member) {
    if (key == "id") return read_id("result.id", member, out.result_id, out);
    if (key == "revision") return read_revision(member, out);
    note(out, Refusal::malformed, "result has the members id and revision only");
    return skip_json(member, 3);
  });
}

bool read_status(ondemand::value value, GivenFacts& out) {
  if (!read_text(value, out.status)) return false;
  if (!out.status) note(out, Refusal::malformed, "status must be text");
  return true;
}

bool read_person(ondemand::value value, GivenFacts& out) {
  return read_object("patient", value, out, [&out](std::string_view key, ondemand::value member) {
    if (key == "merged_into") return read_id("patient.merged_into", member, out.merged_into, out);
    if (key == "forget") return read_true("patient.forget", member, out.forget, out);
    if (key == "unmerged_from") {
      note(out, Refusal::unsupported, "patient.unmerged_from: a merge cannot be undone yet");
    } else {
      note(out, Refusal::malformed, "patient has one of the members merged_into, forget and unmerged_from");
    }
    return skip_json(member, 3);
  });
}

bool read_stay(ondemand::value value, GivenFacts& out) {
  return read_object("stay", value, out, [&out](std::string_view key, ondemand::value member) {
    if (key == "ends") return read_true("stay.ends", member, out.stay_ends, out);
    if (key == "site") return read_id("stay.site", member, out.stay_site, out);
    note(out, Refusal::malformed, "stay has one of the members ends and site");
    return skip_json(member, 3);
  });
}

std::optional<ValueProblem> take_facts(const GivenFacts& given, std::size_t id_bytes_max, Event& event) {
  if (given.problem) return given.problem;
  if (given.revision && !given.result_id) return malformed("result.id is missing");
  if (given.result_id) {
    if (auto problem = take_id("result.id", *given.result_id, id_bytes_max, event.result_id)) return problem;
  }
  if (given.revision) {
    if (auto problem = take_revision(*given.revision, event.revision)) return problem;
  }
  if (given.status) {
    const std::optional<ResultStatus> status = parse_result_status(*given.status);
    if (!status) return malformed("status must be final, preliminary, corrected, entered_in_error or cancelled");
    event.status = *status;
  }
  if (given.merged_into && given.forget) return malformed("patient: merged_into and forget exclude one another");
  if (given.merged_into) {
    if (auto problem = take_id("patient.merged_into", *given.merged_into, id_bytes_max, event.merged_into)) return problem;
    if (event.merged_into == event.patient_id) return malformed("patient.merged_into is the patient's own id");
    event.person = PersonChange::merge;
  }
  if (given.forget) event.person = PersonChange::forget;
  if (given.stay_ends && given.stay_site) return malformed("stay: ends and site exclude one another");
  if (given.stay_site) {
    if (auto problem = take_id("stay.site", *given.stay_site, id_bytes_max, event.stay_site)) return problem;
  }
  event.stay_ends = given.stay_ends;
  return std::nullopt;
}

void write_facts(JsonWriter& json, const Event& event) {
  if (!event.result_id.empty()) {
    json.key("result").begin('{').key("id").text(event.result_id);
    switch (event.revision.kind) {
      case Revision::Kind::none: break;
      case Revision::Kind::number: json.key("revision").number(event.revision.value); break;
      case Revision::Kind::time: json.key("revision").time(Time(Millis(static_cast<std::int64_t>(event.revision.value)))); break;
    }
    json.end('}');
  }
  if (event.status != ResultStatus::final) json.key("status").text(to_string(event.status));
  switch (event.person) {
    case PersonChange::none: break;
    case PersonChange::merge: json.key("patient").begin('{').key("merged_into").text(event.merged_into).end('}'); break;
    case PersonChange::forget: json.key("patient").begin('{').key("forget").truth(true).end('}'); break;
  }
  if (event.stay_ends) json.key("stay").begin('{').key("ends").truth(true).end('}');
  if (!event.stay_site.empty()) json.key("stay").begin('{').key("site").text(event.stay_site).end('}');
}

}  // namespace lacuna::streaming
