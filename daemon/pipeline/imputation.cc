#include "daemon/pipeline/imputation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "state/records/hash.h"

namespace lacuna::daemon {

namespace {

/// Falling by expected count; of equal ones the vocabulary's order.
std::vector<ImputedWord> most_expected(const model::PayloadPrediction& prediction, std::size_t count) {
  std::vector<std::size_t> order(std::min(prediction.vocabulary.size(), prediction.mean.size()));
  std::iota(order.begin(), order.end(), std::size_t{0});
  // A count that is not a number has no place in an order: it comes last.
  const auto rank = [&prediction](std::size_t i) {
    return std::isnan(prediction.mean[i]) ? -std::numeric_limits<float>::infinity() : prediction.mean[i];
  };
  const std::size_t kept = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    [&rank](std::size_t a, std::size_t b) { return rank(a) != rank(b) ? rank(a) > rank(b) : a < b; });
  std::vector<ImputedWord> words;
  for (std::size_t i = 0; i < kept; ++i) words.push_back({prediction.vocabulary[order[i]], static_cast<double>(prediction.mean[order[i]])});
  return words;
}

/// Law of total variance over the places of each channel.
std::vector<ImputedChannel> summarise(const Modality& modality, const model::PayloadPrediction& prediction) {
  const std::size_t channels = modality.kind == ModalityKind::embedding ? 1 : modality.payload.channels;
  const std::size_t places = std::min(prediction.mean.size(), prediction.sd.size()) / channels;
  std::vector<ImputedChannel> out;
  for (std::size_t c = 0; places > 0 && c < channels; ++c) {
    double mean = 0, spread = 0;
    for (std::size_t i = c * places; i < (c + 1) * places; ++i) mean += static_cast<double>(prediction.mean[i]);
    mean /= static_cast<double>(places);
    for (std::size_t i = c * places; i < (c + 1) * places; ++i) {
      const double off = static_cast<double>(prediction.mean[i]) - mean;
      const auto sd = static_cast<double>(prediction.sd[i]);
      spread += off * off + sd * sd;
    }
    out.push_back({mean, std::sqrt(spread / static_cast<double>(places))});
  }
  return out;
}

/// Whether imputation.features asks for it: never measured, or stale.
bool is_missing(const Config& config, const Snapshot& snapshot, FeatureId feature, Time time) {
  const model::Recency recency = model::recency_of(*config.schema, feature, snapshot.features[feature], time);
  return recency == model::Recency::never_measured || (recency == model::Recency::stale && config.imputation_features != "never_measured");
}

ImputationReason reason_of(const Schema& schema, const Snapshot& snapshot, FeatureId feature, Time time) {
  const model::Recency recency = model::recency_of(schema, feature, snapshot.features[feature], time);
  return recency == model::Recency::never_measured ? ImputationReason::never_measured : ImputationReason::stale;
}

/// Of what nothing can be said the declared range is. Classes are all that there are, which says nothing.
void add_ranges(const Config& config, const Snapshot& snapshot, Time time, const model::ModelVersion& version,
                std::vector<ImputedValue>& values) {
  for (FeatureId f = 0; f < config.schema->feature_count(); ++f) {
    const Feature& feature = config.schema->features()[f];
    if (is_discrete(feature.likelihood) || !std::isfinite(feature.low) || !std::isfinite(feature.high)) continue;
    if (informed(config, version.learned_from(f)) || !is_missing(config, snapshot, f, time)) continue;
    ImputedValue value;
    value.feature = f;
    value.reason = reason_of(*config.schema, snapshot, f, time);
    value.mean = value.median = (feature.low + feature.high) / 2;
    value.sd = std::numeric_limits<double>::infinity();
    value.low = feature.low;
    value.high = feature.high;
    values.push_back(std::move(value));
  }
  std::sort(values.begin(), values.end(), [](const ImputedValue& a, const ImputedValue& b) { return a.feature < b.feature; });
}

}  // namespace

std::vector<ModalityId> payloads_to_impute(const Config& config, const Snapshot& snapshot, Time time, const model::ModelVersion& version) {
  std::vector<ModalityId> wanted;
  if (config.imputation_payloads == PayloadDetail::none) return wanted;
  const bool stale_too = config.imputation_features != "never_measured";
  for (ModalityId m = 0; m < config.schema->modality_count(); ++m) {
    if (config.schema->modalities()[m].kind == ModalityKind::tabular) continue;
    if (!informed(config, version.learned_from_payload(m))) continue;
    const model::Recency recency = model::payload_recency_of(*config.schema, snapshot, m, time);
    if (recency == model::Recency::never_measured || (stale_too && recency == model::Recency::stale)) wanted.push_back(m);
  }
  return wanted;
}

ImputedPayload make_imputed_payload(const Schema& schema, const model::PayloadPrediction& prediction, ImputationReason reason,
                                    PayloadDetail detail) {
  const Modality& modality = schema.modalities()[prediction.modality];
  ImputedPayload out;
  out.modality = prediction.modality;
  out.reason = reason;
  if (modality.kind == ModalityKind::text) {
    out.words = most_expected(prediction, detail == PayloadDetail::whole ? kWordsInWhole : kWordsInSummary);
  } else if (detail == PayloadDetail::whole) {
    out.mean = prediction.mean;
    out.sd = prediction.sd;
    out.low = prediction.low;
    out.high = prediction.high;
  } else {
    out.channels = summarise(modality, prediction);
  }
  return out;
}

std::vector<FeatureId> features_to_impute(const Config& config, const Snapshot& snapshot, Time time, const model::ModelVersion& version) {
  std::vector<FeatureId> wanted;
  for (FeatureId f = 0; f < config.schema->feature_count(); ++f) {
    if (informed(config, version.learned_from(f)) && is_missing(config, snapshot, f, time)) wanted.push_back(f);
  }
  return wanted;
}

Result<model::Samples> sample_for(const model::Query& query, const streaming::ImputeRequest& request, const model::ModelVersion& version) {
  if (request.samples == 0) return model::Samples();
  if (request.samples * query.wanted.size() > kSampledValuesMax) {
    return {Code::invalid, "samples: " + std::to_string(request.samples) + " of " + std::to_string(query.wanted.size()) +
                               " features are more than " + std::to_string(kSampledValuesMax) + " values"};
  }
  model::SampleQuery asked{query, request.samples, {}};
  asked.query.seed = hash64(request.snapshot.patient_id, request.seed ^ query.seed);
  auto samples = version.sample({&asked, 1});
  if (!samples.ok()) return samples.status();
  return std::move(samples->front());
}

Imputation make_imputation(const Config& config, const Snapshot& snapshot, Time time, const model::Prediction& prediction,
                           const model::Calibrator& calibrator, const model::ModelVersion& version) {
  const Schema& schema = *config.schema;
  Imputation out;
  out.patient_id = snapshot.patient_id;
  out.time = time;
  out.model_version = version.id();
  out.source = snapshot.source;
  out.level = calibrator.level();
  out.effective_samples = prediction.effective_samples;
  out.latent = prediction.latent;
  for (const model::ModalityWeight& w : prediction.weights) out.weights.push_back({w.modality, w.weight});
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    const Modality& modality = schema.modalities()[m];
    if (modality.kind != ModalityKind::tabular) {
      if (model::payload_recency_of(schema, snapshot, m, time) == model::Recency::fresh) out.based_on.push_back(m);
      continue;
    }
    for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) {
      if (model::recency_of(schema, f, snapshot.features[f], time) == model::Recency::fresh) {
        out.based_on.push_back(m);
        break;
      }
    }
  }
  out.values.reserve(prediction.features.size());
  for (std::size_t i = 0; i < prediction.features.size(); ++i) {
    const FeatureId f = prediction.features[i];
    const model::Predictive& p = prediction.predictive[i];
    const model::Recency recency = model::recency_of(schema, f, snapshot.features[f], time);
    ImputedValue value;
    value.feature = f;
    value.reason = reason_of(schema, snapshot, f, time);
    value.mean = p.mean();
    value.median = p.median();
    value.sd = p.sd();
    const model::Interval interval = calibrator.interval(f, recency, p);
    value.low = interval.low;
    value.high = interval.high;
    // A mixture's tail can pass what the schema calls plausible; what is published does not.
    const Feature& feature = schema.features()[f];
    value.mean = std::clamp(value.mean, feature.low, feature.high);
    value.median = std::clamp(value.median, feature.low, feature.high);
    value.probabilities.assign(p.class_probabilities.begin(), p.class_probabilities.end());
    out.values.push_back(std::move(value));
  }
  if (config.uninformed == Uninformed::range) add_ranges(config, snapshot, time, version, out.values);
  for (const model::PayloadPrediction& p : prediction.payloads) {
    if (config.imputation_payloads == PayloadDetail::none) break;
    const model::Recency recency = model::payload_recency_of(schema, snapshot, p.modality, time);
    const bool never = recency == model::Recency::never_measured;
    out.payloads.push_back(
        make_imputed_payload(schema, p, never ? ImputationReason::never_measured : ImputationReason::stale, config.imputation_payloads));
  }
  return out;
}

}  // namespace lacuna::daemon
