#include "daemon/tables/alerts_table.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "daemon/tables/text_table.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

/// Times to the minute: seconds say nothing here.
std::string minute(const Json& of, const char* name) {
  const std::string text = of.value(name, "");
  return text.size() >= 20 ? text.substr(0, 16) + "Z" : text;
}

std::string name_of(const Json& of) { return of.at("kind").get<std::string>() + "/" + of.at("subject").get<std::string>(); }

std::string number(const Json& of, const char* name) {
  const auto found = of.find(name);
  return found == of.end() || !found->is_number() ? "-" : fmt::format("{:.3g}", found->get<double>());
}

std::string size_of(const Json& alert) {
  std::string out = number(alert, "before") + " to " + number(alert, "after");
  const Json effects = alert.value("effects", Json::object());
  if (effects.contains("shift_since_onset")) out += ", " + number(effects, "shift_since_onset") + " sd of before the onset";
  return out;
}

/// What was decided about a subject and still holds.
std::string decided(const Json& decisions, const std::string& name) {
  for (const Json& d : decisions) {
    if (name_of(d) != name || d.value("over", false)) continue;
    return d.at("decision").get<std::string>() + (d.contains("until") ? " until " + minute(d, "until") : "");
  }
  return "-";
}

std::string table_of(const Json& answer) {
  const Json& alerts = answer.at("alerts");
  const Json& decisions = answer.at("decisions");
  std::vector<std::vector<std::string>> rows{{"alert", "severity", "since", "state", "size", "reaction", "decided"}};
  for (const Json& a : alerts) {
    const std::string action = a.value("action", "");
    rows.push_back({name_of(a), a.at("severity").get<std::string>(), minute(a, "since"),
                    a.value("adapted", false) ? "still shifted, the model has adapted" : "open", size_of(a), action.empty() ? "-" : action,
                    decided(decisions, name_of(a))});
  }
  std::string out = alerts.empty() ? "no alert is open\n" : text_table(std::move(rows), "l");
  rows = {{"decided", "subject", "what"}};
  for (const Json& d : decisions) {
    rows.push_back({minute(d, "time"), name_of(d),
                    d.at("decision").get<std::string>() + (d.contains("until") ? " (until " + minute(d, "until") + ")" : "")});
  }
  if (rows.size() > 1) out += "\n" + text_table(std::move(rows), "l");
  return out;
}

std::string lag_of(const Json& answer) {
  std::vector<std::vector<std::string>> rows{{"topic", "partition", "lag", "consumed", ""}};
  for (const Json& p : answer.at("partitions")) {
    rows.push_back({p.at("topic").get<std::string>(), std::to_string(p.at("partition").get<std::int64_t>()),
                    std::to_string(p.at("lag").get<std::int64_t>()),
                    p.contains("consumed") ? std::to_string(p.at("consumed").get<std::uint64_t>()) : "-",
                    p.at("restored").get<bool>() ? "" : "being restored"});
  }
  std::string out = rows.size() == 1 ? "no partition is assigned\n" : text_table(std::move(rows), "lrrrl");
  std::string rest = "\n" + counted(answer.at("lag").get<std::uint64_t>(), "record", "records") + " behind";
  if (answer.contains("time")) rest += ", at " + minute(answer, "time") + " of clinical time";
  rest += fmt::format("; {} to restore; {} for the learner\n",
                      counted(answer.at("changelog_records_left").get<std::uint64_t>(), "changelog record", "changelog records"),
                      counted(answer.at("learning_queued").get<std::uint64_t>(), "example waits", "examples wait"));
  return out + wrapped(rest, screen_columns());
}

template <typename Make>
Result<std::string> made(std::string_view json, const char* path, const Make& make) {
  try {
    return make(Json::parse(json, nullptr, false));
  } catch (const nlohmann::json::exception&) {
    return Status(Code::invalid, std::string("the answer is not what ") + path + " gives: another version, or not Lacuna?");
  }
}

}  // namespace

Result<std::string> alerts_table(std::string_view json) { return made(json, "/v1/alerts", table_of); }
Result<std::string> lag_table(std::string_view json) { return made(json, "/v1/lag", lag_of); }

}  // namespace lacuna::daemon
