#include "model/version.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "state/records/hash.h"

namespace lacuna::model {

using torch::Tensor;

namespace {

/// Queries computed together: enough to fill the products, few enough that a chunk's tensors stay in the
/// processor's cache.
constexpr std::size_t kChunk = 48;

/// Exponent of the importance weights. With few draws their full variance costs more than their bias is
/// worth: at 1 the effective sample size was 3.5 of 16 and the error 2 % higher (docs/model.md).
constexpr double kWeightPower = 0.1;

/// Host copies of what a chunk's predictions are assembled from, [rows, samples, features] each.
struct HostOutputs {
  Tensor first_share, location[2], scale[2], probability, classes, log_ratio, dispersion;

  HostOutputs() = default;
  explicit HostOutputs(const Outputs& o) {
    const auto host = [](const Tensor& t) { return t.to(torch::kCPU).contiguous(); };
    first_share = host(torch::sigmoid(o.first_logit));
    for (int i = 0; i < 2; ++i) {
      location[i] = host(o.location[i]);
      scale[i] = host(o.scale[i]);
    }
    if (o.logit.defined()) probability = host(torch::sigmoid(o.logit));
    if (o.class_logits.defined()) classes = host(torch::softmax(o.class_logits, 0));
    if (o.log_ratio.defined()) {
      log_ratio = host(o.log_ratio);
      dispersion = host(o.dispersion);
    }
  }
};

class Version final : public ModelVersion {
 public:
  explicit Version(VersionParts parts)
      : p_(std::move(parts)), network_(p_.encoder->layout(), p_.options, p_.weights, false) {
    const Tensor host = p_.weights.to(torch::kCPU).contiguous();
    ByteWriter moments;
    p_.standardiser.save(moments);
    const std::string_view bytes(static_cast<const char*>(host.data_ptr()), host.nbytes());
    const std::uint64_t hash = hash64(moments.take(), hash64(bytes));
    char text[32];
    std::snprintf(text, sizeof text, "%06lld-%08x", static_cast<long long>(p_.number),
                  static_cast<unsigned>(hash >> 32));
    id_ = text;
    std::vector<float> means;
    for (FeatureId f = 0; f < static_cast<FeatureId>(p_.encoder->layout().features); ++f) {
      means.push_back(static_cast<float>(p_.standardiser.mean(f)));
    }
    count_mean_ = torch::tensor(means).to(p_.weights.device());
  }

  const std::string& id() const override { return id_; }
  std::int64_t steps() const override { return p_.steps; }
  std::int64_t parameter_count() const override { return p_.weights.numel(); }
  double loss() const override { return p_.loss; }
  std::pair<double, double> moments(FeatureId feature) const override {
    return {p_.standardiser.mean(feature), p_.standardiser.sd(feature)};
  }

  Result<std::vector<Prediction>> predict(std::span<const Query> queries) const override {
    return in_chunks<Prediction>(queries, [this](auto some, auto out) { predict_chunk(some, out); });
  }
  Result<std::vector<std::vector<float>>> codes(std::span<const Query> queries) const override {
    return in_chunks<std::vector<float>>(queries, [this](auto some, auto out) { encode_chunk(some, out); });
  }

 private:
  struct Rows {
    Tensor past, visible, last, context, subset, noise;
    bool any_known_wanted = false;
  };

  /// `each` fills the answers of a chunk.
  template <typename Answer, typename Each>
  Result<std::vector<Answer>> in_chunks(std::span<const Query> queries, Each&& each) const {
    try {
      const torch::NoGradGuard no_gradients;
      use_one_thread();
      std::vector<Answer> answers(queries.size());
      for (std::size_t at = 0; at < queries.size(); at += kChunk) {
        const std::size_t size = std::min(kChunk, queries.size() - at);
        each(queries.subspan(at, size), std::span(answers).subspan(at, size));
      }
      return answers;
    } catch (const std::exception&) {
      // LibTorch's messages can quote tensors; what reaches the log must hold no value of a patient.
      return {Code::internal, "model " + id_ + " failed: LibTorch threw, or the weights have diverged"};
    }
  }

  Rows encode(std::span<const Query> queries) const;
  void encode_chunk(std::span<const Query> queries, std::span<std::vector<float>> out) const;
  void predict_chunk(std::span<const Query> queries, std::span<Prediction> out) const;
  Predictive assemble(const HostOutputs& o, std::int64_t row, FeatureId feature, const float* weights) const;

  VersionParts p_;
  Network network_;
  Tensor count_mean_;
  std::string id_;
};

Version::Rows Version::encode(std::span<const Query> queries) const {
  const InputLayout& layout = p_.encoder->layout();
  const auto rows = static_cast<std::int64_t>(queries.size());
  const std::int64_t f = layout.features, k = p_.predict.samples, d = p_.options.latent_dim;
  // A mixture of experts asks each observed modality in turn; the product asks all of them at once.
  const std::int64_t subsets = p_.options.fusion == Fusion::moe ? layout.modalities : 1;
  Rows r{torch::empty({rows, f, layout.past}),
         torch::empty({rows, f}),
         torch::empty({rows, f}),
         torch::empty({rows, layout.context}),
         torch::zeros({rows, subsets, layout.modalities}),
         torch::empty({rows, k, d}),
         false};
  const auto span = [](Tensor& t, std::int64_t row) {
    const std::int64_t width = t.numel() / t.size(0);
    return std::span<float>(t.data_ptr<float>() + row * width, static_cast<std::size_t>(width));
  };
  for (std::int64_t i = 0; i < rows; ++i) {
    const Query& query = queries[static_cast<std::size_t>(i)];
    const auto past = span(r.past, i), visible = span(r.visible, i);
    p_.encoder->encode(p_.standardiser, *query.snapshot, query.time,
                       {past, visible, span(r.last, i), span(r.context, i)});
    for (std::int64_t j = 0; j < f; ++j) {
      const ModalityId modality = layout.modality_of[static_cast<std::size_t>(j)];
      if (std::find(query.hidden.begin(), query.hidden.end(), modality) == query.hidden.end()) continue;
      visible[static_cast<std::size_t>(j)] = 0.0F;
      std::fill_n(past.begin() + j * layout.past, layout.past, 0.0F);
    }
    std::vector<ModalityId> seen;
    for (std::int64_t j = 0; j < f; ++j) {
      const ModalityId modality = layout.modality_of[static_cast<std::size_t>(j)];
      if (visible[static_cast<std::size_t>(j)] > 0 && (seen.empty() || seen.back() != modality))
        seen.push_back(modality);
    }
    const auto subset = span(r.subset, i);
    for (std::size_t s = 0; s < seen.size(); ++s) {
      if (subsets == 1) subset[seen[s]] = 1.0F;
    }
    for (std::size_t s = 0; subsets > 1 && !seen.empty() && s < static_cast<std::size_t>(subsets); ++s) {
      subset[s * static_cast<std::size_t>(layout.modalities) + seen[s % seen.size()]] = 1.0F;
    }
    for (FeatureId wanted : query.wanted) r.any_known_wanted |= visible[wanted] > 0;
    // Antithetic pairs: half the draws, and the mean over them free of odd-order error.
    const auto noise = span(r.noise, i);
    const std::size_t half = static_cast<std::size_t>((k + 1) / 2 * d);
    HashRandom(query.seed).normals(noise.first(half));
    for (std::size_t n = half; n < noise.size(); ++n) noise[n] = -noise[n - half];
  }
  return r;
}

void Version::encode_chunk(std::span<const Query> queries, std::span<std::vector<float>> out) const {
  const Rows rows = encode(queries);
  const auto device = p_.weights.device();
  const Posterior q = network_.encode(rows.past.to(device), rows.context.to(device), rows.subset.to(device));
  // A mixture of experts has one posterior a modality: its mean is theirs.
  const Tensor mean = q.mean.mean(1).to(torch::kCPU).contiguous();
  if (!torch::isfinite(mean).all().item<bool>()) throw std::runtime_error("not finite");
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const float* const row = mean.data_ptr<float>() + static_cast<std::int64_t>(i) * mean.size(1);
    out[i].assign(row, row + mean.size(1));
  }
}

void Version::predict_chunk(std::span<const Query> queries, std::span<Prediction> out) const {
  Rows rows = encode(queries);
  const auto device = p_.weights.device();
  const std::int64_t k = p_.predict.samples;
  const Tensor past = rows.past.to(device), context = rows.context.to(device), noise = rows.noise.to(device);
  Posterior q = network_.encode(past, context, rows.subset.to(device));
  if (q.mean.size(1) > 1) {
    const Tensor turn = torch::arange(k, torch::kLong).remainder(q.mean.size(1)).to(device);
    q = {q.mean.index_select(1, turn), q.log_variance.index_select(1, turn)};
  }
  const Tensor latent = q.mean + (0.5 * q.log_variance).exp() * noise;
  const Tensor hidden = network_.expand(latent, context);
  const Outputs blind = network_.decode(hidden, {});
  // Importance weights: how well each draw explains what is known, against how readily it was drawn.
  const Tensor explained = (network_.log_likelihood(blind, rows.last.to(device), count_mean_) *
                            rows.visible.to(device).unsqueeze(1))
                               .sum(-1);
  const Tensor log_prior = -0.5 * (latent * latent).sum(-1);
  const Tensor log_proposal = (-0.5 * (noise * noise) - 0.5 * q.log_variance).sum(-1);
  const Tensor weights =
      torch::softmax((explained + log_prior - log_proposal) * kWeightPower, 1).to(torch::kCPU).contiguous();
  const HostOutputs unknown(blind);
  const HostOutputs known =
      rows.any_known_wanted ? HostOutputs(network_.decode(hidden, past)) : HostOutputs();
  const float* visible = rows.visible.data_ptr<float>();
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const float* w = weights.data_ptr<float>() + static_cast<std::int64_t>(i) * k;
    double squares = 0;
    for (std::int64_t s = 0; s < k; ++s) squares += static_cast<double>(w[s]) * w[s];
    // Every weight depends on every output, so one look finds a network that has diverged anywhere.
    if (!std::isfinite(squares)) throw std::runtime_error("not finite");
    out[i].effective_samples = std::clamp(1.0 / squares, 1.0, static_cast<double>(k));
    out[i].features = queries[i].wanted;
    out[i].predictive.reserve(queries[i].wanted.size());
    for (FeatureId f : queries[i].wanted) {
      const bool measured = visible[i * static_cast<std::size_t>(p_.encoder->layout().features) + f] > 0;
      out[i].predictive.push_back(assemble(measured ? known : unknown, static_cast<std::int64_t>(i), f, w));
    }
  }
}

Predictive Version::assemble(const HostOutputs& o, std::int64_t row, FeatureId feature,
                             const float* weights) const {
  const InputLayout& layout = p_.encoder->layout();
  const std::int64_t k = p_.predict.samples, f = layout.features;
  const auto at = [&](const Tensor& t, std::int64_t s) {
    return t.data_ptr<float>()[(row * k + s) * f + feature];
  };
  Predictive p;
  p.likelihood = layout.likelihoods[feature];
  const double mean = p_.standardiser.mean(feature), sd = p_.standardiser.sd(feature);
  switch (p.likelihood) {
    case Likelihood::normal:
    case Likelihood::log_normal:
      for (auto* v : {&p.weights, &p.location, &p.scale}) v->reserve(static_cast<std::size_t>(2 * k));
      for (std::int64_t s = 0; s < k; ++s) {
        const float first = at(o.first_share, s);
        for (int c = 0; c < 2; ++c) {
          p.weights.push_back(weights[s] * (c == 0 ? first : 1.0F - first));
          p.location.push_back(static_cast<float>(mean + sd * at(o.location[c], s)));
          p.scale.push_back(static_cast<float>(sd * at(o.scale[c], s)));
        }
      }
      break;
    case Likelihood::negative_binomial:
      for (std::int64_t s = 0; s < k; ++s) {
        p.weights.push_back(weights[s]);
        p.location.push_back(static_cast<float>((mean + 0.5) * std::exp(at(o.log_ratio, s))));
        p.scale.push_back(at(o.dispersion, s));
      }
      break;
    case Likelihood::bernoulli: {
      float one = 0;
      for (std::int64_t s = 0; s < k; ++s) one += weights[s] * at(o.probability, s);
      p.class_probabilities = {1.0F - one, one};
      break;
    }
    case Likelihood::categorical: {
      p.class_probabilities.assign(static_cast<std::size_t>(layout.category_counts[feature]), 0.0F);
      const std::int64_t stride = o.classes.numel() / layout.categories;
      for (std::size_t c = 0; c < p.class_probabilities.size(); ++c) {
        const float* of_class = o.classes.data_ptr<float>() + static_cast<std::int64_t>(c) * stride;
        for (std::int64_t s = 0; s < k; ++s)
          p.class_probabilities[c] += weights[s] * of_class[(row * k + s) * f + feature];
      }
      break;
    }
  }
  return p;
}

}  // namespace

std::shared_ptr<const ModelVersion> make_version(VersionParts parts) {
  return std::make_shared<const Version>(std::move(parts));
}

}  // namespace lacuna::model
