#pragma once

#include <vector>

#include <torch/torch.h>

#include "model/network.h"
#include "model/options.h"

// What one gradient step reads, and what of it the encoder may see. B: examples, S: subsets of modalities of an example, F: features,
// M: modalities, L: latent dimensions.

namespace lacuna::model {

struct TrainingBatch {
  torch::Tensor past, context;            ///< [B, F, P] (0 where a value is masked), [B, C]
  torch::Tensor observed, last;           ///< [B, F]: what is known before, hidden or not, and its target()
  torch::Tensor arrived, arrived_mask;    ///< [B, F]: what came
  torch::Tensor last_side, arrived_side;  ///< [B, F]: -1 where the true value is at most that, 1 where at least; undefined: nowhere
  torch::Tensor subset;                   ///< [B, S, M]: what each pass of an example sees
  torch::Tensor visible;                  ///< [B, S, F]: the same by feature, masked values left out
  /// [B, S, F]: features that a draw masked, whether or not there was a value to hide: of these, what is measured and what is missing
  /// stand to each other as in the data.
  torch::Tensor masked;
  torch::Tensor pass_weight;             ///< [B, S]: sums over S to 1, or to less for a patient with many rows
  torch::Tensor noise;                   ///< [B, S, L]
  std::vector<PayloadRows> known, came;  ///< by payload slot: the last payload before, and the one that came
  std::vector<PayloadRows> shown;        ///< `known` without the values or words that a draw hid: what the encoder reads
  torch::Tensor shown_share;             ///< [B]: of a payload's values or words
  torch::Tensor count_mean;              ///< [F]: population means
  torch::Tensor kl_weight;               ///< [1]: of the KL divergence at this step
  torch::Tensor rates;                   ///< Adam::numbers() of this step

  /// The same in one of a few shapes: payloads are added, which hold nothing and belong to an example without a pass. For devices, which
  /// replay what they know the shape of.
  TrainingBatch padded() const;
  /// Calls `f` with every tensor, the undefined ones too.
  template <typename F>
  void each(F&& f) {
    for (torch::Tensor* t : {&past, &context, &observed, &last, &arrived, &arrived_mask, &subset, &visible, &masked, &pass_weight, &noise,
                             &shown_share, &count_mean, &kl_weight, &rates, &last_side, &arrived_side}) {
      f(*t);
    }
    for (auto* payloads : {&known, &came, &shown}) {
      for (PayloadRows& p : *payloads) p.each(f);
    }
  }
};

/// Of a batch's rows, what one patient's count for at most, however many there are.
inline constexpr double kPatientShare = 1.0 / 32;

/// A batch of `examples`, hidden and drawn by `seed`: everything depends on the example, its place and the seed alone, but for the weight
/// of its row. `patients`: whose each is (patient_hash(); 0: not known); none: of none is it known. `kl_weight` and `rates` are the
/// trainer's to set.
TrainingBatch make_training_batch(const RowEncoder& encoder, const Standardiser& standardiser, const ModelOptions& options,
                                  const TrainOptions& train, const std::vector<const Example*>& examples, std::uint64_t hide_seed,
                                  std::uint64_t noise_seed, const std::vector<std::uint64_t>& patients = {});

}  // namespace lacuna::model
