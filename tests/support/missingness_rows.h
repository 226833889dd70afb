#pragma once

#include <chrono>
#include <vector>

#include "model/drift/missingness_matrix.h"
#include "state/records/time.h"

namespace lacuna::testing {

/// Twelve weeks of two modalities at two sites: blood gases stop at one of them, nobody is at the other for a week, and its name is markup.
inline std::vector<drift::MissingnessMatrix::Row> missingness_rows() {
  const Time week = *parse_rfc3339("2026-01-05T00:00:00Z");
  std::vector<drift::MissingnessMatrix::Row> rows;
  for (int w = 0; w < 12; ++w) {
    const Time at = week + w * std::chrono::days(7);
    rows.push_back({"icu-1", "vitals", at, 100, 0.9});
    rows.push_back({"icu-1", "blood_gas", at, 100, w < 6 ? 0.2 : 0.004});
    if (w == 3) continue;
    rows.push_back({"<b>&", "vitals", at, 300, 0.5});
    rows.push_back({"<b>&", "blood_gas", at, 300, 0.2});
  }
  return rows;
}

}  // namespace lacuna::testing
