#include "model/network.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "model/censored.h"
#include "state/records/counter_random.h"

namespace lacuna::model {

using torch::Tensor;

namespace {

/// No predictive sd falls below this share of the population's: a value repeated by a machine must not buy
/// unbounded likelihood.
constexpr double kScaleFloor = 0.05;
constexpr double kLogPrecisionMax = 8.0;
/// An expert begins vague (precision e^-2 against the prior's 1), so that nine of them do not begin
/// overconfident.
constexpr double kExpertStart = -2.0;
constexpr double kRatioMax = 6.0;
/// A t with fewer degrees of freedom than this has hardly a variance.
constexpr double kFreedomMin = 2.5;
/// Of a class: what rounding leaves of a difference must have a logarithm.
constexpr double kProbabilityMin = 1e-9;
/// A value one sd further moves the probit of being measured by no more than this.
constexpr double kSlopeMax = 5.0;
/// Two numbers a feature say what all of its values share in: they may move faster than other weights.
constexpr double kMeasuredGain = 5.0;
/// Log precision of an expert that has nothing to say.
constexpr double kSilent = -30.0;

Tensor normalised(const Tensor& x, const Tensor& gain, const Tensor& bias) {
  return torch::silu(torch::layer_norm(x, {x.size(-1)}) * gain + bias);
}

}  // namespace

Posterior fuse(const Tensor& mean, const Tensor& log_precision, const Tensor& subset, const Tensor& extra_mean,
               const Tensor& extra_log_precision) {
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

Tensor kl_between(const Posterior& q, const Posterior& p) {
  const Tensor gap = q.mean - p.mean;
  return 0.5 *
         ((q.log_variance - p.log_variance).exp() + gap * gap * (-p.log_variance).exp() - 1.0 + p.log_variance - q.log_variance).sum(-1);
}

Tensor kl_to_prior(const Posterior& q) { return 0.5 * (q.log_variance.exp() + q.mean * q.mean - 1.0 - q.log_variance).sum(-1); }

Tensor self_masking_features(const InputLayout& layout) {
  std::vector<float> acts;
  for (const Likelihood l : layout.likelihoods) acts.push_back(l == Likelihood::normal || l == Likelihood::log_normal ? 1.0F : 0.0F);
  return torch::tensor(acts);
}

std::int64_t Network::parameter_count(const InputLayout& layout, const ModelOptions& options) {
  std::int64_t count = 0;
  NetworkWeights(layout, options).visit([&](Tensor&, const WeightShape& w) { count += c10::multiply_integers(w.shape); });
  return count;
}

Tensor Network::initial(const InputLayout& layout, const ModelOptions& options) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(parameter_count(layout, options)));
  CounterRandom random(options.seed);
  NetworkWeights(layout, options).visit([&](Tensor&, const WeightShape& w) {
    std::vector<float> draw(static_cast<std::size_t>(c10::multiply_integers(w.shape)));
    random.normals(draw);
    for (float v : draw) values.push_back(static_cast<float>(w.centre + w.spread * v));
  });
  return torch::tensor(values);
}

Network::Network(const InputLayout& layout, const ModelOptions& options, Tensor flat, bool trainable)
    : layout_(layout), flat_(std::move(flat)), w_(layout, options) {
  if (trainable) gradient_ = torch::zeros_like(flat_);
  std::int64_t at = 0;
  w_.visit([&](Tensor& view, const WeightShape& w) {
    const std::int64_t length = c10::multiply_integers(w.shape);
    view = flat_.detach().narrow(0, at, length).view(w.shape);
    if (trainable) {
      view = view.detach().requires_grad_(true);
      view.mutable_grad() = gradient_.narrow(0, at, length).view(w.shape);
    }
    at += length;
  });
  const auto f = static_cast<std::size_t>(layout_.features);
  std::vector<float> missing(static_cast<std::size_t>(layout_.categories) * f, -1e9F);
  std::vector<std::int64_t> kinds[5];
  std::vector<float> last_cuts;
  const auto slots = static_cast<std::size_t>(layout_.modalities * w_.widest);
  std::vector<std::int64_t> places(slots, 0);
  std::vector<float> filled(slots, 0.0F);
  std::vector<std::size_t> taken(static_cast<std::size_t>(layout_.modalities));
  for (std::size_t i = 0; i < f; ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const auto modality = static_cast<std::size_t>(layout_.modality_of[i]);
    places[modality * static_cast<std::size_t>(w_.widest) + taken[modality]] = index;
    filled[modality * static_cast<std::size_t>(w_.widest) + taken[modality]++] = 1.0F;
    const Likelihood kind = layout_.likelihoods[i];
    if (kind == Likelihood::bernoulli) kinds[0].push_back(index);
    if (has_categories(kind)) kinds[1].push_back(index);
    if (kind == Likelihood::ordinal) {
      kinds[3].push_back(index);
      for (std::int64_t c = 0; c < layout_.categories; ++c) last_cuts.push_back(c + 1 >= layout_.category_counts[i] ? 1.0F : 0.0F);
    }
    if (kind == Likelihood::student_t) kinds[4].push_back(index);
    if (kind == Likelihood::negative_binomial) kinds[2].push_back(index);
    for (std::int64_t c = 0; c < layout_.category_counts[i]; ++c) missing[static_cast<std::size_t>(c) * f + i] = 0.0F;
  }
  const auto device = flat_.device();
  place_ = torch::tensor(places).to(device);
  filled_ = torch::tensor(filled).view({-1, 1}).to(device);
  self_masking_features_ = self_masking_features(layout).to(device);
  if (!kinds[0].empty()) bernoulli_ = torch::tensor(kinds[0]).to(device);
  if (!kinds[1].empty()) categorical_ = torch::tensor(kinds[1]).to(device);
  if (!kinds[2].empty()) counts_ = torch::tensor(kinds[2]).to(device);
  if (!kinds[3].empty()) {
    ordinal_ = torch::tensor(kinds[3]).to(device);
    last_cut_ = torch::tensor(last_cuts).view({w_.ordinals, layout_.categories}).to(device);
  }
  if (!kinds[4].empty()) heavy_ = torch::tensor(kinds[4]).to(device);
  if (layout_.categories > 0) class_mask_ = torch::tensor(missing).view({layout_.categories, 1, 1, layout_.features}).to(device);
}

Tensor Network::codes(const Tensor& past, const Tensor& context, const std::vector<PayloadRows>& payloads) const {
  const std::int64_t rows = past.size(0), m = layout_.modalities;
  Tensor code = (torch::mm(context, w_.in_context) + w_.in_bias).view({rows, m, w_.embed});
  if (layout_.features > 0) {
    // Each modality's features side by side, so that its encoder is one product with its own weights alone.
    const Tensor own = (past.index_select(1, place_) * filled_).view({rows, m, w_.widest * layout_.past});
    code = code + torch::bmm(own.transpose(0, 1), w_.in).transpose(0, 1);
  }
  for (std::size_t slot = 0; slot < payloads.size(); ++slot) {
    const PayloadRows& p = payloads[slot];
    if (!p.index.defined() || p.index.size(0) == 0) continue;
    const Tensor said = w_.kinds[slot]->encode(p.standardised()) + torch::mm(p.age, w_.payload_age[static_cast<std::int64_t>(slot)]);
    Tensor all = torch::zeros({rows, w_.embed}, said.options()).index_copy(0, p.index, said);
    const auto modality = static_cast<std::int64_t>(layout_.payloads[slot].modality);
    Tensor at = torch::zeros({m, 1}, said.options());
    at.narrow(0, modality, 1).fill_(1.0);
    code = code + all.unsqueeze(1) * at;
  }
  return normalised(code, w_.norm, w_.norm_bias);
}

Network::Encoded Network::fuse_codes(const Tensor& code, const Tensor& context, const Tensor& subset, bool explain) const {
  if (w_.attention) return attend(code, context, subset, explain);
  const Tensor head = torch::bmm(code.transpose(0, 1), w_.head) + w_.head_bias;  // [M, B, 2L]
  const auto expert = head.transpose(0, 1).chunk(2, -1);
  const Tensor precision = (expert[1] + kExpertStart).clamp(-kLogPrecisionMax, kLogPrecisionMax);
  Encoded out;
  if (explain) {
    // Each dimension's precision has its share, whether or not the joint expert adds to it.
    const Tensor own = precision.exp().unsqueeze(1) * subset.unsqueeze(-1);  // [B, S, M, L]
    out.shares = (own / own.sum(2, true).clamp_min(1e-12)).mean(-1);
  }
  if (!w_.joint_expert) {
    out.posterior = fuse(expert[0], precision, subset);
    return out;
  }
  // One more expert reads the subset's codes together: how one modality is read can depend on another.
  const Tensor together = (code.unsqueeze(1) * subset.unsqueeze(-1)).flatten(2);  // [B, S, M * E]
  Tensor joint = torch::matmul(together, w_.joint) + torch::mm(context, w_.joint_context).unsqueeze(1) +
                 torch::matmul(subset, w_.joint_subset) + w_.joint_bias;
  joint = normalised(joint, w_.joint_norm, w_.joint_norm_bias);
  joint = joint + normalised(torch::matmul(joint, w_.joint2) + w_.joint2_bias, w_.joint2_norm, w_.joint2_norm_bias);
  const auto extra = (torch::matmul(joint, w_.joint_head) + w_.joint_head_bias).chunk(2, -1);
  out.posterior = fuse(expert[0], precision, subset, extra[0], extra[1].clamp(-kLogPrecisionMax, kLogPrecisionMax));
  return out;
}

/// The modalities of a subset look at each other once (self-attention), then a question of the network's own is put to each of them
/// and the answers are weighed.
Network::Encoded Network::attend(const Tensor& code, const Tensor& context, const Tensor& subset, bool explain) const {
  const std::int64_t rows = code.size(0), m = layout_.modalities, s = subset.size(1), per = w_.embed / kHeads;
  const Tensor absent = (1.0 - subset) * kSilent * 10;  // [B, S, M]
  const auto heads = [&](const Tensor& w) { return torch::matmul(code, w).view({rows, m, kHeads, per}).transpose(1, 2); };
  const Tensor score = torch::matmul(heads(w_.query), heads(w_.key).transpose(-2, -1)) / std::sqrt(static_cast<double>(per));
  const Tensor look = torch::softmax(score.unsqueeze(1) + absent.view({rows, s, 1, 1, m}), -1);      // [B, S, heads, M, M]
  const Tensor seen = torch::matmul(look, heads(w_.value).unsqueeze(1)).transpose(2, 3).flatten(3);  // [B, S, M, E]
  const Tensor mixed = code.unsqueeze(1) + normalised(torch::matmul(seen, w_.mix), w_.mix_norm, w_.mix_norm_bias);
  // [B, S, M, heads] and [B, S, M, H], each modality with weights of its own.
  const Tensor by_modality = mixed.permute({2, 0, 1, 3}).reshape({m, rows * s, w_.embed});
  const auto back = [&](const Tensor& t) { return t.view({m, rows, s, -1}).permute({1, 2, 0, 3}); };
  const Tensor answer = back(torch::bmm(by_modality, w_.pool_value)), weight_logit = back(torch::bmm(by_modality, w_.pool)) + w_.pool_bias;
  const Tensor weight = torch::softmax(weight_logit + absent.unsqueeze(-1), 2);  // [B, S, M, heads]
  const Tensor pooled = (answer.view({rows, s, m, kHeads, w_.width / kHeads}) * weight.unsqueeze(-1)).sum(2).flatten(2);
  Tensor joint = pooled + torch::mm(context, w_.joint_context).unsqueeze(1) + torch::matmul(subset, w_.joint_subset) + w_.joint_bias;
  joint = normalised(joint, w_.joint_norm, w_.joint_norm_bias);
  joint = joint + normalised(torch::matmul(joint, w_.joint2) + w_.joint2_bias, w_.joint2_norm, w_.joint2_norm_bias);
  const auto extra = (torch::matmul(joint, w_.joint_head) + w_.joint_head_bias).chunk(2, -1);
  // With no modality at all there is nobody to ask: the prior.
  const Tensor any = subset.amax(-1, true);
  const Tensor log_precision = extra[1].clamp(-kLogPrecisionMax, kLogPrecisionMax);
  const Tensor total = (log_precision.exp() * any) + 1.0;
  Encoded out;
  out.posterior = {log_precision.exp() * any * extra[0] / total, -total.log()};
  if (explain) {
    // Followed through both layers: half of what a modality says is its own, half is what it saw in the others.
    const Tensor pool = weight.mean(-1).unsqueeze(-2), through = 0.5 * (torch::eye(m, code.options()) + look.mean(2));
    out.shares = torch::matmul(pool, through).squeeze(-2) * subset;
  }
  return out;
}

Posterior Network::encode(const Tensor& past, const Tensor& context, const Tensor& subset, const std::vector<PayloadRows>& payloads) const {
  return fuse_codes(codes(past, context, payloads), context, subset).posterior;
}

Tensor Network::state(const Tensor& latent, const Tensor& context) const {
  const Tensor x = torch::matmul(latent, w_.trunk) + torch::mm(context, w_.trunk_context).unsqueeze(1) + w_.trunk_bias;
  return normalised(x, w_.trunk_norm, w_.trunk_norm_bias);
}

Tensor Network::expand(const Tensor& state) const {
  return (torch::matmul(state, w_.expand) + w_.expand_bias).view({state.size(0), state.size(1), layout_.features, kFeatureWidth});
}

Tensor Network::measured_base() const { return kMeasuredGain * w_.measured_base; }

Tensor Network::measured_slope() const {
  return kSlopeMax * torch::tanh(kMeasuredGain / kSlopeMax * w_.measured_slope) * self_masking_features_;
}

Tensor Network::measured_log_likelihood(const Outputs& blind, const Tensor& observed, const Tensor& value) const {
  const Tensor base = measured_base(), slope = measured_slope();
  const Tensor given_value = base + slope * value;
  const Tensor without = (base + slope * blind.location[0]) / (1.0 + (slope * blind.scale[0]).square()).sqrt();
  return torch::where(observed > 0, torch::special_log_ndtr(given_value), torch::special_log_ndtr(-without));
}

Tensor Network::ordinal_log_probabilities(const Tensor& location) const {
  // The first cut point, then how far each is above the one before.
  const Tensor first = w_.cuts.narrow(1, 0, 1) - 1.0, steps = torch::softplus(w_.cuts.narrow(1, 1, layout_.categories - 1) + 0.5);
  const Tensor cuts = torch::cat({first, steps}, 1).cumsum(1).t().unsqueeze(1).unsqueeze(1);  // [C, 1, 1, N]
  const Tensor last = last_cut_.t().unsqueeze(1).unsqueeze(1);
  const Tensor below = torch::maximum(torch::sigmoid(cuts - location), last);
  const Tensor before = torch::cat({torch::zeros_like(below.narrow(0, 0, 1)), below.narrow(0, 0, layout_.categories - 1)}, 0);
  return (below - before).clamp_min(kProbabilityMin).log();
}

Outputs Network::decode(const Tensor& hidden, const Tensor& past, const Tensor& visible) const {
  const std::int64_t rows = hidden.size(0), samples = hidden.size(1), f = layout_.features;
  Tensor units = hidden, linear, known[2], last[2];
  if (past.defined()) {
    const auto seen = [&](const Tensor& t) { return visible.defined() ? t * visible : t; };
    Tensor own = torch::bmm(past.transpose(0, 1), w_.past).transpose(0, 1).unsqueeze(1);  // [B, 1, F, U]
    units = units + (visible.defined() ? own * visible.unsqueeze(-1) : own);
    linear = seen((past * w_.skip).sum(-1).unsqueeze(1));  // [B, 1, F]
    const bool two_sided = layout_.past > layout_.side;
    for (std::int64_t i = 0; i < 2; ++i) {
      // Of two sides, the second component starts out at the first value after.
      const std::int64_t from = two_sided ? i * layout_.side : 0;
      known[i] = seen(past.select(-1, from + kMask).unsqueeze(1));
      last[i] = past.select(-1, from + kLast).unsqueeze(1) + linear;
    }
  }
  const Tensor flat = torch::silu(units).reshape({rows * samples, f, kFeatureWidth}).transpose(0, 1);
  const Tensor raw = (torch::bmm(flat, w_.out) + w_.out_bias).permute({2, 1, 0}).contiguous().view({-1, rows, samples, f});
  const auto located = [&](int component, OutColumn gate, OutColumn delta, double start) {
    if (!past.defined()) return raw[delta];
    const Tensor share = torch::sigmoid(raw[gate] + start) * known[component];
    return raw[delta] + share * (last[component] - raw[delta]);
  };
  Outputs out;
  out.first_logit = raw[kFirst];
  out.location[0] = located(0, kGateA, kDeltaA, 3.0);
  out.location[1] = located(1, kGateB, kDeltaB, 0.0);
  out.scale[0] = torch::softplus(raw[kScaleA] - 0.5) + kScaleFloor;
  out.scale[1] = torch::softplus(raw[kScaleB] + 0.5) + kScaleFloor;
  if (w_.mnar && !past.defined()) {
    const Tensor scale = torch::softplus(w_.out_bias.select(1, 0).select(1, kScaleA) + 0.5) + kScaleFloor;
    out.location[1] = out.location[0];
    out.scale[0] = out.scale[1] = scale.expand_as(out.location[0]);
  }
  if (bernoulli_.defined()) out.logit = past.defined() ? raw[kDeltaA] + linear : raw[kDeltaA];
  if (categorical_.defined()) out.class_logits = raw.narrow(0, 0, layout_.categories) + class_mask_;
  if (ordinal_.defined()) {
    const Tensor location = past.defined() ? raw[kDeltaA] + linear : raw[kDeltaA];
    out.class_logits = out.class_logits.index_copy(-1, ordinal_, ordinal_log_probabilities(location.index_select(-1, ordinal_)));
  }
  if (heavy_.defined()) out.freedom = torch::softplus(raw[kScaleB] + 2.0) + kFreedomMin;
  if (counts_.defined()) {
    out.log_ratio = out.location[0].clamp(-kRatioMax, kRatioMax);
    out.dispersion = out.scale[1];
  }
  return out;
}

Tensor Network::log_likelihood(const Outputs& outputs, const Tensor& target, const Tensor& count_mean, const Tensor& side) const {
  const Tensor density = log_density(outputs, target, count_mean);
  return side.defined() ? torch::where(side.unsqueeze(1) == 0, density, log_tail(outputs, target, count_mean, side)) : density;
}

/// Where `side` is 0 it is finite, and of no meaning.
Tensor Network::log_tail(const Outputs& outputs, const Tensor& target, const Tensor& count_mean, const Tensor& side) const {
  const Tensor value = target.unsqueeze(1), towards = -side.unsqueeze(1);
  const auto normal = [&](int i) { return normal_log_tail(towards * (value - outputs.location[i]) / outputs.scale[i]); };
  Tensor result =
      torch::logaddexp(torch::log_sigmoid(outputs.first_logit) + normal(0), torch::log_sigmoid(-outputs.first_logit) + normal(1));
  if (heavy_.defined()) {
    const auto of = [&](const Tensor& t) { return t.index_select(-1, heavy_); };
    const Tensor z = of(towards) * (of(value) - of(outputs.location[0])) / of(outputs.scale[0]);
    result = result.index_copy(-1, heavy_, student_t_log_tail(z, of(outputs.freedom)));
  }
  if (counts_.defined()) {
    const auto of = [&](const Tensor& t) { return t.index_select(-1, counts_); };
    const Tensor mean = (count_mean.index_select(0, counts_) + 0.5) * of(outputs.log_ratio).exp(), r = of(outputs.dispersion);
    result = result.index_copy(-1, counts_, count_log_tail(mean, r, of(value).expand_as(mean), of(side.unsqueeze(1)).expand_as(mean)));
  }
  return result;
}

Tensor Network::log_density(const Outputs& outputs, const Tensor& target, const Tensor& count_mean) const {
  const Tensor value = target.unsqueeze(1);
  const auto normal = [&](int i) {
    return -tail_cost((value - outputs.location[i]) / outputs.scale[i]) - outputs.scale[i].log() - 0.5 * std::log(2 * std::numbers::pi);
  };
  Tensor result =
      torch::logaddexp(torch::log_sigmoid(outputs.first_logit) + normal(0), torch::log_sigmoid(-outputs.first_logit) + normal(1));
  const auto put = [&](const Tensor& index, const Tensor& values) { result = result.index_copy(-1, index, values); };
  if (bernoulli_.defined()) {
    const Tensor logit = outputs.logit.index_select(-1, bernoulli_), x = value.index_select(-1, bernoulli_);
    put(bernoulli_, x * logit - torch::softplus(logit));
  }
  if (categorical_.defined()) {
    const Tensor log_p = torch::log_softmax(outputs.class_logits.index_select(-1, categorical_), 0);
    const Tensor x = value.index_select(-1, categorical_).to(torch::kLong).clamp(0, layout_.categories - 1);
    put(categorical_, log_p.gather(0, x.expand_as(log_p[0]).unsqueeze(0)).squeeze(0));
  }
  if (heavy_.defined()) {
    // Student t with location, scale and degrees of freedom (Lange, Little and Taylor 1989).
    const auto of = [&](const Tensor& t) { return t.index_select(-1, heavy_); };
    const Tensor nu = of(outputs.freedom), scale = of(outputs.scale[0]), z = (of(value) - of(outputs.location[0])) / scale;
    put(heavy_, torch::lgamma(0.5 * (nu + 1)) - torch::lgamma(0.5 * nu) - 0.5 * (nu * std::numbers::pi).log() - scale.log() -
                    0.5 * (nu + 1) * torch::log1p(z * z / nu));
  }
  if (counts_.defined()) {
    const Tensor x = value.index_select(-1, counts_);
    const Tensor mean = (count_mean.index_select(0, counts_) + 0.5) * outputs.log_ratio.index_select(-1, counts_).exp();
    const Tensor r = outputs.dispersion.index_select(-1, counts_);
    const Tensor log_total = (r + mean).log();
    put(counts_,
        torch::lgamma(x + r) - torch::lgamma(r) - torch::lgamma(x + 1.0) + r * (r.log() - log_total) + x * (mean.log() - log_total));
  }
  return result;
}

}  // namespace lacuna::model
