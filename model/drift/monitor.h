#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/records.h"
#include "state/records/status.h"

// Drift and missingness alarms (docs/drift.md). Reads arrivals and interval misses, not raw messages. No LibTorch.

namespace lacuna::drift {

struct MonitorOptions {
  double false_per_month = 1.0;     ///< over all subjects together; thresholds follow
  Millis learning{std::chrono::hours(24)};  ///< clinical time before a subject can be armed
  std::uint64_t learning_updates_min = 500; ///< and updates
  double coverage_level = 0.9;      ///< nominal: misses are expected at 1 - level
};

/// What the pipeline tells of one applied event, before it is applied.
struct Arrival {
  std::string_view patient_id;
  std::string_view site;
  ModalityId modality = 0;
  Time time{};
  const Snapshot* before = nullptr;  ///< the patient's state before the event; event_count 0 for a new patient
};

/// What scoring tells of one predicted value.
struct Miss {
  std::string_view patient_id;
  FeatureId feature = 0;
  Time time{};
  bool missed = false;  ///< outside the model's own (not the calibrated) central interval at the level
};

enum class SubjectState : std::uint8_t { learning, armed, alarmed };  ///< muted or not: SubjectView::muted_until
std::string_view to_string(SubjectState state);

struct SubjectView {
  std::string kind;     ///< "missingness" or "coverage"
  std::string subject;  ///< modality or "modality.feature"
  SubjectState state = SubjectState::learning;
  std::uint64_t updates = 0;
  double expected = 0;  ///< baseline rate
  double recent = 0;    ///< rate now, exponentially weighted
  double log_evidence = 0;
  double log_threshold = 0;
  Time muted_until = Time::min();  ///< until then nothing is said; evidence is gathered all the same
};

/// All detectors. update order is stream order; clinical time drives it, never the wall clock. Not thread-safe.
/// A patient-hour is closed, and becomes one update per modality, once an event of the same patient has come after its end by
/// a grace period: only then is it certain that the patient was there. Patients are kept by hash; 50,000 at most are followed.
class Monitor {
 public:
  Monitor(const Schema& schema, MonitorOptions options);
  ~Monitor();
  Monitor(Monitor&&) noexcept;
  Monitor& operator=(Monitor&&) noexcept;

  void observe(const Arrival& arrival);
  /// No arrival older than this is expected any more; patients silent since long before it are forgotten. Where several
  /// partitions are read, one can be far ahead of another: so arrivals themselves do not move it. Never goes back.
  void advance(Time watermark);
  void observe(const Miss& miss);
  /// Alerts raised, updated or resolved by what was observed since the last call. Each alert is raised once.
  std::vector<Alert> take_alerts();

  /// The operator's decisions; `not_found` where no such subject is watched. Accepting takes what is seen from now on as the new
  /// normal: an open alert is resolved, the baseline learned anew, from `learning` on. `now`: clinical time.
  Status accept(std::string_view kind, std::string_view subject, Time now);
  /// Until `until` (clinical time) no message of this subject is given; Time::min() ends it.
  Status mute(std::string_view kind, std::string_view subject, Time until);

  std::vector<SubjectView> subjects() const;
  std::vector<Alert> open_alerts() const;

  std::string save() const;
  /// Left as it was when corrupt or unsupported (another schema). Options are the ones given at construction.
  Status load(std::string_view bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lacuna::drift
