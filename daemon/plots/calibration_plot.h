#pragma once

#include <string>
#include <vector>

#include "model/predictive/calibration_curve.h"

// How often intervals hold, against how often they say that they do.

namespace lacuna::daemon {

/// A line for intervals that were calibrated, one for the model's own, and the range in which 95 % of such shares would lie by chance alone
/// if each interval held as often as it says, for values that are independent. Of a curve without a value: a picture that says so.
std::string calibration_plot(const model::CalibrationCurve& curve, const std::string& title, const std::vector<std::string>& notes);

}  // namespace lacuna::daemon
