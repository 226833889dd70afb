#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace lacuna::daemon {

/// The least that is a configuration, to put before what a test is about: kMinimalLines lines.
inline const std::string kMinimal =
    "schema:\n"
    "  modalities:\n"
    "    vitals:\n"
    "      features:\n"
    "        hr: {unit: /min, range: [1, 300]}\n";
inline constexpr int kMinimalLines = 5;

/// "3:5 train.beta": where problems are, without what they say.
inline std::vector<std::string> places(const ConfigOutcome& outcome) {
  std::vector<std::string> out;
  for (const ConfigProblem& p : outcome.problems) {
    out.push_back(std::to_string(p.line) + ":" + std::to_string(p.column) + " " + p.key);
  }
  return out;
}

/// All problems as a user sees them, for messages of failed tests.
inline std::string told(const std::vector<ConfigProblem>& problems) {
  std::string out;
  for (const ConfigProblem& p : problems) out.append(format_problem(p)).append("\n");
  return out;
}

}  // namespace lacuna::daemon
