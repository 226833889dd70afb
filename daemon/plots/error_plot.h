#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// How far off the imputations of each feature are, beside plain methods.

namespace lacuna::daemon {

struct ErrorRow {
  std::string name;
  std::uint64_t cells = 0;
  double ours = 0;
  std::optional<double> mean{}, last{}, chained{};  ///< of plain methods on the same cells
  std::optional<double> inside{};                   ///< share inside our intervals
};

/// Rows whose errors are in one unit.
struct ErrorSection {
  std::string title;
  std::vector<ErrorRow> rows;  ///< drawn from the smallest error of ours on
};

struct ErrorPlot {
  std::string title;
  std::vector<std::string> notes;  ///< below the title, a line each
  double level = 0.9;              ///< of the intervals
  std::vector<ErrorSection> sections;
};

/// A row a feature, a mark a method. Of more than kErrorRows rows in a section those with the most cells are drawn, and it says so.
std::string error_plot(const ErrorPlot& plot);
inline constexpr std::size_t kErrorRows = 120;

}  // namespace lacuna::daemon
