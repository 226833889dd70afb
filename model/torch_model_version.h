#pragma once

#include <deque>
#include <span>
#include <stdexcept>
#include <vector>

#include "model/feature_reader.h"
#include "model/inference.h"
#include "model/model_version.h"
#include "model/torch_device.h"
#include "model/torch_model_version.h"
#include "model/version_parts.h"

// The one ModelVersion there is. Private to version.cc and sampling.cc.

namespace lacuna::model {

/// Queries computed together: enough to fill the products, few enough that a chunk's tensors stay in the
/// processor's cache.
inline constexpr std::size_t kChunk = 48;

/// One sample on its way: the patient as known so far, in the units learned in, what is still to be drawn, in the order of drawing.
struct SamplingState {
  Snapshot snapshot;
  std::shared_ptr<const Snapshot> after;  ///< as the network reads it; null: nothing
  Time time{};
  std::uint64_t seed = 0;
  std::vector<FeatureId> order;
  double* values = nullptr;  ///< where they go, by wanted feature
  const std::vector<FeatureId>* features = nullptr;
  std::vector<std::size_t> slots;   ///< payloads to draw after the features
  std::vector<std::size_t> places;  ///< and where each goes
  Payload* payloads = nullptr;
};

/// Weights that predict (version.cc) and draw (sampling.cc).
class TorchModelVersion final : public ModelVersion {
 public:
  explicit TorchModelVersion(VersionParts parts);

  const std::string& id() const override { return id_; }
  std::int64_t steps() const override { return p_.steps; }
  std::int64_t parameter_count() const override { return p_.weights.numel(); }
  double loss() const override { return p_.loss; }
  std::pair<double, double> moments(FeatureId feature) const override {
    if (!p_.standardiser.seen(feature)) return {0, 1};
    return p_.units->to_present(feature, std::pair(p_.standardiser.mean(feature), p_.standardiser.sd(feature)));
  }

  LearnedFrom learned_from(FeatureId feature) const override { return p_.learned.of(feature); }
  LearnedFrom learned_from_payload(ModalityId modality) const override { return p_.learned.of_payload(modality); }

  Result<std::vector<Prediction>> predict(std::span<const Query> queries) const override {
    return in_learned_units<Prediction>(queries, [this](auto some, auto out) { predict_chunk(some, out); });
  }
  Result<std::vector<Samples>> sample(std::span<const SampleQuery> queries) const override;
  Result<std::vector<std::vector<float>>> codes(std::span<const Query> queries) const override {
    return in_learned_units<std::vector<float>>(queries, [this](auto some, auto out) { encode_chunk(some, out); });
  }

 private:
  struct Rows {
    RowInputs inputs;  ///< on the host
    /// [rows, features]: something of it is known, from before or from after: its own past is read, as in learning. `inputs.visible` is of
    /// before alone, whose last values say how well a draw explains them.
    std::vector<bool> own;
    bool any_known_wanted = false;
  };

  /// `each` fills the answers of a chunk.
  template <typename Answer, typename Each>
  Result<std::vector<Answer>> in_chunks(std::span<const Query> queries, Each&& each) const {
    try {
      const torch::NoGradGuard no_gradients;
      prepare_thread();
      std::vector<Answer> answers(queries.size());
      const std::size_t most = p_.predictor ? kDeviceRows : kChunk;
      for (std::size_t at = 0; at < queries.size(); at += most) {
        const std::size_t size = std::min(most, queries.size() - at);
        each(queries.subspan(at, size), std::span(answers).subspan(at, size));
      }
      return answers;
    } catch (const std::exception&) {
      // LibTorch's messages can quote tensors; what reaches the log must hold no value of a patient.
      return {Code::internal, "model " + id_ + " failed: LibTorch threw, or the weights have diverged"};
    }
  }

  /// The same of queries with snapshots as those who ask have them.
  template <typename Answer, typename Each>
  Result<std::vector<Answer>> in_learned_units(std::span<const Query> queries, Each&& each) const {
    if (p_.units->same()) return in_chunks<Answer>(queries, each);
    std::deque<Snapshot> converted;
    std::vector<Query> inside(queries.begin(), queries.end());
    for (Query& query : inside) {
      for (const Snapshot** snapshot : {&query.snapshot, &query.after}) {
        if (*snapshot == nullptr) continue;
        p_.units->to_learned(converted.emplace_back(**snapshot));
        *snapshot = &converted.back();
      }
    }
    return in_chunks<Answer>(inside, each);
  }

  std::vector<SmallSample> corrections() const;  ///< by feature
  Rows encode(std::span<const Query> queries) const;
  torch::Tensor antithetic_noise(std::span<const Query> queries) const;
  /// What is known of `rows`, in as many draws as `noise` has; all on the host but DecodedOutputs::state.
  DecodedOutputs infer(Rows& rows, torch::Tensor noise, bool explain = false) const;
  void predict_payloads(std::span<const Query> queries, const DecodedOutputs& decoded, std::span<Prediction> out) const;
  static void put_latent(std::span<const Query> queries, const DecodedOutputs& decoded, std::span<Prediction> out);
  void sample_payloads(std::span<SamplingState> samples) const;
  PayloadPrediction payload_prediction(std::size_t slot, std::int64_t row, const torch::Tensor& mean, const torch::Tensor& sd,
                                       const torch::Tensor& low, const torch::Tensor& high) const;
  void encode_chunk(std::span<const Query> queries, std::span<std::vector<float>> out) const;
  void predict_chunk(std::span<const Query> queries, std::span<Prediction> out) const;
  Payload to_payload(std::size_t slot, const float* drawn, std::int64_t count) const;
  SamplingState begin(const SampleQuery& query, std::size_t sample) const;
  /// A query's snapshot as the network reads it: its units, without what the query hides.
  Snapshot visible(const Query& query, const Snapshot& snapshot) const;
  void sample_chunk(std::span<SamplingState> samples) const;

  VersionParts p_;
  Network network_;
  torch::Tensor count_mean_;
  FeatureReader reader_;
  std::string id_;
};

std::shared_ptr<const ModelVersion> make_version(VersionParts parts);

}  // namespace lacuna::model
