#include "daemon/tables/drift_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "daemon/tables/text_table.h"
#include "state/records/nearest.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

/// Subjects shown beside those that are alarmed or muted.
constexpr std::size_t kNearest = 10;

std::string number(const Json& subject, const char* name) {
  const auto found = subject.find(name);
  return found == subject.end() || !found->is_number() ? "-" : fmt::format("{:.3g}", found->get<double>());
}

bool is_alarmed(const Json& s) { return s.at("state") == "alarmed"; }
bool is_muted(const Json& s) { return s.contains("muted_until"); }

/// Log evidence less log threshold; what still learns is far from any alarm.
double nearness(const Json& s) {
  if (!s.contains("log_threshold") || !s.contains("log_evidence")) return -std::numeric_limits<double>::infinity();
  return s.at("log_evidence").get<double>() - s.at("log_threshold").get<double>();
}

/// "20260103T05:00Z"-like times in minutes: seconds say nothing here.
std::string minute(const Json& subject, const char* name) {
  const std::string text = subject.value(name, "");
  return text.size() >= 20 ? text.substr(0, 16) + "Z" : text;
}

std::vector<std::string> row_of(const Json& s) {
  std::string note;
  const auto add = [&note](const std::string& part) { note += (note.empty() ? "" : ", ") + part; };
  if (is_muted(s)) add("muted until " + minute(s, "muted_until"));
  for (const auto& [name, value] : s.at("effects").items()) {
    std::string words = name;
    std::replace(words.begin(), words.end(), '_', ' ');
    add(words + " " + fmt::format("{:.3g}", value.get<double>()));
  }
  const bool learning = !s.contains("log_threshold");
  std::string evidence = learning ? "-" : fmt::format("{:.1f}/{:.1f}", s.value("log_evidence", 0.0), s.at("log_threshold").get<double>());
  return {s.at("kind").get<std::string>() + "/" + s.at("subject").get<std::string>(),
          s.at("state"),
          std::to_string(s.at("updates").get<std::uint64_t>()),
          number(s, "expected"),
          number(s, "recent"),
          std::move(evidence),
          s.contains("since") ? minute(s, "since") : "-",
          note};
}

std::string families_line(const Json& families) {
  std::string out;
  for (const Json& f : families) {
    out += fmt::format("{}: {}, {} learning, {} armed, {} alarmed, {} muted\n", f.at("kind").get<std::string>(),
                       counted(f.at("subjects").get<std::size_t>(), "subject", "subjects"), f.at("learning").get<std::size_t>(),
                       f.at("armed").get<std::size_t>(), f.at("alarmed").get<std::size_t>(), f.at("muted").get<std::size_t>());
  }
  return out;
}

std::string table_of(const Json& drift, const DriftTableOptions& options) {
  std::vector<Json> wanted;
  for (const Json& s : drift.at("subjects")) {
    if (!options.kind.empty() && s.at("kind") != options.kind) continue;
    if (options.state == "muted" ? !is_muted(s) : !options.state.empty() && s.at("state") != options.state) continue;
    wanted.push_back(s);
  }
  // What rings comes first, then what is nearest to it.
  std::stable_sort(wanted.begin(), wanted.end(), [](const Json& a, const Json& b) {
    return std::tuple(is_alarmed(a), is_muted(a), nearness(a)) > std::tuple(is_alarmed(b), is_muted(b), nearness(b));
  });
  const std::size_t found = wanted.size();
  if (!options.all && options.state.empty()) {
    const auto rings =
        static_cast<std::size_t>(std::count_if(wanted.begin(), wanted.end(), [](const Json& s) { return is_alarmed(s) || is_muted(s); }));
    wanted.resize(std::min(found, rings + kNearest));
  }
  std::vector<std::vector<std::string>> rows{{"subject", "state", "updates", "expected", "recent", "evidence", "since", ""}};
  for (const Json& s : wanted) rows.push_back(row_of(s));
  std::vector<std::string> kinds;
  for (const Json& f : drift.at("families")) kinds.push_back(f.at("kind"));
  std::string out = found == 0 ? "no such subject" + (options.kind.empty() ? "" : did_you_mean(options.kind, kinds)) + "\n"
                               : text_table(std::move(rows), "llrrrrll");
  if (wanted.size() < found) out += fmt::format("({} of {}: --all shows every one)\n", wanted.size(), found);
  out += "\n" + families_line(drift.at("families"));
  const int pace = drift.value("learning_pace", 1);
  if (pace == 0) out += "learning is frozen: a critical alert is open\n";
  if (pace > 1) out += fmt::format("learning is sped up {} times: a critical alert is open\n", pace);
  return out;
}

}  // namespace

Result<std::string> drift_table(std::string_view json, const DriftTableOptions& options) {
  const Json drift = Json::parse(json, nullptr, false);
  try {
    return table_of(drift, options);
  } catch (const nlohmann::json::exception&) {
    return Status(Code::invalid, "the answer is not what /v1/drift gives: another version, or not Lacuna?");
  }
}

}  // namespace lacuna::daemon
