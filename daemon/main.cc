#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "daemon/commands/commands.h"
#include "daemon/commands/session.h"

int main(int argc, char** argv) {
  using namespace lacuna::daemon;
  CLI::App app{
      "Lacuna: a continual-learning daemon over streaming patient data.\n"
      "Reads patient events, keeps each patient's state, learns a multimodal model as data come, and publishes calibrated\n"
      "imputations of what is missing and alerts of drift. Not a medical device; not a source of observations."};
  app.name("lacuna");
  app.set_version_flag("--version", LACUNA_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Start with `lacuna demo`. Each command explains itself: lacuna COMMAND --help.\n"
      "Exit codes: 0 done, 1 failed, 2 wrong configuration or arguments, 3 a promise was not kept, 4 nothing was learned or scored.");
  int exit_code = kExitOk;
  add_demo(app, exit_code);
  add_run(app, exit_code);
  add_init(app, exit_code);
  add_check(app, exit_code);
  add_replay(app, exit_code);
  add_simulate(app, exit_code);
  add_tail(app, exit_code);
  add_evaluate(app, exit_code);
  add_generate(app, exit_code);
  add_inspect(app, exit_code);
  add_alerts(app, exit_code);
  add_patient(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? kExitOk : kExitConfiguration;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "lacuna: internal: %s\n", e.what());
    return kExitFailed;
  }
  return exit_code;
}
