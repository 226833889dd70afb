#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/drift/missingness_matrix.h"
#include "model/drift/options.h"
#include "model/drift/subject.h"
#include "state/records/pieces.h"
#include "state/records/records.h"
#include "state/records/schema_mapping.h"
#include "state/records/status.h"

// Drift and missingness alarms (docs/drift.md). Reads arrivals, scores and codes, not messages. No LibTorch.

namespace lacuna::drift {

/// One applied event.
struct Arrival {
  std::string_view patient_id;
  std::string_view site;
  ModalityId modality = 0;  ///< kNoModality: attributes only
  Time time{};
  std::span<const FeatureValue> values;
  std::span<const AttributeValue> attributes;
  /// What was known of the patient before this event, to whichever instance; null: as much as here. What came while another instance held
  /// the patient is not missing, and a stay that began there does not begin here.
  const Snapshot* before = nullptr;
};

/// One predicted value, and how the model's own (not the calibrated) predictive distribution did. Of a limit, of a value drawn from what
/// that distribution expects beyond it (model::Score::censored), which has no `value`.
struct Scored {
  std::string_view patient_id;
  FeatureId feature = 0;
  Time time{};
  double z = 0;                                      ///< normal score of the value under the prediction
  bool missed = false;                               ///< outside the central interval at the level
  double error = 0;                                  ///< |median - value| in standard deviations of the feature
  std::span<const std::optional<float>> attributes;  ///< of the patient: Snapshot::attributes; may be empty
  std::optional<double> value{};                     ///< itself; absent: whether it is as before an onset is not watched
  /// How a version from before the onset of what is alarmed of the feature did, where it was asked (asks_earlier).
  struct Earlier {
    double z = 0, error = 0;
    bool missed = false;
  };
  std::optional<Earlier> earlier{};
};

/// What became of one record that was read.
enum class RecordFate : std::uint8_t { applied, late, duplicate, refused };

/// All subjects. The order of calls is stream order; clinical time drives everything, never the wall clock. Not thread-safe.
/// A patient-hour is closed, and becomes one outcome per modality, once an event of the same patient has come after its end by
/// a grace period: only then is it certain that the patient was there. The first value of a feature in a patient-hour speaks for it.
class Monitor {
 public:
  Monitor(const Schema& schema, MonitorOptions options);
  ~Monitor();
  Monitor(Monitor&&) noexcept;
  Monitor& operator=(Monitor&&) noexcept;

  void observe(const Arrival& arrival);
  void observe(const Scored& scored);
  void observe(RecordFate fate);
  /// No arrival older than this is expected any more; patients silent since long before it are forgotten. Where several
  /// partitions are read, one can be far ahead of another: so arrivals themselves do not move it. Never goes back.
  void advance(Time watermark);

  /// One patient, as if never seen; what the detectors have counted stays.
  void forget(std::string_view patient_id);
  /// A discharge: what comes later, by clinical time, begins a new stay. None where something newer has come already.
  void leave(std::string_view patient_id, Time time);
  /// A transfer: from then on the patient is expected there. None where something newer has come already.
  void move(std::string_view patient_id, std::string_view site, Time time);

  /// Latent codes: one for each stay, once it has lasted six hours. True when this patient's is due; says so once.
  bool code_due(std::string_view patient_id, Time time);
  /// While true, patients whose code is due become the reference (kReference of them) instead of being held against one.
  bool gathers_reference() const;
  static constexpr std::size_t kReference = 400;
  void gather_reference();            ///< anew
  void observe_reference(Time time);  ///< one more patient has become part of it
  void set_reference(std::span<const std::vector<float>> codes);
  bool has_reference() const;
  void observe_code(std::string_view patient_id, std::span<const float> code, Time time);

  /// Of the open alerts of what is held against predictions, the earliest onset: a version from before it can tell whether the stream is
  /// back, whatever the serving one has learned since. Empty: none is open.
  std::optional<Time> onset_to_ask_before() const;
  /// Is such an alert of this feature open?
  bool asks_earlier(FeatureId feature) const;
  /// Whether such a version is asked (Scored::earlier). While one is, an alert that it could speak for waits for it; not stored.
  void set_earlier_at_hand(bool at_hand);

  /// Alerts raised, updated or resolved by what was observed since the last call. Each alert is raised once.
  std::vector<Alert> take_alerts();

  /// The operator's decisions; `not_found` where no such subject is watched. Accepting takes what is seen from now on as the new
  /// normal: an open alert is resolved, the baseline learned anew, from `learning` on. `invalid` where none is open, unless by `force`.
  /// `now`: clinical time.
  Status accept(std::string_view kind, std::string_view subject, Time now, bool force = false);
  /// Until `until` (clinical time) no message of this subject is given; Time::min() ends it.
  Status mute(std::string_view kind, std::string_view subject, Time until);

  std::vector<SubjectView> subjects() const;
  std::vector<Alert> open_alerts() const;
  std::size_t patients() const;
  std::vector<MissingnessMatrix::Row> missingness() const;

  /// Whole, but for kPatientsInWhole (patients.h).
  std::string save() const;
  /// save() without anybody, in pieces: those of what has not changed are the same objects as before. The patients are rows beside it.
  Pieces pieces() const;
  /// Those who have changed since the last call, or since load(), by hash of the id; empty: gone.
  std::map<std::uint64_t, std::optional<std::string>> take_changed_patients();
  /// All of them are among the next ones taken.
  void all_patients_changed();
  /// A row as take_changed_patients() gave it, beside what pieces() gave then and load() has read; false when it is not one.
  bool load_patient(std::uint64_t key, std::string_view bytes, const SchemaMapping* grown = nullptr);
  /// Left as it was when corrupt or unsupported (another version or schema). Options are the ones given at construction. `grown`: the
  /// bytes were written under another schema, from which this leads to the present one; null: under this one.
  ///
  /// What stays under another schema, by name: every subject of a modality, feature, group or attribute that stays, and those of the
  /// stream and the codes, with baseline, evidence, alert and mute; the present patients; the matrix. Of another unit all stays, since
  /// scores and errors are in standard deviations; the moments that standardise first values are converted. Begun anew, with their
  /// learning period, under their name and with their mute:
  /// - all of a feature that counts as new, for its likelihood or its unit;
  /// - `distribution` of a log_normal feature in another unit: its moments are on log(1 + value), where a factor is no factor;
  /// - `mix` of classes of which some are new or gone; in another order they go on;
  /// - `pattern`, when modalities are new or gone, or others are among the first PatternSubject::kModalitiesMax.
  /// An open alert of what begins anew or is gone is resolved as accepted and is among the next alerts taken; so is one of a kind that
  /// is no longer watched.
  Status load(std::string_view bytes, const SchemaMapping* grown = nullptr);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lacuna::drift
