#include "daemon/payload_imputation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(), [&rank](std::size_t a, std::size_t b) {
    return rank(a) != rank(b) ? rank(a) > rank(b) : a < b;
  });
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

}  // namespace

model::Stratum payload_stratum_of(const Schema& schema, const Snapshot& snapshot, ModalityId modality, Time time) {
  const ModalityState& known = snapshot.modalities[modality];
  if (!known.payload) return model::Stratum::never_measured;
  return time - known.last_time > schema.modalities()[modality].stale_after ? model::Stratum::stale : model::Stratum::fresh;
}

std::vector<ModalityId> payloads_to_impute(const Config& config, const Snapshot& snapshot, Time time) {
  std::vector<ModalityId> wanted;
  if (config.imputation_payloads == PayloadDetail::none) return wanted;
  const bool stale_too = config.imputation_features != "never_measured";
  for (ModalityId m = 0; m < config.schema->modality_count(); ++m) {
    if (config.schema->modalities()[m].kind == ModalityKind::tabular) continue;
    const model::Stratum stratum = payload_stratum_of(*config.schema, snapshot, m, time);
    if (stratum == model::Stratum::never_measured || (stale_too && stratum == model::Stratum::stale)) wanted.push_back(m);
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

}  // namespace lacuna::daemon
