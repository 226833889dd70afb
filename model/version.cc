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

/// Samples drawn together, and posterior draws that each of their values is chosen among: with weights as even as these, a value
/// needs fewer than a prediction's mixture.
constexpr std::size_t kSampleRows = 128;
constexpr std::int64_t kProposals = 4;
/// What a query's seed is mixed with for its samples: a stream of their own.
constexpr std::uint64_t kSampleStream = 0x6c616373616d706c;

/// Never 0, whose quantile has no value.
double open_unit(std::uint64_t bits) { return std::max(to_unit(bits), 0x1.0p-54); }

/// An index of weights that sum to 1, by them.
std::int64_t choose(std::span<const float> weights, double u) {
  double reached = 0;
  for (std::size_t i = 0; i + 1 < weights.size(); ++i) {
    reached += weights[i];
    if (u < reached) return static_cast<std::int64_t>(i);
  }
  return static_cast<std::int64_t>(weights.size()) - 1;
}

/// One sample on its way: the patient as known so far, what is still to be drawn, in the order of drawing.
struct Chain {
  Snapshot snapshot;
  Time time{};
  std::uint64_t seed = 0;
  std::vector<FeatureId> order;
  double* values = nullptr;                  ///< where they go, by wanted feature
  const std::vector<FeatureId>* features = nullptr;
};

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
  Result<std::vector<Samples>> sample(std::span<const SampleQuery> queries) const override;
  Result<std::vector<std::vector<float>>> codes(std::span<const Query> queries) const override {
    return in_chunks<std::vector<float>>(queries, [this](auto some, auto out) { encode_chunk(some, out); });
  }

 private:
  struct Rows {
    Tensor past, visible, last, context, subset;
    bool any_known_wanted = false;
  };
  /// Posterior draws [rows, draws, ...]: their hidden units, the reading as if nothing were known, and the logarithms of their
  /// importance weights, up to a constant a row.
  struct Draws {
    Tensor hidden, log_weight;
    Outputs blind;
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
  Tensor antithetic_noise(std::span<const Query> queries) const;
  Draws draw(const Rows& rows, const Tensor& past, const Tensor& context, const Tensor& noise) const;
  void encode_chunk(std::span<const Query> queries, std::span<std::vector<float>> out) const;
  void predict_chunk(std::span<const Query> queries, std::span<Prediction> out) const;
  Chain begin(const SampleQuery& query, std::size_t sample) const;
  void sample_chunk(std::span<Chain> chains) const;
  double draw_value(const HostOutputs& o, std::int64_t draw, FeatureId feature, HashRandom& random) const;
  Predictive assemble(const HostOutputs& o, std::int64_t row, FeatureId feature, const float* weights) const;

  VersionParts p_;
  Network network_;
  Tensor count_mean_;
  std::string id_;
};

Version::Rows Version::encode(std::span<const Query> queries) const {
  const InputLayout& layout = p_.encoder->layout();
  const auto rows = static_cast<std::int64_t>(queries.size());
  const std::int64_t f = layout.features;
  // A mixture of experts asks each observed modality in turn; the product asks all of them at once.
  const std::int64_t subsets = p_.options.fusion == Fusion::moe ? layout.modalities : 1;
  Rows r{torch::empty({rows, f, layout.past}),
         torch::empty({rows, f}),
         torch::empty({rows, f}),
         torch::empty({rows, layout.context}),
         torch::zeros({rows, subsets, layout.modalities}),
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
  }
  return r;
}

/// Antithetic pairs: half the draws, and the mean over them free of odd-order error.
Tensor Version::antithetic_noise(std::span<const Query> queries) const {
  const std::int64_t k = p_.predict.samples, d = p_.options.latent_dim;
  Tensor noise = torch::empty({static_cast<std::int64_t>(queries.size()), k, d});
  const auto size = static_cast<std::size_t>(k * d), half = static_cast<std::size_t>((k + 1) / 2 * d);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::span row(noise.data_ptr<float>() + i * size, size);
    HashRandom(queries[i].seed).normals(row.first(half));
    for (std::size_t n = half; n < size; ++n) row[n] = -row[n - half];
  }
  return noise;
}

/// A draw for each row of `noise`, [rows, draws, latent]. `past` and `context` are those of the rows, on the device.
Version::Draws Version::draw(const Rows& rows, const Tensor& past, const Tensor& context, const Tensor& noise) const {
  const auto device = p_.weights.device();
  Posterior q = network_.encode(past, context, rows.subset.to(device));
  if (q.mean.size(1) > 1) {
    const Tensor turn = torch::arange(noise.size(1), torch::kLong).remainder(q.mean.size(1)).to(device);
    q = {q.mean.index_select(1, turn), q.log_variance.index_select(1, turn)};
  }
  const Tensor latent = q.mean + (0.5 * q.log_variance).exp() * noise;
  Draws out;
  out.hidden = network_.expand(latent, context);
  out.blind = network_.decode(out.hidden, {});
  // Importance weights: how well each draw explains what is known, against how readily it was drawn.
  const Tensor explained = (network_.log_likelihood(out.blind, rows.last.to(device), count_mean_) *
                            rows.visible.to(device).unsqueeze(1))
                               .sum(-1);
  const Tensor log_prior = -0.5 * (latent * latent).sum(-1);
  const Tensor log_proposal = (-0.5 * (noise * noise) - 0.5 * q.log_variance).sum(-1);
  out.log_weight = (explained + log_prior - log_proposal) * kWeightPower;
  return out;
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
  const Rows rows = encode(queries);
  const auto device = p_.weights.device();
  const std::int64_t k = p_.predict.samples;
  const Tensor past = rows.past.to(device);
  const Draws draws = draw(rows, past, rows.context.to(device), antithetic_noise(queries).to(device));
  const Tensor weights = torch::softmax(draws.log_weight, 1).to(torch::kCPU).contiguous();
  const HostOutputs unknown(draws.blind);
  const HostOutputs known =
      rows.any_known_wanted ? HostOutputs(network_.decode(draws.hidden, past)) : HostOutputs();
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

Result<std::vector<Samples>> Version::sample(std::span<const SampleQuery> queries) const {
  std::vector<Samples> out(queries.size());
  std::vector<Chain> chains;
  const auto flush = [&] {
    const Query none;
    auto done = in_chunks<char>({&none, 1}, [&](auto, auto) { sample_chunk(chains); });
    chains.clear();
    return done.status();
  };
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::size_t width = queries[i].query.wanted.size();
    out[i].features = queries[i].query.wanted;
    out[i].values.resize(queries[i].count * width);
    for (std::size_t n = 0; n < queries[i].count; ++n) {
      chains.push_back(begin(queries[i], n));
      Chain& chain = chains.back();
      chain.features = &out[i].features;
      chain.values = out[i].values.data() + n * width;
      for (std::size_t j = 0; j < width; ++j) chain.values[j] = chain.snapshot.features[out[i].features[j]].last;
      if (chains.size() == kSampleRows) LACUNA_RETURN_IF_ERROR(flush());
    }
  }
  LACUNA_RETURN_IF_ERROR(flush());
  return out;
}

/// A sample before anything of it is drawn.
Chain Version::begin(const SampleQuery& asked, std::size_t sample) const {
  const InputLayout& layout = p_.encoder->layout();
  Chain chain;
  chain.snapshot = *asked.query.snapshot;
  chain.snapshot.recent_ids.clear();
  chain.snapshot.features.resize(static_cast<std::size_t>(layout.features));
  chain.time = asked.query.time;
  chain.seed = mix64(mix64(asked.query.seed ^ kSampleStream) + sample);
  for (FeatureId f = 0; f < chain.snapshot.features.size(); ++f) {
    const auto& hidden = asked.query.hidden;
    if (std::find(hidden.begin(), hidden.end(), layout.modality_of[f]) != hidden.end()) chain.snapshot.features[f] = {};
  }
  for (const FeatureId f : asked.query.wanted) {
    const bool kept = std::find(asked.kept.begin(), asked.kept.end(), f) != asked.kept.end();
    if (!kept || chain.snapshot.features[f].count == 0) chain.order.push_back(f);
  }
  // Each sample in an order of its own, which does not depend on what else is wanted.
  const auto place = [&](FeatureId f) { return mix64(chain.seed + mix64(f)); };
  std::sort(chain.order.begin(), chain.order.end(), [&](FeatureId a, FeatureId b) { return place(a) < place(b); });
  return chain;
}

/// Draws one feature after the other, each from its distribution given what is known and what was drawn before: the chain rule of
/// probability. The features of one posterior draw depend on each other only as far as that draw varies, which is too little: the
/// objective makes the posterior narrow and leaves the spread to the decoder (docs/model.md has figures).
void Version::sample_chunk(std::span<Chain> chains) const {
  const auto device = p_.weights.device();
  const auto features = static_cast<std::size_t>(p_.encoder->layout().features);
  const auto size = static_cast<std::size_t>(kProposals * p_.options.latent_dim);
  for (std::size_t step = 0;; ++step) {
    std::vector<Chain*> going;
    std::vector<Query> queries;
    for (Chain& chain : chains) {
      if (step >= chain.order.size()) continue;
      going.push_back(&chain);
      queries.push_back({&chain.snapshot, chain.time, {chain.order[step]}, {}, 0});
    }
    if (going.empty()) return;
    const Rows rows = encode(queries);
    Tensor noise = torch::empty({static_cast<std::int64_t>(going.size()), kProposals, p_.options.latent_dim});
    std::vector<HashRandom> random;
    for (std::size_t i = 0; i < going.size(); ++i) {
      random.emplace_back(mix64(going[i]->seed ^ mix64(going[i]->order[step])));
      random.back().normals({noise.data_ptr<float>() + i * size, size});
    }
    const Tensor past = rows.past.to(device);
    const Draws draws = draw(rows, past, rows.context.to(device), noise.to(device));
    const Tensor weights = torch::softmax(draws.log_weight, 1).to(torch::kCPU).contiguous();
    if (!torch::isfinite(weights).all().item<bool>()) throw std::runtime_error("not finite");
    const HostOutputs unknown(draws.blind);
    const HostOutputs known =
        rows.any_known_wanted ? HostOutputs(network_.decode(draws.hidden, past)) : HostOutputs();
    for (std::size_t i = 0; i < going.size(); ++i) {
      Chain& chain = *going[i];
      const FeatureId f = chain.order[step];
      const std::span w(weights.data_ptr<float>() + i * kProposals, kProposals);
      const bool measured = rows.visible.data_ptr<float>()[i * features + f] > 0;
      const std::int64_t at = static_cast<std::int64_t>(i) * kProposals + choose(w, random[i].unit());
      const double value = draw_value(measured ? known : unknown, at, f, random[i]);
      for (std::size_t j = 0; j < chain.features->size(); ++j) {
        if ((*chain.features)[j] == f) chain.values[j] = value;
      }
      // From here on it counts as measured now.
      FeatureState& state = chain.snapshot.features[f];
      const Likelihood likelihood = p_.encoder->layout().likelihoods[f];
      const auto scaled = static_cast<float>(to_scale(likelihood, value));
      state.previous = state.count == 0 ? scaled : static_cast<float>(to_scale(likelihood, state.last));
      if (state.count == 0) state.mean_short = state.mean_long = scaled;
      state.last = value;
      state.time = chain.time;
      ++state.count;
    }
  }
}

/// One value of a feature, given one posterior draw, within the plausible range.
double Version::draw_value(const HostOutputs& o, std::int64_t draw, FeatureId feature,
                           HashRandom& random) const {
  const InputLayout& layout = p_.encoder->layout();
  const std::int64_t at = draw * layout.features + feature;
  const auto of = [at](const Tensor& t) { return static_cast<double>(t.data_ptr<float>()[at]); };
  const double mean = p_.standardiser.mean(feature), sd = p_.standardiser.sd(feature);
  const double u = open_unit(random.bits());
  switch (const Likelihood likelihood = layout.likelihoods[feature]) {
    case Likelihood::normal:
    case Likelihood::student_t:
    case Likelihood::log_normal: {
      const int component = random.unit() < of(o.first_share) ? 0 : 1;
      const double y = mean + sd * (of(o.location[component]) + of(o.scale[component]) * normal_quantile(u));
      return std::clamp(from_scale(likelihood, y), layout.low[feature], layout.high[feature]);
    }
    case Likelihood::negative_binomial: {
      Predictive count;
      count.likelihood = likelihood;
      count.weights = {1.0F};
      count.location = {static_cast<float>((mean + 0.5) * std::exp(of(o.log_ratio)))};
      count.scale = {static_cast<float>(of(o.dispersion))};
      return std::clamp(count.quantile(u), layout.low[feature], layout.high[feature]);
    }
    case Likelihood::bernoulli: return u < of(o.probability) ? 1 : 0;
    case Likelihood::categorical:
    case Likelihood::ordinal: {
      const std::int64_t stride = o.classes.numel() / layout.categories;
      double reached = 0;
      for (std::int64_t c = 0; c + 1 < layout.category_counts[feature]; ++c) {
        reached += o.classes.data_ptr<float>()[c * stride + at];
        if (u < reached) return static_cast<double>(c);
      }
      return static_cast<double>(layout.category_counts[feature] - 1);
    }
  }
  return 0;
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
    case Likelihood::student_t:
    case Likelihood::log_normal:
      for (auto* v : {&p.weights, &p.location, &p.scale}) v->reserve(static_cast<std::size_t>(2 * k));
      for (std::int64_t s = 0; s < k; ++s) {
        const float first = at(o.first_share, s);
        for (int c = 0; c < 2; ++c) {
          p.weights.push_back(weights[s] * (c == 0 ? first : 1.0F - first));
          p.location.push_back(static_cast<float>(mean + sd * at(o.location[c], s)));
          p.scale.push_back(static_cast<float>(sd * at(o.scale[c], s)));
          // The decoder knows normals only; with this freedom that is what a Student t is.
          if (p.likelihood == Likelihood::student_t) p.freedom.push_back(1e6F);
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
    case Likelihood::categorical:
    case Likelihood::ordinal: {
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
