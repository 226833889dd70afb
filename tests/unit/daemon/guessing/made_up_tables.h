#pragma once

#include <cmath>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "daemon/guessing/column_profile.h"
#include "state/records/hash.h"
#include "tests/support/scratch_folder.h"

// Tables of the forms that people have, made up: the same at each run.

namespace lacuna::daemon::testing {

/// Even in [0, 1): of one number of one kind.
inline double even(std::uint64_t kind, std::uint64_t number) { return to_unit(mix64(mix64(kind) ^ number)); }
/// Roughly normal.
inline double bell(std::uint64_t kind, std::uint64_t number) {
  double sum = -6;
  for (std::uint64_t i = 0; i < 12; ++i) sum += even(kind * 100 + i, number);
  return sum;
}
inline std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

inline ColumnProfile profile_of(const std::vector<std::string>& cells, char decimal = '.') {
  ColumnProfile out(decimal);
  for (const std::string& cell : cells) out.add(cell);
  return out;
}

class Files {
 public:
  /// The path of a file with this text; folders in its name are made.
  std::string write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = std::filesystem::path(folder_.path()) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
  std::string path(const std::string& name) const { return (std::filesystem::path(folder_.path()) / name).string(); }

 private:
  lacuna::testing::ScratchFolder folder_;
};

/// A data frame with its index, a row a patient: classes, codes, skewed values, cells below 20 as 0, and what is left out.
inline std::string frame_of_patients(std::size_t rows = 400) {
  std::string out = ",age,sex,cp,trestbps,chol,restecg,oldpeak,diagnosis,visit_no,remark\n";
  for (std::size_t i = 0; i < rows; ++i) {
    const double age = 55 + 9 * bell(1, i);
    out += std::to_string(i) + "," + fixed(age, 0) + "," + (even(2, i) < 0.6 ? "1" : "0") + "," +
           std::to_string(1 + static_cast<int>(4 * even(3, i)));
    out += "," + (even(4, i) < 0.1 ? "" : fixed(130 + 15 * bell(5, i), 0));
    out += "," + (even(6, i) < 0.15 ? "0" : fixed(240 + 40 * bell(7, i), 0));
    out += "," + std::to_string(static_cast<int>(3 * even(8, i))) + "," + fixed(std::max(0.0, 1 + bell(9, i)), 1);
    out += "," +
           std::string(even(10, i) < 0.5   ? "angina"
                       : even(11, i) < 0.3 ? "none"
                                           : "\"infarct, old\"") +
           ",1,remark number " + std::to_string(i) + "\n";
  }
  return out;
}

/// A row a visit, days since the first: values, a column that is the same in each patient, and a row number.
inline std::string frame_of_visits(std::size_t patients = 60) {
  std::string out = "rownames,id,trt,age,day,ascites,edema,bili,albumin,chol\n";
  std::size_t row = 0;
  for (std::size_t p = 0; p < patients; ++p) {
    const double age = 50 + 10 * bell(20, p), level = std::exp(0.5 + bell(21, p));
    const std::size_t visits = 3 + static_cast<std::size_t>(5 * even(22, p));
    for (std::size_t v = 0; v < visits; ++v) {
      const std::uint64_t n = p * 100 + v;
      out += std::to_string(++row) + "," + std::to_string(p + 1) + "," + std::to_string(p % 2) + "," + fixed(age, 6) + "," +
             std::to_string(v * 180 + static_cast<std::size_t>(20 * even(23, n)) * (v > 0 ? 1 : 0)) + "," +
             (even(24, n) < 0.2 ? "1" : "0") + "," +
             (even(25, n) < 0.7    ? "0"
              : even(25, n) < 0.85 ? "0.5"
                                   : "1") +
             "," + fixed(level * std::exp(0.2 * bell(26, n)), 1) + "," + fixed(3.5 + 0.4 * bell(27, n), 2) + "," +
             (even(28, n) < 0.4 ? "NA" : fixed(300 + 50 * bell(29, n), 0)) + "\n";
    }
  }
  return out;
}

/// One file a stay, a value a row, hours and minutes since its start.
inline void stays(Files& files, const std::string& folder, std::size_t count = 40) {
  for (std::size_t p = 0; p < count; ++p) {
    std::string out = "Time,Parameter,Value\n00:00,RecordID," + std::to_string(13000 + 7 * p) + "\n";
    out += "00:00,Age," + fixed(60 + 12 * bell(30, p), 0) + "\n00:00,Gender," + std::to_string(p % 2) + "\n00:00,Height," +
           (p % 3 == 0 ? "-1" : fixed(170 + 9 * bell(31, p), 1)) + "\n";
    for (std::size_t h = 0; h < 24; ++h) {
      const std::uint64_t n = p * 100 + h;
      const std::string time = (h < 10 ? "0" : "") + std::to_string(h) + ":15,";
      out += time + "HR," + fixed(85 + 12 * bell(32, n), 0) + "\n" + time + "SysABP," +
             (n % 97 == 5 ? "0" : fixed(120 + 15 * bell(33, n), 0)) + "\n";
      if (h % 6 == 0)
        out += time + "pH," + (n % 400 == 6 ? "735" : fixed(7.4 + 0.05 * bell(34, n), 2)) + "\n" + time + "PaCO2," +
               fixed(40 + 5 * bell(35, n), 0) + "\n";
      if (h % 12 == 0)
        out += time + "Creatinine," + fixed(std::exp(0.2 + 0.5 * bell(36, n)), 1) + "\n" + time + "BUN," +
               fixed(std::exp(3 + 0.4 * bell(37, n)), 0) + "\n";
      if (h % 12 == 1) out += time + "MechVent,1\n";
    }
    files.write(folder + "/" + std::to_string(13000 + 7 * p) + ".txt", out);
  }
}

}  // namespace lacuna::daemon::testing
