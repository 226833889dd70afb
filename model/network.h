#pragma once

#include <memory>
#include <vector>

#include <torch/torch.h>

#include "model/encoding.h"
#include "model/network_weights.h"
#include "model/options.h"
#include "model/payload_rows.h"

// The network as pure functions of one flat tensor of weights. B: examples, S: subsets of modalities of an
// example, K: posterior samples, M: modalities, F: features, P: past columns, L: latent dimensions, H: width of the decoder's state,
// U: decoder's units of a feature.

namespace lacuna::model {

/// Diagonal Gaussians over the latent state, [B, S, L].
struct Posterior {
  torch::Tensor mean;
  torch::Tensor log_variance;
};

/// Product of the experts of each subset with the N(0, I) prior: `mean` and `log_precision` [B, M, L],
/// `subset` [B, S, M] of 0 and 1, `extra_mean` and `extra_precision` [B, S, L] (one more expert a subset;
/// undefined: none). All subsets are one batched matrix product; an empty subset gives the prior (Wu and
/// Goodman 2018; Sutter et al. 2021).
Posterior fuse(const torch::Tensor& mean, const torch::Tensor& log_precision, const torch::Tensor& subset,
               const torch::Tensor& extra_mean = {}, const torch::Tensor& extra_log_precision = {});

/// KL(q || N(0, I)) in nats, summed over L: [B, S].
torch::Tensor kl_to_prior(const Posterior& posterior);
/// KL(q || p) in nats, summed over L: [B, S].
torch::Tensor kl_between(const Posterior& q, const Posterior& p);

/// What the decoder says of each feature: tensors [B, K, F]. Continuous features: a mixture of two normals,
/// the first starting out at the last value; standardised units.
struct Outputs {
  torch::Tensor first_logit;  ///< log odds of the first component
  torch::Tensor location[2], scale[2];
  torch::Tensor logit;                  ///< bernoulli
  torch::Tensor class_logits;           ///< [C, B, K, F], categorical and ordinal; undefined when the schema has neither
  torch::Tensor freedom;                ///< student_t: degrees of freedom; location[0] and scale[0] are its own
  torch::Tensor log_ratio, dispersion;  ///< negative binomial: log of mean over population mean, and r
};

/// [F]: 1 for features on whose value their being measured may depend (continuous ones), else 0.
torch::Tensor self_masking_features(const InputLayout& layout);

class Network {
 public:
  /// `flat` holds parameter_count() weights on its device; the network keeps views of it. `trainable`: the
  /// views become leaves whose gradients accumulate into gradient().
  Network(const InputLayout& layout, const ModelOptions& options, torch::Tensor flat, bool trainable);
  static std::int64_t parameter_count(const InputLayout& layout, const ModelOptions& options);
  /// Fresh weights on the CPU: a function of the shape and options.seed.
  static torch::Tensor initial(const InputLayout& layout, const ModelOptions& options);

  /// What each modality's encoder says: codes [B, M, E]. `past` [B, F, P], already zero where hidden; `context` [B, C]; `payloads`:
  /// one a payload slot. A modality of which nothing is given has a code too, which the subset leaves out.
  torch::Tensor codes(const torch::Tensor& past, const torch::Tensor& context, const std::vector<PayloadRows>& payloads = {}) const;
  struct Encoded {
    Posterior posterior;
    torch::Tensor shares;  ///< [B, S, M]: how much each modality of the subset had to say; undefined unless asked for
  };
  /// `subset` [B, S, M]. `explain`: shares as well. Attention: its weights, followed through both layers (attention rollout, Abnar
  /// and Zuidema 2020); else: the part of the experts' precision.
  Encoded fuse_codes(const torch::Tensor& codes, const torch::Tensor& context, const torch::Tensor& subset, bool explain = false) const;
  /// Both in one.
  Posterior encode(const torch::Tensor& past, const torch::Tensor& context, const torch::Tensor& subset,
                   const std::vector<PayloadRows>& payloads = {}) const;

  /// Latent states [B, K, L] to the decoder's state [B, K, H], shared by everything that is read off it.
  torch::Tensor state(const torch::Tensor& latent, const torch::Tensor& context) const;
  /// The state to per-feature hidden units [B, K, F, U], shared by every reading of them.
  torch::Tensor expand(const torch::Tensor& state) const;
  /// Reads the features off: given each feature's own past [B, F, P], or as if nothing of it were known when
  /// `past` is undefined. `visible` [B, K, F] of 0 and 1: of which features the past may be used; undefined: of all.
  Outputs decode(const torch::Tensor& hidden, const torch::Tensor& past, const torch::Tensor& visible = {}) const;
  /// Log density or probability of `target` [B, F] (RowEncoder::target): [B, K, F]. `count_mean` [F]:
  /// population means. `side` [B, F] or undefined: where -1 the log probability of what is at most the target, where 1 of what is at least
  /// (Tobin 1958); of classes there is no such.
  torch::Tensor log_likelihood(const Outputs& outputs, const torch::Tensor& target, const torch::Tensor& count_mean,
                               const torch::Tensor& side = {}) const;

  /// Whether a continuous feature is measured is a probit of its own standardised value x, P(measured | x) = Phi(base + slope x)
  /// (self-masking, as in not-MIWAE: Ipsen, Mattei and Frellsen 2021; the probit, so that x can be integrated out: Heckman 1979).
  /// ModelOptions::mnar only; then decode() without a past gives one normal whose scale belongs to the feature, since a decoder of any
  /// shape could explain what hides itself as a shape. [F] each.
  torch::Tensor measured_base() const;
  torch::Tensor measured_slope() const;
  /// Log probability of being measured or not: `observed` [B, 1, F] of 0 and 1, `value` [B, 1, F] standardised (looked at where
  /// observed). [B, K, F].
  torch::Tensor measured_log_likelihood(const Outputs& blind, const torch::Tensor& observed, const torch::Tensor& value) const;

  /// One a payload slot.
  const PayloadKind& kind(std::size_t slot) const { return *w_.kinds[slot]; }

  const torch::Tensor& flat() const { return flat_; }
  const torch::Tensor& gradient() const { return gradient_; }

 private:
  /// Log probabilities [C, B, K, N] of the ordinal features' classes, whose locations are [B, K, N]: differences of logistic
  /// distribution functions at the feature's cut points (proportional odds, McCullagh 1980).
  torch::Tensor ordinal_log_probabilities(const torch::Tensor& location) const;
  torch::Tensor log_density(const Outputs& outputs, const torch::Tensor& target, const torch::Tensor& count_mean) const;
  torch::Tensor log_tail(const Outputs& outputs, const torch::Tensor& target, const torch::Tensor& count_mean,
                         const torch::Tensor& side) const;
  Encoded attend(const torch::Tensor& codes, const torch::Tensor& context, const torch::Tensor& subset, bool explain) const;

  InputLayout layout_;
  torch::Tensor flat_, gradient_;
  torch::Tensor place_,
      filled_;  ///< [M * widest] the feature at each place of a modality's encoder; [M * widest, 1]: 0 where there is none
  torch::Tensor bernoulli_, categorical_, counts_, ordinal_, heavy_;  ///< feature indices; undefined when there are none
  torch::Tensor self_masking_features_;                               ///< [F]: self_masking_features()
  torch::Tensor last_cut_;    ///< [ordinal features, C]: 1 from a feature's last class on, below which everything lies
  torch::Tensor class_mask_;  ///< [C, 1, 1, F]: 0 for a class the feature has, -1e9 for one it lacks
  NetworkWeights w_;
};

}  // namespace lacuna::model
