#include "model/objective.h"

namespace lacuna::model {

using torch::Tensor;

namespace {

/// Weight of a visible cell in the objective, against 1 for a hidden one and for one that arrives. To repeat
/// what it was shown is the autoencoder's lesser task; at full weight it fills the latent state with each
/// cell's own noise (docs/model.md has the figures).
constexpr double kVisibleWeight = 0.1;
/// Weight of the pull towards each modality's own posterior (Hwang et al. 2021, eq. 8: alpha).
constexpr double kConditionalWeight = 0.9;

}  // namespace

Loss objective(const Network& network, const InputLayout& layout, const ModelOptions& model, const TrainOptions& train,
               const TrainingBatch& b) {
  const Tensor rows = b.pass_weight.sum();  // a row that only fills the shape has no pass
  const Tensor codes = network.codes(b.past, b.context, b.shown);
  const Posterior q = network.fuse_codes(codes, b.context, b.subset).posterior;
  const Tensor latent = q.mean + (0.5 * q.log_variance).exp() * b.noise;
  const Tensor state = network.state(latent, b.context);
  Tensor kl = (kl_to_prior(q) * b.pass_weight).sum();
  Tensor penalty = kl;
  if (train.objective == Objective::mvtcae) {
    // Each modality by itself: the posterior of all is drawn towards theirs.
    const Tensor alone = torch::diag_embed(b.subset.squeeze(1));
    const Posterior own = network.fuse_codes(codes, b.context, alone).posterior;
    const Tensor gaps = kl_between(q, own) * b.subset.squeeze(1);
    penalty = (1 - kConditionalWeight) * kl + kConditionalWeight * (gaps.sum(1) / b.subset.squeeze(1).sum(1).clamp_min(1.0)).sum();
  }
  Tensor likelihood = torch::zeros({}, kl.options()), plain = likelihood, values = likelihood;
  const Tensor pass = b.pass_weight.unsqueeze(-1);
  if (layout.features > 0) {
    const Tensor hidden = network.expand(state);
    const Outputs blind = network.decode(hidden, {});
    const Tensor now = network.log_likelihood(blind, b.last, b.count_mean, b.last_side) * pass;
    const Tensor next = network.log_likelihood(network.decode(hidden, b.past, b.visible), b.arrived, b.count_mean, b.arrived_side) * pass;
    const Tensor observed = b.observed.unsqueeze(1);
    const Tensor arrived = (next * b.arrived_mask.unsqueeze(1)).sum();
    likelihood = (now * (observed - (1.0 - kVisibleWeight) * b.visible * observed)).sum() + arrived;
    plain = (now * observed).sum() + arrived;
    values = ((b.observed + b.arrived_mask) * b.pass_weight.sum(1, true)).sum();
    if (model.mnar) {
      // Of a limit it is not known from which value it was measured: it says neither.
      const Tensor told = b.last_side.defined() ? b.masked * (b.last_side.unsqueeze(1) == 0) : b.masked;
      likelihood = likelihood + (network.measured_log_likelihood(blind, observed, b.last.unsqueeze(1)) * told * pass).sum();
    }
  }
  for (std::size_t slot = 0; slot < layout.payloads.size(); ++slot) {
    const auto modality = static_cast<std::int64_t>(layout.payloads[slot].modality);
    for (const bool came : {false, true}) {
      const PayloadRows& p = came ? b.came[slot] : b.known[slot];
      if (!p.index.defined()) continue;
      const PayloadKind& kind = network.kind(slot);
      const Tensor payloads = p.standardised(), pass_of = b.pass_weight.index_select(0, p.index);
      const Tensor counts_for = kind.size(payloads).clamp(1.0, train.payload_values).unsqueeze(-1) * pass_of;  // [n, S]
      const Tensor said = counts_for * kind.log_likelihood(kind.decode(state.index_select(0, p.index)), payloads);
      const Tensor seen = b.subset.index_select(0, p.index).select(-1, modality) * b.shown_share.index_select(0, p.index).unsqueeze(-1);
      likelihood = likelihood + (came ? said : said * (1.0 - (1.0 - kVisibleWeight) * seen)).sum();
      plain = plain + said.sum();
      values = values + counts_for.sum();
    }
  }
  // Divided by a constant of the shape, not by the values of the batch: a sparse row shall not weigh more for
  // being sparse.
  const double shape = static_cast<double>(layout.features) + train.payload_values * static_cast<double>(layout.payloads.size());
  return {(b.kl_weight.squeeze(0) * penalty - likelihood) / (rows * shape),
          ((train.beta * penalty - plain) / values.clamp_min(1.0)).detach(), (kl / rows).detach()};
}

}  // namespace lacuna::model
