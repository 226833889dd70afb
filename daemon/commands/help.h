#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>

namespace lacuna::daemon {

/// --help as wide as the screen, at most kHelpColumns. Of a footer the lines that begin without a space are prose and filled anew; those
/// that begin with one (examples, lists) stay as they are.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
  std::string make_footer(const CLI::App* app) const override;
  std::string make_description(const CLI::App* app) const override;
  std::string make_subcommand(const CLI::App* sub) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
};
inline constexpr std::size_t kHelpColumns = 100;

/// Says on standard error what is wrong with the arguments, and what was meant by a word that is not known; of --help and --version, what
/// they ask for on standard output. Returns the exit code.
int explain_arguments(const CLI::App& app, const CLI::ParseError& error);

}  // namespace lacuna::daemon
