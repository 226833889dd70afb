#include "daemon/commands/evaluate_mask.h"

#include <fmt/format.h>

#include <cstdio>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/plot_files.h"
#include "daemon/commands/session.h"
#include "daemon/table_imputation/baselines.h"
#include "daemon/table_imputation/mask.h"
#include "daemon/table_imputation/table_learning.h"
#include "daemon/tables/progress_bar.h"

namespace lacuna::daemon {

namespace {

int fail(const Status& status) {
  std::fprintf(stderr, "lacuna evaluate: %s\n", status.message().c_str());
  if (status.code() == Code::not_found) return kExitNothingLearned;
  return status.code() == Code::invalid ? kExitConfiguration : kExitFailed;
}

}  // namespace

int evaluate_mask(const Config& config, const std::vector<std::string>& paths, const std::string& mask, int epochs,
                  const std::string& plot) {
  const Schema& schema = *config.schema;
  streaming::FileMapping mapping = config.mapping.value_or(streaming::FileMapping());
  mapping.earliest = std::chrono::floor<Millis>(std::chrono::system_clock::now()) - config.limits.past_max;
  ProgressBar reading("reading", "bytes");
  const auto table = read_table(schema, mapping, paths, [&](std::uint64_t done, std::uint64_t all) { reading.update(done, all); });
  reading.finish();
  if (!table.ok()) return fail(table.status());
  const auto masked = read_mask(schema, mapping, paths, *table, mask);
  if (!masked.ok()) return fail(masked.status());
  const std::size_t cells = count(masked->cells);
  fmt::print(stderr, "{} cells are masked{}\n", cells,
             masked->unmeasured > 0 ? fmt::format("; {} that the mask names are empty in the table", masked->unmeasured) : "");
  if (cells == 0) return fail({Code::not_found, "the mask names no cell that was measured"});

  const PatientTable rest = without(*table, masked->cells);
  ProgressBar learning("learning", "examples");
  const auto learned =
      learn_table(config, rest, {epochs, false}, [&](std::uint64_t done, std::uint64_t all) { learning.update(done, all); });
  learning.finish();
  if (!learned.ok()) return fail(learned.status());
  const auto answers = ask_held_out(schema, *table, masked->cells, *learned->version, config.observations_min, false);
  if (!answers.ok()) return fail(answers.status());
  const std::vector<StandardScale> scales = scales_of(schema, rest, HeldOutCells(rest.patients.size()));
  const auto compared =
      compare(schema, rest, scales, *answers, chained_equations(schema, rest, masked->cells, scales), learned->calibrator);
  if (compared.empty()) return fail({Code::not_found, "too little was learned of the features that the mask names"});
  standard_output() << format_comparison(schema, compared, config.predict.level)
                    << "Errors in standard deviations of the cells that are not masked, MAE/RMSE; of classes the share that is wrong.\n";
  if (answers->size() < cells)
    standard_output() << fmt::format("Left out, since too little was learned of their features, or they are limits: {} cells\n",
                                     cells - answers->size());
  if (plot.empty()) return kExitOk;
  const std::string what = fmt::format("{} values that the mask hid, and that were not learned from.", answers->size());
  Status drawn = write_errors(plot, "", what, config.predict.level, error_sections(schema, compared, true));
  if (drawn.ok()) drawn = write_calibration(plot, "", what, calibration_curve(schema, learned->answers, *answers));
  return drawn.ok() ? kExitOk : fail(drawn);
}

}  // namespace lacuna::daemon
