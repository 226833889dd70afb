#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "state/records/comparator.h"
#include "state/records/schema.h"
#include "state/records/time.h"

// The plain values that flow through Lacuna: bytes -> Event -> Snapshot -> scores and Imputation -> bytes.
// What was not measured is absent (a count of 0, an empty optional): never NaN, 0 or -1.

namespace lacuna {

/// One measured value on its natural scale and in the schema's unit; for categorical features the class index, for
/// bernoulli 0 or 1. A number may be censored: then it is the limit.
struct FeatureValue {
  FeatureId feature = 0;
  double value = 0;
  Comparator comparator{};
  friend bool operator==(const FeatureValue&, const FeatureValue&) = default;
};

/// One attribute of a patient: position in Schema::attributes() and its number or class index.
struct AttributeValue {
  std::uint32_t attribute = 0;
  double value = 0;
  friend bool operator==(const AttributeValue&, const AttributeValue&) = default;
};

/// Which of two reports of one result is the newer. Those of one result are all of one kind.
struct Revision {
  enum class Kind : std::uint8_t { none, number, time };
  Kind kind = Kind::none;
  double value = 0;  ///< a number, or milliseconds since 1970; no meaning with Kind::none
  friend bool operator==(const Revision&, const Revision&) = default;
};

/// What a laboratory or a record says of a result. The last two withdraw it.
enum class ResultStatus : std::uint8_t { final, preliminary, corrected, entered_in_error, cancelled };
std::string_view to_string(ResultStatus status);
std::optional<ResultStatus> parse_result_status(std::string_view name);
constexpr bool withdraws(ResultStatus s) { return s == ResultStatus::entered_in_error || s == ResultStatus::cancelled; }

/// What an event says about a person instead of what was measured.
enum class PersonChange : std::uint8_t { none, merge, forget };

/// One observation of one modality of one patient at one clinical time. `modality` is kNoModality for an event that
/// carries no values: attributes alone (an admission), a withdrawal, what is said of the person or the stay. `values` holds each feature
/// at most once, all of that modality (of one that is not tabular: a payload); of a withdrawal it names them, each as 0, or none for all.
struct Event {
  std::string event_id;
  std::string patient_id;
  std::string site;  ///< may be empty
  ModalityId modality = kNoModality;
  Time time{};
  std::vector<FeatureValue> values;
  std::vector<AttributeValue> attributes;
  PayloadRef payload{};
  std::string result_id{};  ///< the fact that this event reports; empty: the event is a fact of its own
  Revision revision{};      ///< of that fact; without one the later in the partition holds
  ResultStatus status = ResultStatus::final;
  PersonChange person = PersonChange::none;
  std::string merged_into{};  ///< PersonChange::merge: the patient who goes on
  bool stay_ends = false;     ///< a discharge
  std::string stay_site{};    ///< a transfer: where the patient goes; empty: none
  friend bool operator==(const Event&, const Event&) = default;
};

/// Where a record was read.
struct SourcePosition {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  friend auto operator<=>(const SourcePosition&, const SourcePosition&) = default;
};

/// What a snapshot knows of one feature. With count 0 nothing else has a meaning.
struct FeatureState {
  double last = 0;          ///< newest value by clinical time, natural scale
  Time time{};              ///< its clinical time
  std::uint32_t count = 0;  ///< values ever applied, late ones too
  float mean_short = 0;     ///< exponential mean, time constant 2 h, natural scale (log(1+x) for log_normal)
  float mean_long = 0;      ///< the same with 24 h
  float slope = 0;          ///< change per hour, exponentially weighted (time constant 6 h), on the same scale
  float previous = 0;       ///< the value before `last`, on the same scale; equal to last's when count is 1
  Comparator comparator{};  ///< of `last`: unless equal, that is a limit
  bool unmeasured = false;  ///< every value was a limit: the means, the slope and `previous` say nothing, and are last's
  friend bool operator==(const FeatureState&, const FeatureState&) = default;
};

struct ModalityState {
  Time last_time{};         ///< newest clinical time; no meaning when count is 0
  std::uint32_t count = 0;  ///< events ever applied
  PayloadRef payload{};     ///< of the newest event, which was at last_time; none for tabular modalities
  friend bool operator==(const ModalityState&, const ModalityState&) = default;
};

/// Bound on the remembered event ids of a patient (Snapshot::recent_ids): a duplicate that comes later than this many
/// of the patient's events is not recognised.
inline constexpr std::size_t kRecentIdsMax = 64;

/// Bound on Snapshot::merged_from.
inline constexpr std::size_t kMergedFromMax = 64;

/// One patient's state; bounded in size by the schema and kRecentIdsMax.
struct Snapshot {
  std::string patient_id;
  std::string site;
  Time first_time{};                             ///< clinical time of the first event
  Time last_time{};                              ///< newest clinical time
  std::uint64_t event_count = 0;                 ///< events applied; 0 only in a snapshot not yet used
  std::vector<FeatureState> features;            ///< Schema::feature_count() entries
  std::vector<ModalityState> modalities;         ///< Schema::modality_count() entries
  std::vector<std::optional<float>> attributes;  ///< Schema::attributes().size() entries
  std::vector<std::uint64_t> recent_ids;         ///< hashes of the newest event ids, oldest first
  SourcePosition source;                         ///< the newest record applied
  std::string merged_into{};                     ///< key of the person to whom this one's events go since a merge; empty: none
  std::vector<std::string> merged_from{};        ///< keys of those merged into this one, newest last, at most kMergedFromMax
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

/// A payload that arrived.
struct PayloadValue {
  ModalityId modality = kNoModality;
  PayloadRef payload;
  friend bool operator==(const PayloadValue&, const PayloadValue&) = default;
};

/// A learning example, test-then-train: the patient as known strictly before `time`, and what was measured at `time`.
struct Example {
  Snapshot before;  ///< recent_ids and source are not needed and may be empty
  Time time{};
  std::vector<FeatureValue> arrived;             ///< each feature at most once; may span modalities
  std::vector<PayloadValue> arrived_payloads{};  ///< each modality at most once
  /// For retrospective models only, never stored: what is known of the time after `time`, as if time ran backwards.
  std::shared_ptr<const Snapshot> after{};
  friend bool operator==(const Example&, const Example&) = default;
};

enum class ImputationReason : std::uint8_t { never_measured, stale };
std::string_view to_string(ImputationReason reason);

/// The predictive distribution of one feature, summarised on its natural scale.
struct ImputedValue {
  FeatureId feature = 0;
  ImputationReason reason = ImputationReason::never_measured;
  double mean = 0;
  double median = 0;
  double sd = 0;
  double low = 0;  ///< calibrated interval at Imputation::level
  double high = 0;
  std::vector<double> probabilities;  ///< discrete features only: of each category ({P(0), P(1)} for bernoulli)
  std::vector<double> samples{};      ///< joint over all features of an imputation: the n-th ones belong together; empty: not asked for
};

/// A word and how often it is expected in a text.
struct ImputedWord {
  std::string word;
  double expected = 0;
};

/// Mean and standard deviation of all values of one channel under their predictive distribution: how they differ from place to
/// place is in it, and how uncertain each is.
struct ImputedChannel {
  double mean = 0;
  double sd = 0;
};

/// The predictive distribution of a payload that is missing or stale. Images, signals, embeddings: per value, as the modality's
/// payloads are laid out, or in short per channel. Text: the words whose expected counts are highest, and those counts.
struct ImputedPayload {
  ModalityId modality = kNoModality;
  ImputationReason reason = ImputationReason::never_measured;
  std::vector<float> mean, sd, low, high;  ///< [low, high]: central interval at Imputation::level, not calibrated
  std::vector<ImputedChannel> channels;    ///< in place of mean to high; an embedding has one
  std::vector<ImputedWord> words;          ///< falling
};

/// How much a modality had to say in one imputation.
struct ModalityShare {
  ModalityId modality = kNoModality;
  double share = 0;  ///< over all modalities that were known: sums to 1
};

/// What a model version takes a patient for: mean and standard deviation of its posterior over the latent state, a number a dimension.
/// The dimensions are that version's own.
struct LatentState {
  std::vector<float> mean, sd;
};

/// What is published for one patient whose state changed.
struct Imputation {
  std::string patient_id;
  Time time{};  ///< the snapshot's newest clinical time
  std::string model_version;
  SourcePosition source;                   ///< input position of the newest event it rests on
  std::vector<ModalityId> based_on;        ///< modalities with at least one observed, not stale feature
  double level = 0.9;                      ///< nominal coverage of the intervals
  double effective_samples = 0;            ///< of the importance weights, 1..K
  std::vector<ImputedValue> values;        ///< each missing or stale feature once, by FeatureId
  std::vector<ModalityShare> weights{};    ///< by ModalityId; empty: not asked for
  std::vector<ImputedPayload> payloads{};  ///< each missing or stale payload modality once, by ModalityId; empty: not published
  std::optional<LatentState> latent{};     ///< by `model_version`; empty: not asked for
};

enum class AlertState : std::uint8_t { raised, updated, resolved };
enum class Severity : std::uint8_t { info, critical };
std::string_view to_string(AlertState state);
std::string_view to_string(Severity severity);

struct Contributor {
  std::string name;  ///< a feature, site or pattern; never a patient
  double share = 0;  ///< of the evidence, 0..1
};

/// How much moved, as a number that people know; never the reason for an alert.
struct Effect {
  std::string name;  ///< "mean_shift" (standard deviations), "missing_share", "psi", "g" (the G-test's statistic)
  double value = 0;
  friend bool operator==(const Effect&, const Effect&) = default;
};

enum class Resolution : std::uint8_t { open, returned, accepted };
std::string_view to_string(Resolution resolution);

/// One decision of one detector.
struct Alert {
  std::string alert_id;  ///< "kind/subject@since": the same through the alert's life
  AlertState state = AlertState::raised;
  std::string kind;           ///< "missingness" (arrivals), "coverage" (interval misses), ...
  std::string subject;        ///< modality or feature name
  Time since{};               ///< estimated onset, clinical time
  Time earliest{}, latest{};  ///< interval of the onset
  Time detected{};            ///< clinical time at which the threshold was passed
  Time told{};                ///< clinical time of this message; the epoch in those of before there was one
  double evidence = 0;        ///< e-value of the detector
  double threshold = 0;       ///< = stated average run length to a false alarm, in updates of this subject
  Severity severity = Severity::info;
  std::string summary;           ///< one sentence for a person: what moved, from what to what
  double before = 0, after = 0;  ///< mean of what is watched: as expected, and since the onset
  std::vector<Effect> effects;
  std::vector<Contributor> contributors;
  bool adapted = false;                      ///< open, and as predicted again, but not back at what it was before the onset
  Resolution resolution = Resolution::open;  ///< why it is resolved
  std::string action;                        ///< what was done about it; empty: nothing
  std::string model_version;
};

}  // namespace lacuna
