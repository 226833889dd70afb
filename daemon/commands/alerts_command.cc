#include "daemon/commands/commands.h"

#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/daemon_options.h"
#include "daemon/commands/session.h"
#include "daemon/tables/alerts_table.h"
#include "state/records/nearest.h"
#include "state/records/time.h"

namespace lacuna::daemon {

namespace {

struct Arguments {
  DaemonOptions daemon;
  std::string subject, duration = "24h", by, why;
  bool force = false, json = false;
};

int refuse(const std::string& message) {
  std::fprintf(stderr, "lacuna alerts: %s\n", message.c_str());
  return kExitConfiguration;
}

/// The subject's state after it, in a line.
std::string told(const std::string& verb, const std::string& subject, const std::string& answer) {
  const auto json = nlohmann::json::parse(answer, nullptr, false);
  std::string out = verb + ": " + subject;
  if (!json.is_object()) return out;
  out += " is now " + json.value("state", std::string("?"));
  if (json.contains("muted_until")) out += ", muted until " + json.value("muted_until", std::string("?")) + " (clinical time)";
  return out;
}

/// Whoever calls; empty where the system does not tell.
std::string user() {
  const passwd* const entry = getpwuid(getuid());
  return entry != nullptr && entry->pw_name != nullptr ? entry->pw_name : "";
}

int list(const Arguments& arguments) {
  const auto client = arguments.daemon.client();
  if (!client) return kExitConfiguration;
  const auto answer = client->get("/v1/alerts");
  if (!answer.ok()) return explain_answer(answer.status());
  const auto text = arguments.json ? Result<std::string>(*answer + "\n") : alerts_table(*answer);
  if (!text.ok()) return explain_answer(text.status());
  standard_output() << *text;
  return kExitOk;
}

/// The nearest of the subjects that the daemon watches.
std::string subject_advice(const DaemonClient& client, const std::string& subject) {
  const auto answer = client.get("/v1/drift");
  std::vector<std::string> known;
  const auto json = nlohmann::json::parse(answer.ok() ? *answer : "", nullptr, false);
  if (!json.is_object()) return {};
  for (const auto& s : json.value("subjects", nlohmann::json::array())) {
    known.push_back(s.value("kind", std::string()) + "/" + s.value("subject", std::string()));
  }
  const std::string near = did_you_mean(subject, known);
  return near.empty() ? "; `lacuna inspect drift --all` lists them" : near;
}

int decide(const std::string& verb, const Arguments& arguments) {
  const std::size_t slash = arguments.subject.find('/');
  if (slash == 0 || slash == std::string::npos || slash + 1 == arguments.subject.size()) {
    return refuse("expected KIND/SUBJECT, such as missingness/blood_gas: `lacuna inspect drift` lists them");
  }
  nlohmann::json body{{"kind", arguments.subject.substr(0, slash)}, {"subject", arguments.subject.substr(slash + 1)}};
  if (verb == "mute") {
    if (!parse_duration(arguments.duration)) return refuse("--for: expected a duration such as 24h");
    body["for"] = arguments.duration;
  }
  if (verb == "accept" && arguments.force) body["force"] = true;
  if (const std::string by = arguments.by.empty() ? user() : arguments.by; !by.empty()) body["by"] = by;
  if (!arguments.why.empty()) body["why"] = arguments.why;
  const auto client = arguments.daemon.client();
  if (!client) return kExitConfiguration;
  const auto answer = client->post("/v1/drift/" + verb, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  if (answer.code() == Code::not_found) {
    return explain_answer({Code::not_found, answer.status().message() + subject_advice(*client, arguments.subject)});
  }
  if (!answer.ok()) return explain_answer(answer.status());
  standard_output() << told(verb, arguments.subject, *answer) << "\n";
  return kExitOk;
}

void add_decision(CLI::App& alerts, const std::string& verb, const std::string& what, const std::string& footer, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = alerts.add_subcommand(verb, what);
  command->footer(footer);
  command->add_option("subject", arguments->subject, "KIND/SUBJECT, as in an alert's id before the @")->required();
  if (verb == "mute") {
    command->add_option("--for", arguments->duration, "How long, of clinical time; at most 365d")->capture_default_str();
  }
  if (verb == "accept") command->add_flag("--force", arguments->force, "Also where nothing is alarmed, on every instance");
  command->add_option("--by", arguments->by, "Who decides; else the user who calls");
  command->add_option("--why", arguments->why, "For what reason: it stands in the alert and in the control topic");
  arguments->daemon.add_to(*command, true);
  command->callback([arguments, verb, &exit_code] { exit_code = decide(verb, *arguments); });
}

void add_list(CLI::App& alerts, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = alerts.add_subcommand("list", "What is open on this instance: since when, how large, what is done about it");
  command->footer(
      "An alert is open until the stream is back at what it was before the onset, or somebody accepts it; where the model has learned the\n"
      "change meanwhile it says so. Then what operators decided last about each subject, with who and why.\n\n"
      "Example:\n  lacuna alerts list --config ward.yaml");
  arguments->daemon.add_to(*command, false);
  command->add_flag("--json", arguments->json, "What /v1/alerts gives, as it is");
  command->callback([arguments, &exit_code] { exit_code = list(*arguments); });
}

}  // namespace

void add_alerts(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("alerts", "Alerts of a running daemon: list them, and accept, mute, unmute");
  command->require_subcommand(1);
  command->footer(
      "A decision is published on the control topic, which every instance follows, and is carried out and kept on the one that is asked\n"
      "before the command returns. It needs the token in http.token_file, which the daemon and this command read.");
  add_list(*command, exit_code);
  add_decision(*command, "accept", "What is seen now is the new normal",
               "An open alert is closed (resolution: accepted), and what is normal is learned anew: until then the subject cannot\n"
               "raise another. Where none is open it takes --force.\n\n"
               "Example:\n  lacuna alerts accept missingness/blood_gas --config ward.yaml",
               exit_code);
  add_decision(*command, "mute", "Say nothing of a subject for a while",
               "Evidence is gathered all the same; when the time is over and it is still beyond its threshold, the alert is raised\n"
               "then.\n\n"
               "Example:\n  lacuna alerts mute coverage/vitals.temp --for 12h --config ward.yaml",
               exit_code);
  add_decision(*command, "unmute", "Let a muted subject speak again",
               "Example:\n  lacuna alerts unmute coverage/vitals.temp --config ward.yaml", exit_code);
}

}  // namespace lacuna::daemon
