#pragma once

#include <string>
#include <vector>

#include "daemon/plots/error_plot.h"
#include "daemon/table_imputation/baselines.h"
#include "model/predictive/calibration_curve.h"
#include "state/records/schema.h"
#include "state/records/status.h"

// The files of --plot that tell how good imputations are: `errors.svg` and `calibration.svg`.

namespace lacuna::daemon {

/// Makes the folder where it is not there. `unavailable` names it.
Status make_plot_folder(const std::string& folder);

/// Of an earlier run, where this one draws none of that name: it would be taken for this one's.
void remove_picture(const std::string& folder, const std::string& name);

/// Numbers and classes apart, since their errors are in different units. `chained`: whether these were compared with.
std::vector<ErrorSection> error_sections(const Schema& schema, const std::vector<ComparedFeature>& compared, bool chained);

/// `errors<suffix>.svg`. `of_what`: which values these are, a line.
Status write_errors(const std::string& folder, const std::string& suffix, const std::string& of_what, double level,
                    std::vector<ErrorSection> sections);
/// `calibration<suffix>.svg`; of a curve without a value it is said on standard error that there is none.
Status write_calibration(const std::string& folder, const std::string& suffix, const std::string& of_what,
                         const model::CalibrationCurve& curve);

}  // namespace lacuna::daemon
