#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "model/predictive/coverage.h"
#include "state/records/schema.h"

// Which features' intervals hold as often as they say: for `lacuna evaluate`, whether it scored the values itself or the daemon did.

namespace lacuna::daemon {

/// What is asked of a feature with at least so many values: coverage within the level plus or minus kCoverageSlack, and in any
/// model::kCoverageWindow values in a row within kWindowSlack of it.
inline constexpr std::uint64_t kCoverageValuesMin = 500;
inline constexpr double kCoverageSlack = 0.02, kWindowSlack = 0.04;

struct CoverageRow {
  FeatureId feature = 0;
  model::Coverage intervals;
  double width = 0, crps = 0;  ///< means, in standard deviations
};

enum class CoverageVerdict : std::uint8_t {
  few,  ///< too few values to say
  held,
  outside,
  outside_once,   ///< holds over all values, not in some window
  classes,        ///< more often than asked, of a discrete feature: a class is in or out as a whole
  single_valued,  ///< always, of a feature that has one value
};
CoverageVerdict verdict(const Schema& schema, const CoverageRow& row, double level);
std::string_view to_string(CoverageVerdict verdict);

/// One row a feature, and which of them are outside.
std::string format_coverage(const Schema& schema, const std::vector<CoverageRow>& rows, double level);
/// The same as JSON: a feature's figures beyond its coverage, and the names of the features by verdict.
void add_coverage(nlohmann::ordered_json& feature, const model::Coverage& intervals);
nlohmann::ordered_json coverage_json(const Schema& schema, const std::vector<CoverageRow>& rows, double level);
/// The qualified names of those with this verdict.
std::vector<std::string> names_of(const Schema& schema, const std::vector<CoverageRow>& rows, double level, CoverageVerdict wanted);

}  // namespace lacuna::daemon
