#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/drift/baseline.h"
#include "model/drift/detector.h"
#include "model/drift/monitor.h"

namespace lacuna::drift {

/// What is fixed about a subject.
struct SubjectSpec {
  std::string kind, subject;
  std::string what;                ///< for people: "arrivals", "interval misses"
  std::string per;                 ///< of what the rate is: "patient-hour", "prediction"
  bool falling = true;             ///< is a fall of the rate of interest?
  Severity severity = Severity::info;
  std::vector<std::uint8_t> groups;  ///< of the baseline's cells
  Baseline::Slack slack;
  double floor = 0;
};

/// One thing that is watched: what is normal, the evidence against it, and the life of its alert
/// (learning -> armed -> alarmed -> armed ...). Time is clinical. Not thread-safe.
class Subject {
 public:
  /// `subjects`: how many share the budget.
  Subject(SubjectSpec spec, const MonitorOptions& options, std::size_t subjects);

  /// One outcome in [0, 1]. `hour`: begin of the patient-hour it belongs to; `now`: the newest time seen; `name_site` is asked
  /// only when an alert is written.
  using NameSite = std::function<std::string(std::uint16_t)>;
  void update(double x, std::size_t cell, Time hour, Time now, std::uint16_t site, const NameSite& name_site,
              std::vector<Alert>& alerts);

  void accept(Time now, std::vector<Alert>& alerts);
  void mute(Time until) { muted_until_ = until; }
  const SubjectSpec& spec() const { return spec_; }
  SubjectState state() const { return state_; }
  double overall() const { return baseline_.overall(); }
  const std::optional<Alert>& alert() const { return alert_; }
  SubjectView view() const;

  void save(ByteWriter& out) const;
  void load(ByteReader& in);

 private:
  void arm(Time now);
  void raise(Time now, const NameSite& name_site, std::vector<Alert>& alerts);
  void describe(Time now, const NameSite& name_site);
  bool follow(double x, const Bounds& bounds);

  SubjectSpec spec_;
  MonitorOptions options_;
  double subjects_;
  Baseline baseline_;
  Detector detector_;
  SubjectState state_ = SubjectState::learning;
  std::uint64_t updates_ = 0;
  Time first_{};             ///< of the first update
  double recent_ = 0, recent_expected_ = 0;   ///< exponential means
  double threshold_ = 0;     ///< set when armed
  std::optional<Alert> alert_;
  // While alarmed:
  double shift_ = 0;         ///< log odds from normal to what it was when raised
  double back_ = 1;          ///< evidence that the rate has returned (a CUSUM)
  double told_ = 0;          ///< evidence in the last message
  Time told_at_{};
  Time muted_until_ = Time::min();
};

void save_alert(const Alert& alert, ByteWriter& out);
Alert load_alert(ByteReader& in);

}  // namespace lacuna::drift
