#include "daemon/commands/commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/daemon_options.h"
#include "daemon/commands/session.h"
#include "daemon/http/person_json.h"
#include "daemon/tables/patient_table.h"

namespace lacuna::daemon {

namespace {

struct Arguments {
  DaemonOptions daemon;
  std::string person, into, confirm, format = "table";
  bool dry_run = false;
};

int refuse(const std::string& message) {
  std::fprintf(stderr, "lacuna patient: %s\n", message.c_str());
  return kExitConfiguration;
}

int show(const std::string& text) {
  standard_output() << text;
  return kExitOk;
}

int show_patient(const Arguments& arguments) {
  const auto client = arguments.daemon.client();
  if (!client) return kExitConfiguration;
  const auto answer = client->get(patient_path(arguments.person));
  if (!answer.ok()) return explain_answer(answer.status());
  if (arguments.format == "json") return show(*answer + "\n");
  const auto table = patient_table(*answer);
  return table.ok() ? show(*table) : explain_answer(table.status());
}

/// Whether the operator has said twice who is meant. Standard error says what is missing.
bool confirmed(const Arguments& arguments, const std::string& what) {
  std::string again = arguments.confirm;
  if (again.empty()) {
    if (isatty(STDIN_FILENO) != 1) {
      refuse("without a terminal to ask at, --confirm has to name the person again: nothing was done");
      return false;
    }
    std::fprintf(stderr, "%s. This cannot be undone. Type the id again: ", what.c_str());
    std::getline(std::cin, again);
  }
  if (again == arguments.person) return true;
  refuse("that is another id: nothing was done");
  return false;
}

std::string not_reached() {
  std::string out = "It does not reach:\n";
  for (const std::string_view place : kForgettingDoesNotReach) out += "  - " + std::string(place) + "\n";
  return out;
}

/// What this instance keeps of one person. Empty: the daemon does not answer, and `exit_code` is set.
std::string kept_of(const DaemonClient& client, const std::string& who, const std::string& person, int& exit_code) {
  const auto answer = client.get(patient_path(person));
  if (answer.code() == Code::not_found) return who + ": not known to this instance\n";
  const auto lines = answer.ok() ? kept_lines(*answer) : answer;
  if (lines.ok()) return who + ": this instance keeps\n" + *lines;
  exit_code = explain_answer(lines.status());
  return {};
}

int dry_run(const Arguments& arguments, const DaemonClient& client) {
  int exit_code = kExitOk;
  std::string out = kept_of(client, "the person", arguments.person, exit_code);
  if (!arguments.into.empty() && exit_code == kExitOk) out += kept_of(client, "the one who goes on", arguments.into, exit_code);
  if (exit_code != kExitOk) return exit_code;
  if (arguments.into.empty()) {
    out += "A forgetting goes to every partition, and to all who were merged with this person; nothing is kept of them.\n" + not_reached();
  } else {
    out +=
        "A merge gives all events, ids and results to the one who goes on, and every later event of the person too. The examples that\n"
        "the model replays of the person are dropped.\n";
  }
  return show(out + "Nothing was done.\n");
}

int publish(const Arguments& arguments) {
  const bool merge = !arguments.into.empty();
  if (merge && arguments.into == arguments.person) return refuse("--into: the person is merged into somebody else");
  const auto client = arguments.daemon.client();
  if (!client) return kExitConfiguration;
  if (arguments.dry_run) return dry_run(arguments, *client);
  if (!confirmed(arguments, merge ? "The person is merged into another" : "All that is known of the person is forgotten")) {
    return kExitConfiguration;
  }
  nlohmann::json body{{"person", arguments.person}, {"confirm", arguments.person}};
  if (merge) body["into"] = arguments.into;
  const auto answer =
      client->post(merge ? "/v1/persons/merge" : "/v1/persons/forget", body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  if (!answer.ok()) return explain_answer(answer.status());
  if (merge) return show("published: the instance that holds the person merges it\n");
  return show("published: each instance forgets what it holds of the person\n" + not_reached());
}

CLI::App* add_change(CLI::App& patient, const std::string& name, const std::string& what, std::shared_ptr<Arguments>& arguments,
                     int& exit_code) {
  arguments = std::make_shared<Arguments>();
  CLI::App* command = patient.add_subcommand(name, what);
  command->add_option("person", arguments->person, "The patient id; of another namespace than the default one 'namespace|id'")->required();
  command->add_flag("--dry-run", arguments->dry_run, "Say what this instance keeps and what would be done; change nothing");
  command->add_option("--confirm", arguments->confirm, "The id again, instead of being asked for it at the terminal");
  arguments->daemon.add_to(*command, true);
  command->callback([arguments, &exit_code] { exit_code = publish(*arguments); });
  return command;
}

void add_show(CLI::App& patient, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = patient.add_subcommand("show", "What is known of a person, and how much is kept");
  command->footer(
      "Ask the instance that holds the person: others say that they do not. The output is patient data.\n\n"
      "Examples:\n"
      "  lacuna patient show 132539 --config ward.yaml\n"
      "  lacuna patient show 'north|1001' --url http://10.0.0.7:9464 --format json");
  command->add_option("person", arguments->person, "The patient id; of another namespace than the default one 'namespace|id'")->required();
  command->add_option("--format", arguments->format, "table, or json: what /v1/patients gives, as it is")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  arguments->daemon.add_to(*command, false);
  command->callback([arguments, &exit_code] { exit_code = show_patient(*arguments); });
}

}  // namespace

void add_patient(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("patient", "One person in a running daemon: show, merge, forget");
  command->require_subcommand(1);
  command->footer(
      "Any instance takes merge and forget: it publishes them on topics.transfers, and whoever holds the person carries them out. They "
      "need\n"
      "the token in http.token_file, which the daemon and this command read. What is typed here stays in the shell's history.");
  add_show(*command, exit_code);
  std::shared_ptr<Arguments> arguments;
  CLI::App* forget = add_change(*command, "forget", "Forget all that is known of a person", arguments, exit_code);
  forget->footer(
      "Goes to every partition, since wrong keys may have spread what is known, and to all who were merged with the person. Whoever has "
      "the\n"
      "id afterwards is a new person. What it does not reach is listed by --dry-run, and again once it is published.\n\n"
      "Examples:\n"
      "  lacuna patient forget 132539 --dry-run --config ward.yaml\n"
      "  lacuna patient forget 132539 -c ward.yaml                     # asks again\n"
      "  lacuna patient forget 132539 --confirm 132539 -c ward.yaml    # in a script");
  CLI::App* merge = add_change(*command, "merge", "Make one person of two who are one", arguments, exit_code);
  merge->add_option("--into", arguments->into, "The person who goes on, of the same namespace")->required();
  merge->footer(
      "The one who goes on is then as if all events of both had been of this one from the first, and gets every later event of either. It\n"
      "cannot be undone.\n\n"
      "Examples:\n"
      "  lacuna patient merge 132539 --into 132540 --dry-run --config ward.yaml\n"
      "  lacuna patient merge 132539 --into 132540 --confirm 132539 --config ward.yaml");
}

}  // namespace lacuna::daemon
