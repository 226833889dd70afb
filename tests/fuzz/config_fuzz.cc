#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "daemon/config/config.h"

// Any bytes as a configuration: it must never crash or throw, and must keep what config.h promises of an outcome.

namespace {

void require(bool held, const char* promise) {
  if (held) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lacuna::daemon;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const ConfigOutcome outcome = parse_config(text, "fuzz");
  require(outcome.config.has_value() == outcome.problems.empty(), "a configuration exactly when there is no problem");
  int lines = 2;  // the end of the last line may be named as the next one
  for (const char c : text) lines += c == '\n' || c == '\r' ? 1 : 0;
  int last = 0;
  for (const ConfigProblem& problem : outcome.problems) {
    require(problem.line >= last, "problems come in file order");
    require(problem.line <= lines && problem.column >= 0, "a place that exists");
    require(!problem.message.empty() && !format_problem(problem).empty(), "a problem says what it is");
    last = problem.line;
  }
  if (outcome.config) require(outcome.config->schema != nullptr, "a configuration has a schema");

  // The same bytes as an override must not get further than a complaint or a value.
  const ConfigOutcome overridden = parse_config("schema: {modalities: {a: {features: {b: }}}}\n", "fuzz", {text});
  require(overridden.config.has_value() == overridden.problems.empty(), "overrides are held to the same");
  return 0;
}
