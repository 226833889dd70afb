#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/pipeline.h"
#include "daemon/simulator/ward.h"
#include "daemon/tables/screen.h"

namespace lacuna::daemon {

/// What a run had of what a promise about a fault rests on, at the last look before the fault began.
struct FaultGround {
  bool by_model = false;     ///< it shows in values against the model's predictions; else in what does not arrive
  bool armed = false;        ///< a detector that would tell of it had learned what is normal
  double log_threshold = 0;  ///< of the evidence at which that detector tells of it, in nats
  double touched = 0;      ///< results that are missing before the alert is due; by model: patients it is seen in, each of whom tells once
  std::int64_t steps = 0;  ///< gradient steps taken
};

/// Why this run is too small for a promise, as a sentence; nothing: it is made. `steps`: gradient steps taken when comparing with the
/// truth began; `values`: compared ones.
std::optional<std::string> why_no_comparison(std::int64_t steps, std::uint64_t values, std::uint64_t values_min);
/// The same for an alert in time.
std::optional<std::string> why_no_alert(const FaultGround& ground);
/// False alerts that are promised not to be exceeded, for a budget of so many a month.
std::size_t false_alerts_max(double false_per_month, double hours);

/// What `lacuna demo` shows: a live table while it runs, then a summary against the known truth. One thread.
class DemoReport {
 public:
  /// Where it is shown; given by tests. No line takes more columns.
  struct Screen {
    std::ostream* out = nullptr;
    bool terminal = false;  ///< then the table is redrawn
    std::size_t columns = kColumns;
  };
  DemoReport(const Config& config, const WardOptions& ward, Screen screen);

  /// Before the run: what was written, and the truth at that moment.
  void expect(const Event& event, const WardTruth& truth);
  std::string opening() const;

  /// During the run.
  void show(const Progress& progress);
  void note(const Alert& alert);
  void compare(const std::vector<Imputation>& imputations);

  /// Prints the summary; true when every promise held that was made. What a promise rests on is measured in the run itself; where it is
  /// not there the figures are shown all the same, with why nothing is promised.
  bool summary(const Progress& progress);

 private:
  struct Tally {  ///< of imputed against true values, in standard deviations of the feature
    std::uint64_t count = 0, covered = 0;
    double error_model = 0, error_mean = 0, error_last = 0;
    std::uint64_t classes = 0, classes_right = 0, classes_right_by_mode = 0;
  };
  struct Fault {
    std::string kind, subject, description;
    Time from{}, until{};
    FaultGround ground;
    std::unordered_set<std::string> patients;  ///< by model: of ground.touched
  };
  Time compared_from() const { return ward_.start + ward_.duration / 2; }
  bool touches(const Event& event, const Fault& fault) const;
  void count_touched(const Event& event);
  void look(const Progress& progress);
  std::string table(const Progress& progress) const;
  void put(const std::string& text, std::size_t hang = 0) const;
  void redraw(const std::string& text);
  bool reads_wrong(FeatureId feature, Time time) const;
  static double promised_hours(const Fault& fault);  ///< from its begin to its alert
  static bool tells_of(const Alert& alert, const Fault& fault);
  class Verdicts;
  void judge_comparison(Verdicts& verdicts) const;
  void judge_faults(Verdicts& verdicts) const;
  std::optional<Time> detected(const Fault& fault) const;

  const Config& config_;
  const WardOptions ward_;
  std::vector<Fault> faults_;
  std::int64_t steps_ = 0;  ///< gradient steps taken when comparing with the truth began
  const Screen screen_;
  std::uint64_t events_ = 0;
  std::uint64_t values_ = 0;
  std::vector<double> sum_, square_;  ///< of what was measured, on the features' scales
  std::vector<std::uint64_t> seen_;
  std::vector<std::map<int, std::uint64_t>> class_counts_;
  std::unordered_map<std::string, std::map<Time, std::vector<double>>> truth_;
  std::unordered_map<std::string, std::vector<std::pair<Time, FeatureValue>>> measured_;
  Tally never_, stale_, shifted_;
  std::vector<Alert> alerts_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point shown_{};
  std::size_t lines_ = 0;  ///< of the screen that the table now takes
};

}  // namespace lacuna::daemon
