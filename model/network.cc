#include "model/network.h"

#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

namespace lacuna::model {

using torch::Tensor;

namespace {

/// Hidden units that each feature has for itself in the decoder.
constexpr std::int64_t kFeatureWidth = 16;
/// No predictive sd falls below this share of the population's: a value repeated by a machine must not buy
/// unbounded likelihood.
constexpr double kScaleFloor = 0.05;
constexpr double kLogPrecisionMax = 8.0;
/// An expert begins vague (precision e^-2 against the prior's 1), so that nine of them do not begin
/// overconfident.
constexpr double kExpertStart = -2.0;
constexpr double kRatioMax = 6.0;
/// Columns of the decoder's output for continuous features; counts and classes reuse them.
enum OutColumn : std::int64_t { kFirst, kGateA, kDeltaA, kScaleA, kGateB, kDeltaB, kScaleB, kOutColumns };

Tensor normalised(const Tensor& x, const Tensor& gain, const Tensor& bias) {
  return torch::silu(torch::layer_norm(x, {x.size(-1)}) * gain + bias);
}

}  // namespace

Posterior fuse(const Tensor& mean, const Tensor& log_precision, const Tensor& subset,
               const Tensor& extra_mean, const Tensor& extra_log_precision) {
  const Tensor precision = log_precision.exp();
  Tensor total = torch::matmul(subset, precision) + 1.0;
  Tensor weighted = torch::matmul(subset, precision * mean);
  if (extra_mean.defined()) {
    const Tensor extra = extra_log_precision.exp();
    total = total + extra;
    weighted = weighted + extra * extra_mean;
  }
  return {weighted / total, -total.log()};
}

Tensor kl_to_prior(const Posterior& q) {
  return 0.5 * (q.log_variance.exp() + q.mean * q.mean - 1.0 - q.log_variance).sum(-1);
}

/// Names every parameter once, with its shape, the spread of its first values and the value they spread
/// around.
template <typename Visit>
void Network::visit(Visit&& each) {
  using Shape = std::vector<std::int64_t>;
  const std::int64_t f = layout_.features, m = layout_.modalities, p = layout_.past, c = layout_.context;
  const std::int64_t e = embed_, h = width_, d = latent_, u = kFeatureWidth;
  const std::int64_t out = std::max<std::int64_t>(kOutColumns, layout_.categories);
  const auto fan = [](std::int64_t n) {
    return 1.0 / std::sqrt(static_cast<double>(std::max<std::int64_t>(n, 1)));
  };
  const auto norm = [&](Tensor& gain, Tensor& bias, Shape shape) {
    each(gain, shape, 0.0, 1.0);
    each(bias, shape, 0.0, 0.0);
  };
  each(w_.in, Shape{f * p, m * e}, fan(3 * f / std::max<std::int64_t>(m, 1)), 0.0);
  each(w_.in_context, Shape{c, m * e}, fan(c), 0.0);
  each(w_.in_bias, Shape{m * e}, 0.0, 0.0);
  norm(w_.norm, w_.norm_bias, Shape{m, e});
  each(w_.head, Shape{m, e, 2 * d}, 0.5 * fan(e), 0.0);
  each(w_.head_bias, Shape{m, 1, 2 * d}, 0.0, 0.0);
  if (joint_) {
    each(w_.joint, Shape{m * e, h}, fan(m * e), 0.0);
    each(w_.joint_context, Shape{c, h}, fan(c), 0.0);
    each(w_.joint_subset, Shape{m, h}, fan(m), 0.0);
    each(w_.joint_bias, Shape{h}, 0.0, 0.0);
    norm(w_.joint_norm, w_.joint_norm_bias, Shape{h});
    each(w_.joint2, Shape{h, h}, fan(h), 0.0);
    each(w_.joint2_bias, Shape{h}, 0.0, 0.0);
    norm(w_.joint2_norm, w_.joint2_norm_bias, Shape{h});
    each(w_.joint_head, Shape{h, 2 * d}, 0.5 * fan(h), 0.0);
    each(w_.joint_head_bias, Shape{2 * d}, 0.0, 0.0);
  }
  each(w_.trunk, Shape{d, h}, fan(d), 0.0);
  each(w_.trunk_context, Shape{c, h}, fan(c), 0.0);
  each(w_.trunk_bias, Shape{h}, 0.0, 0.0);
  norm(w_.trunk_norm, w_.trunk_norm_bias, Shape{h});
  each(w_.expand, Shape{h, f * u}, fan(h), 0.0);
  each(w_.expand_bias, Shape{f * u}, 0.0, 0.0);
  each(w_.past, Shape{f, p, u}, fan(p), 0.0);
  each(w_.skip, Shape{f, p}, 0.0, 0.0);
  each(w_.out, Shape{f, u, out}, 0.5 * fan(u), 0.0);
  each(w_.out_bias, Shape{f, 1, out}, 0.0, 0.0);
}

Network::Network(const InputLayout& layout, const ModelOptions& options)
    : layout_(layout),
      latent_(options.latent_dim),
      width_(options.hidden_dim),
      embed_(std::max(options.hidden_dim / 2, 8)),
      joint_(options.joint_expert) {}

std::int64_t Network::parameter_count(const InputLayout& layout, const ModelOptions& options) {
  std::int64_t count = 0;
  Network shape(layout, options);
  shape.visit([&](Tensor&, const std::vector<std::int64_t>& size, double, double) {
    count += c10::multiply_integers(size);
  });
  return count;
}

Tensor Network::initial(const InputLayout& layout, const ModelOptions& options) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(parameter_count(layout, options)));
  HashRandom random(options.seed);
  Network shape(layout, options);
  shape.visit([&](Tensor&, const std::vector<std::int64_t>& size, double spread, double centre) {
    std::vector<float> draw(static_cast<std::size_t>(c10::multiply_integers(size)));
    random.normals(draw);
    for (float v : draw) values.push_back(static_cast<float>(centre + spread * v));
  });
  return torch::tensor(values);
}

Network::Network(const InputLayout& layout, const ModelOptions& options, Tensor flat, bool trainable)
    : Network(layout, options) {
  flat_ = std::move(flat);
  if (trainable) gradient_ = torch::zeros_like(flat_);
  std::int64_t at = 0;
  visit([&](Tensor& view, const std::vector<std::int64_t>& size, double, double) {
    const std::int64_t length = c10::multiply_integers(size);
    view = flat_.detach().narrow(0, at, length).view(size);
    if (trainable) {
      view = view.detach().requires_grad_(true);
      view.mutable_grad() = gradient_.narrow(0, at, length).view(size);
    }
    at += length;
  });
  const auto f = static_cast<std::size_t>(layout_.features);
  std::vector<float> blocks(static_cast<std::size_t>(layout_.features * layout_.modalities), 0.0F);
  std::vector<float> missing(static_cast<std::size_t>(layout_.categories) * f, -1e9F);
  std::vector<std::int64_t> kinds[3];
  for (std::size_t i = 0; i < f; ++i) {
    blocks[i * static_cast<std::size_t>(layout_.modalities) + layout_.modality_of[i]] = 1.0F;
    const Likelihood kind = layout_.likelihoods[i];
    const auto index = static_cast<std::int64_t>(i);
    if (kind == Likelihood::bernoulli) kinds[0].push_back(index);
    if (has_categories(kind)) kinds[1].push_back(index);
    if (kind == Likelihood::negative_binomial) kinds[2].push_back(index);
    for (std::int64_t c = 0; c < layout_.category_counts[i]; ++c)
      missing[static_cast<std::size_t>(c) * f + i] = 0.0F;
  }
  const auto device = flat_.device();
  block_mask_ = torch::tensor(blocks)
                    .view({layout_.features, 1, layout_.modalities, 1})
                    .expand({layout_.features, layout_.past, layout_.modalities, embed_})
                    .reshape({layout_.features * layout_.past, layout_.modalities * embed_})
                    .to(device);
  if (!kinds[0].empty()) bernoulli_ = torch::tensor(kinds[0]).to(device);
  if (!kinds[1].empty()) categorical_ = torch::tensor(kinds[1]).to(device);
  if (!kinds[2].empty()) counts_ = torch::tensor(kinds[2]).to(device);
  if (layout_.categories > 0)
    class_mask_ = torch::tensor(missing).view({layout_.categories, 1, 1, layout_.features}).to(device);
}

Posterior Network::encode(const Tensor& past, const Tensor& context, const Tensor& subset) const {
  const std::int64_t rows = past.size(0), m = layout_.modalities;
  Tensor code = torch::mm(past.reshape({rows, -1}), w_.in * block_mask_) + torch::mm(context, w_.in_context) +
                w_.in_bias;
  code = normalised(code.view({rows, m, embed_}), w_.norm, w_.norm_bias);
  const Tensor head = torch::bmm(code.transpose(0, 1), w_.head) + w_.head_bias;  // [M, B, 2L]
  const auto expert = head.transpose(0, 1).chunk(2, -1);
  const Tensor precision = (expert[1] + kExpertStart).clamp(-kLogPrecisionMax, kLogPrecisionMax);
  if (!joint_) return fuse(expert[0], precision, subset);
  // One more expert reads the subset's codes together: how one modality is read can depend on another.
  const Tensor together = (code.unsqueeze(1) * subset.unsqueeze(-1)).flatten(2);  // [B, S, M * E]
  Tensor joint = torch::matmul(together, w_.joint) + torch::mm(context, w_.joint_context).unsqueeze(1) +
                 torch::matmul(subset, w_.joint_subset) + w_.joint_bias;
  joint = normalised(joint, w_.joint_norm, w_.joint_norm_bias);
  joint = joint +
          normalised(torch::matmul(joint, w_.joint2) + w_.joint2_bias, w_.joint2_norm, w_.joint2_norm_bias);
  const auto extra = (torch::matmul(joint, w_.joint_head) + w_.joint_head_bias).chunk(2, -1);
  return fuse(expert[0], precision, subset, extra[0], extra[1].clamp(-kLogPrecisionMax, kLogPrecisionMax));
}

Tensor Network::expand(const Tensor& latent, const Tensor& context) const {
  const Tensor state =
      torch::matmul(latent, w_.trunk) + torch::mm(context, w_.trunk_context).unsqueeze(1) + w_.trunk_bias;
  const Tensor hidden =
      torch::matmul(normalised(state, w_.trunk_norm, w_.trunk_norm_bias), w_.expand) + w_.expand_bias;
  return hidden.view({latent.size(0), latent.size(1), layout_.features, kFeatureWidth});
}

Outputs Network::decode(const Tensor& hidden, const Tensor& past) const {
  const std::int64_t rows = hidden.size(0), samples = hidden.size(1), f = layout_.features;
  Tensor units = hidden, known, last, linear;
  if (past.defined()) {
    units = units + torch::bmm(past.transpose(0, 1), w_.past).transpose(0, 1).unsqueeze(1);
    linear = (past * w_.skip).sum(-1).unsqueeze(1);  // [B, 1, F]
    known = past.select(-1, kMask).unsqueeze(1);
    last = past.select(-1, kLast).unsqueeze(1) + linear;
  }
  const Tensor flat = torch::silu(units).reshape({rows * samples, f, kFeatureWidth}).transpose(0, 1);
  const Tensor raw =
      (torch::bmm(flat, w_.out) + w_.out_bias).permute({2, 1, 0}).contiguous().view({-1, rows, samples, f});
  const auto located = [&](OutColumn gate, OutColumn delta, double start) {
    if (!past.defined()) return raw[delta];
    const Tensor share = torch::sigmoid(raw[gate] + start) * known;
    return raw[delta] + share * (last - raw[delta]);
  };
  Outputs out;
  out.first_logit = raw[kFirst];
  out.location[0] = located(kGateA, kDeltaA, 3.0);
  out.location[1] = located(kGateB, kDeltaB, 0.0);
  out.scale[0] = torch::softplus(raw[kScaleA] - 0.5) + kScaleFloor;
  out.scale[1] = torch::softplus(raw[kScaleB] + 0.5) + kScaleFloor;
  if (bernoulli_.defined()) out.logit = past.defined() ? raw[kDeltaA] + linear : raw[kDeltaA];
  if (categorical_.defined()) out.class_logits = raw.narrow(0, 0, layout_.categories) + class_mask_;
  if (counts_.defined()) {
    out.log_ratio = out.location[0].clamp(-kRatioMax, kRatioMax);
    out.dispersion = out.scale[1];
  }
  return out;
}

Tensor Network::log_likelihood(const Outputs& outputs, const Tensor& target, const Tensor& count_mean) const {
  const Tensor value = target.unsqueeze(1);
  const auto normal = [&](int i) {
    const Tensor z = (value - outputs.location[i]) / outputs.scale[i];
    return -0.5 * z * z - outputs.scale[i].log() - 0.5 * std::log(2 * std::numbers::pi);
  };
  Tensor result = torch::logaddexp(torch::log_sigmoid(outputs.first_logit) + normal(0),
                                   torch::log_sigmoid(-outputs.first_logit) + normal(1));
  const auto put = [&](const Tensor& index, const Tensor& values) {
    result = result.index_copy(-1, index, values);
  };
  if (bernoulli_.defined()) {
    const Tensor logit = outputs.logit.index_select(-1, bernoulli_), x = value.index_select(-1, bernoulli_);
    put(bernoulli_, x * logit - torch::softplus(logit));
  }
  if (categorical_.defined()) {
    const Tensor log_p = torch::log_softmax(outputs.class_logits.index_select(-1, categorical_), 0);
    const Tensor x = value.index_select(-1, categorical_).to(torch::kLong).clamp(0, layout_.categories - 1);
    put(categorical_, log_p.gather(0, x.expand_as(log_p[0]).unsqueeze(0)).squeeze(0));
  }
  if (counts_.defined()) {
    const Tensor x = value.index_select(-1, counts_);
    const Tensor mean =
        (count_mean.index_select(0, counts_) + 0.5) * outputs.log_ratio.index_select(-1, counts_).exp();
    const Tensor r = outputs.dispersion.index_select(-1, counts_);
    const Tensor log_total = (r + mean).log();
    put(counts_, torch::lgamma(x + r) - torch::lgamma(r) - torch::lgamma(x + 1.0) +
                     r * (r.log() - log_total) + x * (mean.log() - log_total));
  }
  return result;
}

}  // namespace lacuna::model
