#include "model/inference.h"

#include <utility>

namespace lacuna::model {

using torch::Tensor;

namespace {

/// Exponent of the importance weights. With few draws their full variance costs more than their bias is
/// worth: at 1 the effective sample size was 3.5 of 16 and the error 2 % higher (docs/model.md).
constexpr double kWeightPower = 0.1;

}  // namespace

DecodedOutputs infer(const Network& network, const InputLayout& layout, const RowInputs& in, bool known, bool explain) {
  Network::Encoded encoded = network.fuse_codes(network.codes(in.past, in.context, in.payloads), in.context, in.subset, explain);
  Posterior q = std::move(encoded.posterior);
  DecodedOutputs out;
  out.mean = q.mean;
  out.variance = q.log_variance.exp();
  if (q.mean.size(1) > 1) {
    const Tensor turn =
        torch::arange(in.noise.size(1), torch::TensorOptions(torch::kLong).device(in.noise.device())).remainder(q.mean.size(1));
    q = {q.mean.index_select(1, turn), q.log_variance.index_select(1, turn)};
  }
  const Tensor latent = q.mean + (0.5 * q.log_variance).exp() * in.noise;
  out.shares = encoded.shares;
  out.state = network.state(latent, in.context);
  // Importance weights: how well each draw explains the known features, against how readily it was drawn. Payloads are left out: to
  // decode them for each draw halved the imputations a second of patients with films, and moved the error of half a film by 0.01 of
  // 16 grey levels.
  Tensor explained = torch::zeros({in.noise.size(0), in.noise.size(1)}, in.noise.options());
  if (layout.features > 0) {
    const Tensor hidden = network.expand(out.state);
    const Outputs blind = network.decode(hidden, {});
    explained = (network.log_likelihood(blind, in.last, in.count_mean, in.side) * in.visible.unsqueeze(1)).sum(-1);
    out.unknown = PosteriorReadings(blind);
    if (known) out.known = PosteriorReadings(network.decode(hidden, in.past));
  }
  const Tensor log_prior = -0.5 * (latent * latent).sum(-1);
  const Tensor log_proposal = (-0.5 * (in.noise * in.noise) - 0.5 * q.log_variance).sum(-1);
  out.weights = torch::softmax((explained + log_prior - log_proposal) * kWeightPower, 1);
  return out;
}

DevicePredictor::DevicePredictor(const InputLayout& layout, const ModelOptions& options, torch::Device device)
    : layout_(layout),
      network_(layout, options, torch::zeros({Network::parameter_count(layout, options)}, torch::TensorOptions().device(device)), false),
      graph_(device) {}

DecodedOutputs DevicePredictor::infer(const Tensor& weights, RowInputs inputs, bool explain) {
  const std::int64_t rows = inputs.past.size(0), all = padded(rows + (inputs.payloads.empty() ? 0 : 1));
  if (all > rows) {
    for (Tensor* t : {&inputs.past, &inputs.visible, &inputs.last, &inputs.context, &inputs.subset, &inputs.noise, &inputs.side}) {
      if (t->defined()) *t = with_rows(*t, all);
    }
  }
  for (PayloadRows& p : inputs.payloads) p = p.padded(all - 1);

  const torch::NoGradGuard no_gradients;
  const std::lock_guard lock(mutex_);
  network_.flat().copy_(weights);
  DecodedOutputs decoded = graph_.run(
      std::move(inputs), [&](const RowInputs& in) { return model::infer(network_, layout_, in, true, explain); }, explain ? 1 : 0);
  decoded.state = decoded.state.clone();
  std::vector<Tensor*> away{&decoded.weights, &decoded.shares, &decoded.mean, &decoded.variance};
  decoded.unknown.each([&](Tensor& t) { away.push_back(&t); });
  decoded.known.each([&](Tensor& t) { away.push_back(&t); });
  to_host(away);
  return decoded;
}

}  // namespace lacuna::model
