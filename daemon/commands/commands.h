#pragma once

#include <string>

namespace CLI {
class App;
}

// One function per subcommand: adds it to the application, with its options and a --help that teaches. Each sets
// `exit_code` when it ran. Exit codes are stable: 0 done, 1 failed, 2 wrong configuration or arguments, 3 a promise of the
// demo was not kept, 4 nothing was learned, or nothing there is to score.

namespace lacuna::daemon {

void add_run(CLI::App& app, int& exit_code);
void add_demo(CLI::App& app, int& exit_code);
void add_init(CLI::App& app, int& exit_code);
void add_impute(CLI::App& app, int& exit_code);
void add_check(CLI::App& app, int& exit_code);
void add_replay(CLI::App& app, int& exit_code);
void add_simulate(CLI::App& app, int& exit_code);
void add_tail(CLI::App& app, int& exit_code);
void add_evaluate(CLI::App& app, int& exit_code);
void add_generate(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app, int& exit_code);
void add_latent(CLI::App& app, int& exit_code);
void add_alerts(CLI::App& app, int& exit_code);
void add_model(CLI::App& app, int& exit_code);
void add_patient(CLI::App& app, int& exit_code);
void add_feed(CLI::App& app, int& exit_code);
void add_completion(CLI::App& app, int& exit_code);
void add_man(CLI::App& app, int& exit_code);

}  // namespace lacuna::daemon
