#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/pipeline.h"
#include "daemon/simulator/ward.h"

namespace lacuna::daemon {

/// What `lacuna demo` shows: a live table while it runs, then a summary against the known truth. One thread.
class DemoReport {
 public:
  DemoReport(const Config& config, const WardOptions& ward);

  /// Before the run: what was written, and the truth at that moment.
  void expect(const Event& event, const WardTruth& truth);
  std::string opening() const;

  /// During the run.
  void show(const Progress& progress);
  void note(const Alert& alert);
  void compare(const std::vector<Imputation>& imputations);

  /// Prints the summary; true when every promise held.
  bool summary(const Progress& progress) const;

 private:
  struct Tally {  ///< of imputed against true values, in standard deviations of the feature
    std::uint64_t count = 0, covered = 0;
    double error_model = 0, error_mean = 0, error_last = 0;
    std::uint64_t classes = 0, classes_right = 0, classes_right_by_mode = 0;
  };
  struct Fault {
    std::string kind, subject, description;
    Time from{}, until{};
  };
  std::string table(const Progress& progress) const;
  bool reads_wrong(FeatureId feature, Time time) const;
  static bool tells_of(const Alert& alert, const Fault& fault);
  std::optional<Time> detected(const Fault& fault) const;

  const Config& config_;
  const WardOptions ward_;
  std::vector<Fault> faults_;
  bool terminal_;
  std::uint64_t events_ = 0;
  std::uint64_t values_ = 0;
  std::vector<double> sum_, square_;   ///< of what was measured, on the features' scales
  std::vector<std::uint64_t> seen_;
  std::vector<std::map<int, std::uint64_t>> class_counts_;
  std::unordered_map<std::string, std::map<Time, std::vector<double>>> truth_;
  std::unordered_map<std::string, std::vector<std::pair<Time, FeatureValue>>> measured_;
  Tally never_, stale_, shifted_;
  std::vector<Alert> alerts_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point shown_{};
  std::size_t lines_ = 0;  ///< of the table now on the terminal
};

}  // namespace lacuna::daemon
