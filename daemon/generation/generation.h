#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_version.h"
#include "state/records/records.h"
#include "state/records/status.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/messages/snapshot_codec.h"

// Conditional generation: joint samples of a patient's features given whatever is known of it, with and without an intervention.
// What is generated is no observation and never becomes one.

namespace lacuna::daemon {

/// Values put into a patient: `--set` and `--attribute`.
struct Assignments {
  std::vector<FeatureValue> features;      ///< each at most once, by FeatureId
  std::vector<AttributeValue> attributes;  ///< each at most once

  bool empty() const { return features.empty() && attributes.empty(); }
};

/// "vitals.hr=120", "neuro.acvpu=voice", "chemistry.creatinine=110 umol/L" (converted), "attribute.age=63". With `attributes_only`
/// "age=63" as well, and no features. Held against the schema as an event's values are; `invalid` names every text that is wrong.
Result<Assignments> parse_assignments(const Schema& schema, const std::vector<std::string>& texts, bool attributes_only);
/// Names of modalities.
Result<std::vector<ModalityId>> parse_modalities(const Schema& schema, const std::vector<std::string>& names);
/// What to draw, each once and ascending.
struct Selection {
  std::vector<FeatureId> features;
  std::vector<ModalityId> payloads;  ///< modalities that are not tabular
};
/// "vitals.hr", "vitals" (all of it), "chest_film", "all".
Result<Selection> parse_features(const Schema& schema, const std::vector<std::string>& names);

/// One JSON object as POST /v1/impute takes it, or one a line. `invalid` says in which line of `name` what is wrong.
Result<std::vector<streaming::ImputeRequest>> parse_given(const Schema& schema, std::string_view text, const std::string& name,
                                                          const streaming::CodecLimits& limits, Time now);

/// A patient of whom nothing is known, at the first moment of a stay that begins at the epoch.
Snapshot unknown_patient(const Schema& schema);
/// As if these modalities had never been measured.
void hide(const Schema& schema, const std::vector<ModalityId>& modalities, Snapshot& snapshot);
/// As if these values had been measured at `time`: one more value of the feature, or, where it was measured at that very time,
/// instead of that value.
void assign(const Schema& schema, const Assignments& assignments, Time time, Snapshot& snapshot);

struct GenerationPlan {
  std::size_t count = 1;  ///< samples a patient
  std::uint64_t seed = 1;
  Millis later{0};  ///< asked for this long after the patient's newest time
  std::vector<ModalityId> hidden;
  /// Drawn, known or not (payloads: not known ones only); empty: all that are not known. Those that `intervention` names are not drawn in
  /// its arm.
  std::optional<Selection> features;
  Selection uninformed{};    ///< of these the model knows too little: they are not drawn
  Assignments attributes;    ///< in both arms
  Assignments intervention;  ///< the intervention; empty: there is but the first arm
};

enum class Arm : std::uint8_t { factual, intervention };
std::string_view to_string(Arm arm);

/// What is to be sampled of one patient.
struct Generation {
  Snapshot factual, intervention;  ///< what each arm is given; `intervention` is like `factual` without an intervention
  Time time{};
  bool two_arms = false;
  std::vector<FeatureId> features;                         ///< of every sample: known, set and drawn ones; ascending
  std::vector<FeatureId> known, known_under_intervention;  ///< those that are not drawn, by arm
  std::vector<FeatureId> of_interest;                      ///< those that are drawn or set
  std::vector<ModalityId> payloads;                        ///< drawn in both arms; ascending
  std::uint64_t number = 0;                                ///< of the patient, from 0
  std::uint64_t seed = 0;
};

/// Samples in pieces of this size: the n-th sample of a patient is the same however many are asked for.
inline constexpr std::size_t kGenerationPiece = 128;

/// `number`: of the patient, from 0; other patients' samples are others. `not_found` when nothing is left to draw; `invalid` when what is
/// known was asked for.
Result<Generation> prepare(const Schema& schema, const GenerationPlan& plan, Snapshot patient, std::uint64_t number);

/// Both arms of a piece, sample by sample under the same noise; `intervention` is empty without an intervention.
struct GeneratedPiece {
  std::size_t first = 0;  ///< number of its first sample
  model::Samples factual, intervention;
};

/// Calls `take` for one piece after the other, until it fails.
Status generate(const model::ModelVersion& version, const Generation& what, std::size_t count,
                const std::function<Status(const GeneratedPiece&)>& take);

}  // namespace lacuna::daemon
