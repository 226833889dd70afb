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

/// The features to publish for a snapshot under imputation.features.
std::vector<FeatureId> features_to_impute(const Config& config, const Snapshot& snapshot, Time time);

/// Values that one request may have drawn: samples times features.
inline constexpr std::size_t kSampledValuesMax = 20'000;

/// The joint samples of what `query` wants that the request asks for; without ones when it asks for none. Other patients' samples
/// are others, whatever the seed.
Result<model::Samples> sample_for(const model::Query& query, const streaming::ImputeRequest& request, const model::ModelVersion& version);

/// A prediction as it is published; `query.wanted` is parallel to `prediction.features`, `query.wanted_payloads` to
/// `prediction.payloads`.
Imputation make_imputation(const Config& config, const Snapshot& snapshot, Time time, const model::Prediction& prediction,
                           const model::Calibrator& calibrator, const std::string& version);

/// The modalities whose payload to impute for a snapshot under imputation.payloads and imputation.features.
std::vector<ModalityId> payloads_to_impute(const Config& config, const Snapshot& snapshot, Time time);

/// A prediction in the form that is published. `detail`: summary or whole.
ImputedPayload make_imputed_payload(const Schema& schema, const model::PayloadPrediction& prediction, ImputationReason reason,
                                    PayloadDetail detail);

}  // namespace lacuna::daemon
