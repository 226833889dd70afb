#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/payload_statistics.h"
#include "model/robust_moments.h"
#include "state/records/bytes.h"
#include "state/records/records.h"
#include "state/records/schema_mapping.h"

// From snapshots to the numbers the network reads. No LibTorch. Everything is standardised by streaming
// moments, so that the network sees values of order one whatever the units; what is absent is zero with its
// mask at zero.

namespace lacuna::model {

/// Mean and spread of each feature on its scale and of each numeric attribute, and what is known of payloads as a whole; of none of them
/// does one value, or one patient, say much (RobustMoments). Part of a version.
class Standardiser {
 public:
  explicit Standardiser(const Schema& schema);
  /// Takes in the values that arrived and the attributes known before them. `patient`: whose they are (patient_hash(); 0: not known).
  void observe(const Example& example, std::uint64_t patient = 0);
  void forget(std::uint64_t patient);  ///< RobustMoments::forget() of all
  double mean(FeatureId feature) const { return features_[feature].mean(); }
  std::vector<float> means() const;  ///< by feature
  double sd(FeatureId feature) const { return features_[feature].sd(); }
  bool seen(FeatureId feature) const { return features_[feature].seen(); }
  /// By the position in InputLayout::payloads.
  const PayloadStatistics& payload(std::size_t slot) const { return payloads_[slot]; }
  double attribute_mean(std::size_t attribute) const { return attributes_[attribute].mean(); }
  double attribute_sd(std::size_t attribute) const { return attributes_[attribute].sd(); }
  void save(ByteWriter& out) const;
  bool load(ByteReader& in);  ///< false, and unchanged, when the sizes differ or bytes are missing
  /// RobustMoments::save_start() of all; after load().
  void save_start(ByteWriter& out) const;
  void load_start(ByteReader& in);
  /// Takes over what `before` knows of what stays; `mapping` leads from its schema to this one's, without a change of unit. Of a feature
  /// whose classes have other numbers now nothing is known: a mean of class numbers says nothing of another order.
  void carry(const Standardiser& before, const SchemaMapping& mapping);

 private:
  std::vector<Likelihood> likelihoods_;
  std::vector<RobustMoments> features_, attributes_;
  std::vector<std::optional<std::size_t>> slot_of_;  ///< by modality
  std::vector<PayloadStatistics> payloads_;
};

/// A modality whose events carry payloads.
struct PayloadSlot {
  ModalityId modality = kNoModality;
  std::string name;  ///< the modality's
  ModalityKind kind = ModalityKind::image;
  PayloadSpec spec;
};

/// Columns of a feature's past. All zero when the feature was never measured or is hidden.
enum PastColumn : std::int64_t {
  kMask,
  kLast,
  kAge,
  kFreshness,
  kMeanShort,
  kMeanLong,
  kSlope,
  kPrevious,
  kCount,
  kFreshness3,  ///< how much of 3, 10 and 30 hours is left: exp(-age / 3 h), ...
  kFreshness10,
  kFreshness30,
  kPastColumns  // then one column a category
};

/// Without the freshness over hours, which checkpoints of earlier versions lack.
inline constexpr std::int64_t kPastColumnsBefore = kFreshness3;

/// Sizes of the network's inputs, all given by the schema.
struct InputLayout {
  /// `columns`: of a feature's past, classes aside.
  explicit InputLayout(const Schema& schema, bool two_sided = false, std::int64_t columns = kPastColumns);

  std::int64_t features = 0;
  std::int64_t modalities = 0;
  std::int64_t categories = 0;  ///< most categories of any categorical or ordinal feature; 0: there is none
  std::int64_t columns = 0;     ///< PastColumn: of `side`, what is no class
  std::int64_t side = 0;        ///< numbers that describe what is known of one feature from one side of time
  std::int64_t past = 0;        ///< the same in all: one side, or first the past and then what came after
  std::int64_t context = 0;     ///< numbers that describe the patient: attributes, time since the first event
  std::vector<ModalityId> modality_of;
  std::vector<Likelihood> likelihoods;
  std::vector<std::int64_t> category_counts;  ///< per feature; 0 unless categorical or ordinal
  std::vector<double> low, high;              ///< per feature: plausible range
  std::vector<PayloadSlot> payloads;          ///< in the order of their modalities

  /// Whether something is known of a feature, from either side, in a row's `past` [features x past].
  bool known(std::span<const float> row_past, std::size_t feature) const;
};

/// What was longer ago than this is read as being this old.
inline constexpr double kAgeHoursMax = 24.0 * 365;
/// Values further from the mean than this many sd are read as being there: one typing error must not drown
/// the rest.
inline constexpr double kInputClamp = 6.0;
/// The same for values to be predicted.
inline constexpr double kTargetClamp = 10.0;
/// Of a count to be predicted: the logarithm of its ratio to the population's mean.
inline constexpr double kCountClamp = 4.0;

/// Where one example's numbers go; spans of the sizes the layout gives.
struct RowSpans {
  std::span<float> past;      ///< features x past
  std::span<float> observed;  ///< features: 1 when measured, else 0
  std::span<float> last;      ///< features: target() of the last value, 0 when there is none
  std::span<float> context;
  std::span<float> side{};  ///< features: side_of() the last value's comparator, 0 when there is none; empty: not wanted
};

class RowEncoder {
 public:
  explicit RowEncoder(const Schema& schema, bool two_sided = false);
  const InputLayout& layout() const { return layout_; }
  /// The patient as known in `snapshot` but for outcomes (Attribute::outcome), seen from `time`; of two sides, also what came `after`
  /// (null: nothing). Writes every element of `row`. True: a last value is a limit.
  bool encode(const Standardiser& standardiser, const Snapshot& snapshot, const Snapshot* after, Time time, const RowSpans& row) const;
  /// A value as the likelihoods take it: standardised for normal, log_normal and student_t, the class index, 0 or 1, or
  /// the count itself; each as far out as it may be. Of a limit: the outermost value on its side, as one more and one less are of counts.
  float target(const Standardiser& standardiser, FeatureId feature, double value, Comparator comparator = Comparator::equal) const;

 private:
  float input(const Standardiser& standardiser, FeatureId feature, double scale_value) const;
  /// What a limit is read as: the mean of what the population has beyond it, taken for normal. Of counts half of an upper limit, and a
  /// lower one itself.
  float censored_input(const Standardiser& standardiser, FeatureId feature, double scale_value, Comparator comparator) const;
  void encode_side(const Standardiser& standardiser, const FeatureState& state, FeatureId feature, Time time, float* side) const;

  InputLayout layout_;
  std::vector<std::int64_t> attribute_categories_;
  std::vector<bool> outcomes_;  ///< by attribute: never read
};

}  // namespace lacuna::model
