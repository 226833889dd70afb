#pragma once

#include <mutex>
#include <vector>

#include <torch/torch.h>

#include "model/device_graph.h"
#include "model/feature_reader.h"
#include "model/network.h"
#include "model/payload_rows.h"

// From what is known of patients to what the network says of them: tensors in, tensors out. R: rows, K: posterior draws; other letters as
// in network.h.

namespace lacuna::model {

/// What is known of some patients, as the network reads it.
struct RowInputs {
  torch::Tensor past, visible, last;  ///< [R, F, P], [R, F], [R, F]: as the row encoder writes them, hidden features left out
  torch::Tensor context;              ///< [R, C]
  torch::Tensor subset;               ///< [R, S, M]: S is 1, or M for a mixture of experts, which asks each modality in turn
  torch::Tensor noise;                ///< [R, K, L] standard normal; undefined: no draws are wanted
  torch::Tensor count_mean;           ///< [F]: population means
  torch::Tensor side;                 ///< [R, F]: of `last`, as TrainingBatch::last_side
  std::vector<PayloadRows> payloads;  ///< by slot

  template <typename F>
  void each(F&& f) {
    for (torch::Tensor* t : {&past, &visible, &last, &context, &subset, &noise, &count_mean, &side}) f(*t);
    for (PayloadRows& p : payloads) p.each(f);
  }
};

/// What `inputs` say, in draws of the posterior.
struct DecodedOutputs {
  torch::Tensor state;        ///< [R, K, H], the decoder's: what payloads are decoded from
  torch::Tensor weights;      ///< [R, K], sum to 1: importance weights, dampened
  PosteriorReadings unknown;  ///< of each feature as if nothing of it were known; empty without features
  PosteriorReadings known;    ///< given its own past as well; empty unless asked for
  torch::Tensor shares;       ///< [R, S, M] (Network::Encoded); when asked for
  torch::Tensor mean;         ///< [R, S, L], and
  torch::Tensor variance;     ///< of the posterior
};
DecodedOutputs infer(const Network& network, const InputLayout& layout, const RowInputs& inputs, bool known, bool explain);

/// Queries that a device answers together: with one row that only fills the shape, a shape of its own (padded()).
inline constexpr std::size_t kDeviceRows = 63;

/// Where the versions of one trainer predict on a device, one after the other: a recorded graph refers to weights by their place. Any
/// thread.
class DevicePredictor {
 public:
  DevicePredictor(const InputLayout& layout, const ModelOptions& options, torch::Device device);
  /// infer() with `weights` of `inputs`, which are on the host. Both readings, and the rest, on the host but `state`;
  /// rows may have been added at the end.
  DecodedOutputs infer(const torch::Tensor& weights, RowInputs inputs, bool explain);

 private:
  InputLayout layout_;
  std::mutex mutex_;  ///< guards all below
  Network network_;
  DeviceGraph<RowInputs, DecodedOutputs> graph_;
};

}  // namespace lacuna::model
