#include "daemon/commands/plot_files.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "daemon/commands/checked_output.h"
#include "daemon/plots/calibration_plot.h"

namespace lacuna::daemon {

Status make_plot_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error && !std::filesystem::is_directory(folder, error)) error = std::make_error_code(std::errc::not_a_directory);
  return error ? Status(Code::unavailable, "cannot write " + folder + ": " + error.message()) : Status();
}

void remove_picture(const std::string& folder, const std::string& name) {
  std::error_code ignored;
  std::filesystem::remove(folder + "/" + name, ignored);
}

std::vector<ErrorSection> error_sections(const Schema& schema, const std::vector<ComparedFeature>& compared, bool chained) {
  ErrorSection numbers{"Numbers: mean error, in standard deviations of the feature", {}}, classes{"Classes: share that is wrong", {}};
  for (const ComparedFeature& c : compared) {
    ErrorSection& section = is_discrete(schema.features()[c.feature].likelihood) ? classes : numbers;
    section.rows.push_back({schema.qualified_name(c.feature), c.count, c.ours.mae, c.mean.mae, c.last.mae,
                            chained ? std::optional(c.chained.mae) : std::nullopt, c.covered});
  }
  return {std::move(numbers), std::move(classes)};
}

Status write_errors(const std::string& folder, const std::string& suffix, const std::string& of_what, double level,
                    std::vector<ErrorSection> sections) {
  std::erase_if(sections, [](const ErrorSection& s) { return s.rows.empty(); });
  if (sections.empty()) {
    fmt::print(stderr, "no value was asked for again: errors{}.svg is not drawn\n", suffix);
    remove_picture(folder, "errors" + suffix + ".svg");
    return {};
  }
  const ErrorPlot plot{"How far off imputed values are",
                       {of_what, "Nearer to 0 is better. Each row is one feature, each mark one method."},
                       level,
                       std::move(sections)};
  return write_file(folder + "/errors" + suffix + ".svg", error_plot(plot));
}

Status write_calibration(const std::string& folder, const std::string& suffix, const std::string& of_what,
                         const model::CalibrationCurve& curve) {
  if (curve.count == 0) {
    fmt::print(stderr, "no number was asked for again: calibration{}.svg is not drawn\n", suffix);
    remove_picture(folder, "calibration" + suffix + ".svg");
    return {};
  }
  const std::vector<std::string> notes{of_what, fmt::format("Drawn from {} numbers; counts and classes are left out.", curve.count),
                                       "On the dotted line intervals hold as often as they say; above it more often.",
                                       "Grey: where 95 % of shares lie by chance, were the values independent."};
  return write_file(folder + "/calibration" + suffix + ".svg", calibration_plot(curve, "Do the intervals hold?", notes));
}

}  // namespace lacuna::daemon
