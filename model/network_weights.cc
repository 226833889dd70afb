#include "model/network_weights.h"

#include <algorithm>
#include <utility>

namespace lacuna::model {

using torch::Tensor;

namespace {

/// Features of the modality that has most.
std::int64_t widest_modality(const InputLayout& layout) {
  std::int64_t most = 0;
  for (const ModalityId m : layout.modality_of)
    most = std::max<std::int64_t>(most, std::count(layout.modality_of.begin(), layout.modality_of.end(), m));
  return most;
}

std::int64_t whole_heads(std::int64_t size) { return (size + kHeads - 1) / kHeads * kHeads; }

}  // namespace

NetworkWeights::NetworkWeights(const InputLayout& layout, const ModelOptions& options)
    : latent(options.latent_dim),
      width(options.hidden_dim),
      embed(std::max(options.hidden_dim / 2, 8)),
      joint_expert(options.joint_expert && options.fusion != Fusion::attention),
      attention(options.fusion == Fusion::attention),
      mnar(options.mnar),
      widest(widest_modality(layout)),
      ordinals(std::count(layout.likelihoods.begin(), layout.likelihoods.end(), Likelihood::ordinal)),
      features_(layout.features),
      modalities_(layout.modalities),
      past_(layout.past),
      context_(layout.context),
      categories_(layout.categories) {
  if (attention) embed = whole_heads(embed), width = whole_heads(width);
  for (const PayloadSlot& slot : layout.payloads) {
    kinds.push_back(make_kind(slot.kind, slot.spec, embed, width));
    payload_names_.push_back(slot.name);
  }
}

void NetworkWeights::visit(const std::function<void(Tensor&, const WeightShape&)>& each) {
  const Put put = [&each](Tensor& view, const char* name, std::vector<Dimension> dimensions, double spread, double centre,
                          std::vector<std::int64_t> shape) {
    if (shape.empty()) {
      for (const Dimension& d : dimensions) shape.push_back(d.size);
    }
    each(view, {name, std::move(dimensions), std::move(shape), spread, centre});
  };
  visit_encoders(put);
  if (attention) visit_attention(put);
  if (joint_expert || attention) visit_joint(put);
  visit_decoder(put);
  for (std::size_t slot = 0; slot < kinds.size(); ++slot) {
    std::size_t number = 0;
    kinds[slot]->visit([&](Tensor& view, const std::vector<std::int64_t>& shape, double spread, double centre) {
      const std::string name = payload_names_[slot] + "/" + std::to_string(number++);
      each(view, {name, {shape.begin(), shape.end()}, shape, spread, centre});
    });
  }
}

void NetworkWeights::visit_encoders(const Put& put) {
  const Dimension modality(modalities_, Axis::modality);
  const std::int64_t m = modalities_, e = embed, d = latent;
  put(in, "in", {{m * widest, Axis::place}, {past_, Axis::past}, e}, fan_in(3 * features_ / std::max<std::int64_t>(m, 1)), 0.0,
      {m, widest * past_, e});
  put(in_context, "in_context", {{context_, Axis::context}, modality, e}, fan_in(context_), 0.0, {context_, m * e});
  put(in_bias, "in_bias", {modality, e}, 0.0, 0.0, {m * e});
  put(norm, "norm", {modality, e}, 0.0, 1.0, {});
  put(norm_bias, "norm_bias", {modality, e}, 0.0, 0.0, {});
  put(head, "head", {modality, e, 2 * d}, 0.5 * fan_in(e), 0.0, {});
  put(head_bias, "head_bias", {modality, 1, 2 * d}, 0.0, 0.0, {});
  if (!kinds.empty()) {
    put(payload_age, "payload_age", {{static_cast<std::int64_t>(kinds.size()), Axis::payload}, PayloadRows::kAgeColumns, e}, 0.1, 0.0, {});
  }
}

void NetworkWeights::visit_attention(const Put& put) {
  const Dimension modality(modalities_, Axis::modality);
  const std::int64_t e = embed;
  put(query, "query", {e, e}, fan_in(e), 0.0, {});
  put(key, "key", {e, e}, fan_in(e), 0.0, {});
  put(value, "value", {e, e}, fan_in(e), 0.0, {});
  put(mix, "mix", {e, e}, 0.5 * fan_in(e), 0.0, {});
  put(mix_norm, "mix_norm", {modality, e}, 0.0, 1.0, {});
  put(mix_norm_bias, "mix_norm_bias", {modality, e}, 0.0, 0.0, {});
  put(pool, "pool", {modality, e, kHeads}, fan_in(e), 0.0, {});
  put(pool_bias, "pool_bias", {modality, kHeads}, 0.0, 0.0, {});
  put(pool_value, "pool_value", {modality, e, width}, fan_in(e), 0.0, {});
}

void NetworkWeights::visit_joint(const Put& put) {
  const Dimension modality(modalities_, Axis::modality);
  const std::int64_t m = modalities_, h = width;
  if (!attention) put(joint, "joint", {modality, embed, h}, fan_in(m * embed), 0.0, {m * embed, h});
  put(joint_context, "joint_context", {{context_, Axis::context}, h}, fan_in(context_), 0.0, {});
  put(joint_subset, "joint_subset", {modality, h}, fan_in(m), 0.0, {});
  put(joint_bias, "joint_bias", {h}, 0.0, 0.0, {});
  put(joint_norm, "joint_norm", {h}, 0.0, 1.0, {});
  put(joint_norm_bias, "joint_norm_bias", {h}, 0.0, 0.0, {});
  put(joint2, "joint2", {h, h}, fan_in(h), 0.0, {});
  put(joint2_bias, "joint2_bias", {h}, 0.0, 0.0, {});
  put(joint2_norm, "joint2_norm", {h}, 0.0, 1.0, {});
  put(joint2_norm_bias, "joint2_norm_bias", {h}, 0.0, 0.0, {});
  put(joint_head, "joint_head", {h, 2 * latent}, 0.5 * fan_in(h), 0.0, {});
  put(joint_head_bias, "joint_head_bias", {2 * latent}, 0.0, 0.0, {});
}

void NetworkWeights::visit_decoder(const Put& put) {
  const Dimension feature(features_, Axis::feature), own_past(past_, Axis::past), context(context_, Axis::context);
  const Dimension output(std::max<std::int64_t>(kOutColumns, categories_), Axis::output);
  const std::int64_t h = width, u = kFeatureWidth;
  put(trunk, "trunk", {latent, h}, fan_in(latent), 0.0, {});
  put(trunk_context, "trunk_context", {context, h}, fan_in(context_), 0.0, {});
  put(trunk_bias, "trunk_bias", {h}, 0.0, 0.0, {});
  put(trunk_norm, "trunk_norm", {h}, 0.0, 1.0, {});
  put(trunk_norm_bias, "trunk_norm_bias", {h}, 0.0, 0.0, {});
  put(expand, "expand", {h, feature, u}, fan_in(h), 0.0, {h, features_ * u});
  put(expand_bias, "expand_bias", {feature, u}, 0.0, 0.0, {features_ * u});
  put(past, "past", {feature, own_past, u}, fan_in(past_), 0.0, {});
  put(skip, "skip", {feature, own_past}, 0.0, 0.0, {});
  put(out, "out", {feature, u, output}, 0.5 * fan_in(u), 0.0, {});
  put(out_bias, "out_bias", {feature, 1, output}, 0.0, 0.0, {});
  if (ordinals > 0) put(cuts, "cuts", {{ordinals, Axis::ordinal}, {categories_, Axis::cut}}, 0.0, 0.0, {});
  if (mnar) {
    put(measured_base, "measured_base", {feature}, 0.0, 0.0, {});
    put(measured_slope, "measured_slope", {feature}, 0.0, 0.0, {});
  }
}

}  // namespace lacuna::model
