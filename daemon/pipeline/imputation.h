#pragma once

#include <vector>

#include "daemon/config/config.h"
#include "model/model_version.h"
#include "model/predictive/calibration.h"
#include "state/records/records.h"
#include "streaming/messages/snapshot_codec.h"

// Which features and payloads of a patient are imputed, and what of a prediction is published.

namespace lacuna::daemon {

/// Words of an imputed text that are published.
inline constexpr std::size_t kWordsInSummary = 20;
inline constexpr std::size_t kWordsInWhole = 200;

/// Whether a version has learned of enough observations of something to say anything of it (imputation.observations_min).
inline bool informed(const Config& config, const model::LearnedFrom& from) { return from.observations >= config.observations_min; }

/// The features to predict for a snapshot under imputation.features: those that `version` is informed of.
std::vector<FeatureId> features_to_impute(const Config& config, const Snapshot& snapshot, Time time, const model::ModelVersion& version);

/// Values that one request may have drawn: samples times features.
inline constexpr std::size_t kSampledValuesMax = 20'000;

/// The joint samples of what `query` wants that the request asks for; without ones when it asks for none. Other patients' samples
/// are others, whatever the seed.
Result<model::Samples> sample_for(const model::Query& query, const streaming::ImputeRequest& request, const model::ModelVersion& version);

/// A prediction by `version` as it is published; `query.wanted` is parallel to `prediction.features`, `query.wanted_payloads` to
/// `prediction.payloads`. Under `imputation.uninformed: range` the features that `version` is not informed of are among the values, where
/// they have a declared range: it is their interval, and their sd is infinite.
Imputation make_imputation(const Config& config, const Snapshot& snapshot, Time time, const model::Prediction& prediction,
                           const model::Calibrator& calibrator, const model::ModelVersion& version);

/// The modalities whose payload to impute for a snapshot under imputation.payloads and imputation.features: those that `version` is
/// informed of.
std::vector<ModalityId> payloads_to_impute(const Config& config, const Snapshot& snapshot, Time time, const model::ModelVersion& version);

/// A prediction in the form that is published. `detail`: summary or whole.
ImputedPayload make_imputed_payload(const Schema& schema, const model::PayloadPrediction& prediction, ImputationReason reason,
                                    PayloadDetail detail);

}  // namespace lacuna::daemon
