#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <exception>
#include <memory>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/commands.h"
#include "daemon/commands/help.h"
#include "daemon/commands/session.h"
#include "daemon/commands/shell_words.h"
#include "daemon/commands/version.h"

namespace {

/// A descriptor 0, 1 or 2 that is closed is given to the first file that is opened, and what is printed then goes into a database. In its
/// place stands one that cannot be written, so that an output which reaches nobody is told as any other.
void fill_closed_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    if (open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd) _exit(lacuna::daemon::kExitFailed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  using lacuna::Status;
  using namespace lacuna::daemon;
  // The far end of a socket that is gone must not end the daemon; CheckedOutput ends a command whose reader is.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on files is told as a full disk is
  fill_closed_descriptors();
  set_program(argc > 0 ? argv[0] : "");
  CLI::App app{
      "Lacuna: a continual-learning daemon over streaming patient data.\n"
      "Reads patient events, keeps each patient's state, learns a multimodal model as data come, and publishes calibrated\n"
      "imputations of what is missing and alerts of drift. Not a medical device; not a source of observations."};
  app.name("lacuna");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", version_text, "Version and commit, and the libraries that are loaded");
  app.require_subcommand(1);
  app.footer(
      "Start with `lacuna demo`. Each command explains itself: lacuna COMMAND --help.\n\n"
      "Exit codes:\n"
      "  0  done\n"
      "  1  failed: standard error says what and why\n"
      "  2  wrong configuration or arguments: nothing was started\n"
      "  3  a promise was not kept (demo)\n"
      "  4  nothing was learned (run --until-idle) or scored (evaluate)\n"
      "  128 + N  ended by signal N; 141: whoever read the output has left");
  int exit_code = kExitOk;
  add_demo(app, exit_code);
  add_run(app, exit_code);
  add_init(app, exit_code);
  add_impute(app, exit_code);
  add_check(app, exit_code);
  add_replay(app, exit_code);
  add_simulate(app, exit_code);
  add_tail(app, exit_code);
  add_evaluate(app, exit_code);
  add_generate(app, exit_code);
  add_inspect(app, exit_code);
  add_latent(app, exit_code);
  add_alerts(app, exit_code);
  add_model(app, exit_code);
  add_patient(app, exit_code);
  add_feed(app, exit_code);
  add_completion(app, exit_code);
  add_man(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    exit_code = explain_arguments(app, e);
  } catch (const std::exception& e) {
    exit_code = explain({lacuna::Code::internal, e.what()});
  }
  const Status written = standard_output().finish();
  if (!written.ok()) {
    const int code = explain(written);
    if (exit_code == kExitOk) exit_code = code;
  }
  return exit_code;
}
