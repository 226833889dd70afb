#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/drift/missingness_matrix.h"

namespace lacuna::drift {

/// Rows of the matrix as people look at them: a line per modality (in the order they come) and site, each modality over all sites first
/// where there are several; weeks across.
struct MissingnessGrid {
  struct Cell {
    double hours = 0, arrived = 0;  ///< patient-hours; of them, with an event
    double share() const { return hours > 0 ? arrived / hours : 0; }
  };
  struct Line {
    std::string modality, site;
    std::map<Time, Cell> cells;  ///< by week
  };
  std::vector<Line> lines;
  std::set<Time> weeks;

  explicit MissingnessGrid(const std::vector<MissingnessMatrix::Row>& rows);
};

/// In place of a site's name.
inline constexpr const char* kAllSites = "(all)";

}  // namespace lacuna::drift
