#pragma once

#include <vector>

#include "daemon/config.h"
#include "model/calibration.h"
#include "model/predictive.h"
#include "state/records/records.h"

// Imputation of images, signals, embeddings and texts: which are wanted, and what of their prediction is published.

namespace lacuna::daemon {

/// Words of an imputed text that are published.
inline constexpr std::size_t kWordsInSummary = 20;
inline constexpr std::size_t kWordsInWhole = 200;

/// What is known at `time` of the payload of a modality that is not tabular.
model::Stratum payload_stratum_of(const Schema& schema, const Snapshot& snapshot, ModalityId modality, Time time);

/// The modalities whose payload to impute for a snapshot under imputation.payloads and imputation.features.
std::vector<ModalityId> payloads_to_impute(const Config& config, const Snapshot& snapshot, Time time);

/// A prediction in the form that is published. `detail`: summary or whole.
ImputedPayload make_imputed_payload(const Schema& schema, const model::PayloadPrediction& prediction, ImputationReason reason,
                                    PayloadDetail detail);

}  // namespace lacuna::daemon
