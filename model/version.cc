#include "model/version.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "model/feature_reader.h"
#include "model/training_batch.h"
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
  std::vector<std::size_t> slots;            ///< payloads to draw after the features
  std::vector<std::size_t> places;           ///< and where each goes
  Payload* payloads = nullptr;
};

class Version final : public ModelVersion {
 public:
  explicit Version(VersionParts parts)
      : p_(std::move(parts)),
        network_(p_.encoder->layout(), p_.options, p_.weights, false),
        reader_{p_.encoder->layout(), p_.standardiser, {}, {}} {
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
    if (p_.options.mnar) {
      const auto numbers = [](const Tensor& t) {
        const Tensor c = t.to(torch::kCPU).contiguous();
        return std::vector<float>(c.data_ptr<float>(), c.data_ptr<float>() + c.numel());
      };
      const torch::NoGradGuard no_gradients;
      reader_.missing_base = numbers(network_.measured_base());
      reader_.missing_slope = numbers(network_.measured_slope());
    }
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
    std::vector<PayloadRows> payloads;  ///< on the device
    bool any_known_wanted = false;
  };
  /// Posterior draws [rows, draws, ...]: their hidden units, the reading as if nothing were known, and the logarithms of their
  /// importance weights, up to a constant a row.
  struct Draws {
    Tensor state, hidden, log_weight;
    Outputs blind;
    Tensor shares;  ///< [rows, subsets, modalities]; when asked for
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
  Draws draw(const Rows& rows, const Tensor& past, const Tensor& context, const Tensor& noise, bool explain = false) const;
  void predict_payloads(std::span<const Query> queries, const Draws& draws, const Tensor& weights, std::span<Prediction> out) const;
  void sample_payloads(std::span<Chain> chains) const;
  PayloadPrediction payload_prediction(std::size_t slot, std::int64_t row, const Tensor& mean, const Tensor& sd, const Tensor& low,
                                       const Tensor& high) const;
  void encode_chunk(std::span<const Query> queries, std::span<std::vector<float>> out) const;
  void predict_chunk(std::span<const Query> queries, std::span<Prediction> out) const;
  Payload to_payload(std::size_t slot, const float* drawn, std::int64_t count) const;
  Chain begin(const SampleQuery& query, std::size_t sample) const;
  void sample_chunk(std::span<Chain> chains) const;

  VersionParts p_;
  Network network_;
  Tensor count_mean_;
  FeatureReader reader_;
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
         {},
         false};
  const auto span = [](Tensor& t, std::int64_t row) {
    const std::int64_t width = t.numel() / t.size(0);
    return std::span<float>(t.data_ptr<float>() + row * width, static_cast<std::size_t>(width));
  };
  std::vector<std::vector<bool>> payload_seen(static_cast<std::size_t>(rows), std::vector<bool>(static_cast<std::size_t>(layout.modalities)));
  for (std::size_t slot = 0; slot < layout.payloads.size(); ++slot) {
    const ModalityId modality = layout.payloads[slot].modality;
    std::vector<const Snapshot*> snapshots;
    std::vector<Time> times;
    for (const Query& query : queries) {
      const bool hidden = std::find(query.hidden.begin(), query.hidden.end(), modality) != query.hidden.end();
      snapshots.push_back(hidden ? nullptr : query.snapshot);
      times.push_back(query.time);
    }
    PayloadRows p = payload_rows(p_.standardiser, layout, slot, snapshots, times);
    for (std::int64_t n = 0; p.index.defined() && n < p.index.size(0); ++n) {
      payload_seen[static_cast<std::size_t>(p.index.data_ptr<std::int64_t>()[n])][modality] = true;
    }
    const auto device = p_.weights.device();
    if (p.index.defined()) p = {p.index.to(device), p.rows.to(device), p.age.to(device)};
    r.payloads.push_back(std::move(p));
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    const Query& query = queries[static_cast<std::size_t>(i)];
    const auto past = span(r.past, i), visible = span(r.visible, i);
    p_.encoder->encode(p_.standardiser, *query.snapshot, query.after, query.time,
                       {past, visible, span(r.last, i), span(r.context, i)});
    for (std::int64_t j = 0; j < f; ++j) {
      const ModalityId modality = layout.modality_of[static_cast<std::size_t>(j)];
      if (std::find(query.hidden.begin(), query.hidden.end(), modality) == query.hidden.end()) continue;
      visible[static_cast<std::size_t>(j)] = 0.0F;
      std::fill_n(past.begin() + j * layout.past, layout.past, 0.0F);
    }
    std::vector<bool>& any = payload_seen[static_cast<std::size_t>(i)];
    for (std::int64_t j = 0; j < f; ++j) {
      const float* const at = past.data() + j * layout.past;
      if (at[kMask] > 0 || (layout.past > layout.side && at[layout.side + kMask] > 0)) any[layout.modality_of[static_cast<std::size_t>(j)]] = true;
    }
    std::vector<ModalityId> seen;
    for (ModalityId m = 0; m < any.size(); ++m) {
      if (any[m]) seen.push_back(m);
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
Version::Draws Version::draw(const Rows& rows, const Tensor& past, const Tensor& context, const Tensor& noise, bool explain) const {
  const auto device = p_.weights.device();
  Network::Encoded encoded =
      network_.fuse_codes(network_.codes(past, context, rows.payloads), context, rows.subset.to(device), explain);
  Posterior q = std::move(encoded.posterior);
  if (q.mean.size(1) > 1) {
    const Tensor turn = torch::arange(noise.size(1), torch::kLong).remainder(q.mean.size(1)).to(device);
    q = {q.mean.index_select(1, turn), q.log_variance.index_select(1, turn)};
  }
  const Tensor latent = q.mean + (0.5 * q.log_variance).exp() * noise;
  Draws out;
  out.shares = encoded.shares;
  out.state = network_.state(latent, context);
  // Importance weights: how well each draw explains what is known, against how readily it was drawn.
  Tensor explained = torch::zeros({noise.size(0), noise.size(1)}, noise.options());
  if (p_.encoder->layout().features > 0) {
    out.hidden = network_.expand(out.state);
    out.blind = network_.decode(out.hidden, {});
    explained = (network_.log_likelihood(out.blind, rows.last.to(device), count_mean_) * rows.visible.to(device).unsqueeze(1)).sum(-1);
  }
  for (std::size_t slot = 0; slot < rows.payloads.size(); ++slot) {
    const PayloadRows& p = rows.payloads[slot];
    if (!p.index.defined()) continue;
    const PayloadKind& kind = network_.kind(slot);
    explained = explained.index_add(0, p.index, p_.payload_cells * kind.log_likelihood(kind.decode(out.state.index_select(0, p.index)), p.rows));
  }
  const Tensor log_prior = -0.5 * (latent * latent).sum(-1);
  const Tensor log_proposal = (-0.5 * (noise * noise) - 0.5 * q.log_variance).sum(-1);
  out.log_weight = (explained + log_prior - log_proposal) * kWeightPower;
  return out;
}

void Version::encode_chunk(std::span<const Query> queries, std::span<std::vector<float>> out) const {
  const Rows rows = encode(queries);
  const auto device = p_.weights.device();
  const Posterior q = network_.encode(rows.past.to(device), rows.context.to(device), rows.subset.to(device), rows.payloads);
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
  const bool explain = std::any_of(queries.begin(), queries.end(), [](const Query& q) { return q.explain; });
  const Draws draws = draw(rows, past, rows.context.to(device), antithetic_noise(queries).to(device), explain);
  const Tensor device_weights = torch::softmax(draws.log_weight, 1);
  const Tensor weights = device_weights.to(torch::kCPU).contiguous();
  const bool features = p_.encoder->layout().features > 0;
  HostOutputs unknown = features ? HostOutputs(draws.blind) : HostOutputs();
  HostOutputs known = rows.any_known_wanted ? HostOutputs(network_.decode(draws.hidden, past)) : HostOutputs();
  unknown.missing = p_.options.mnar;
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
      out[i].predictive.push_back(reader_.predictive(measured ? known : unknown, static_cast<std::int64_t>(i), {w, static_cast<std::size_t>(k)}, f));
    }
  }
  if (!p_.encoder->layout().payloads.empty()) predict_payloads(queries, draws, device_weights, out);
  if (!explain) return;
  const Tensor shares = draws.shares.sum(1).to(torch::kCPU).contiguous(), subset = rows.subset.amax(1).contiguous();
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (!queries[i].explain) continue;
    const std::int64_t m = shares.size(1), at = static_cast<std::int64_t>(i) * m;
    double total = 0;
    for (std::int64_t j = 0; j < m; ++j) total += shares.data_ptr<float>()[at + j];
    for (std::int64_t j = 0; j < m; ++j) {
      if (subset.data_ptr<float>()[at + j] == 0) continue;
      out[i].weights.push_back({static_cast<ModalityId>(j), shares.data_ptr<float>()[at + j] / std::max(total, 1e-12)});
    }
  }
}

void Version::predict_payloads(std::span<const Query> queries, const Draws& draws, const Tensor& weights,
                               std::span<Prediction> out) const {
  const InputLayout& layout = p_.encoder->layout();
  for (std::size_t i = 0; i < queries.size(); ++i) out[i].payloads.resize(queries[i].wanted_payloads.size());
  for (std::size_t slot = 0; slot < layout.payloads.size(); ++slot) {
    std::vector<std::int64_t> index;
    std::vector<PayloadPrediction*> where;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      for (std::size_t j = 0; j < queries[i].wanted_payloads.size(); ++j) {
        if (queries[i].wanted_payloads[j] != layout.payloads[slot].modality) continue;
        index.push_back(static_cast<std::int64_t>(i));
        where.push_back(&out[i].payloads[j]);
      }
    }
    if (index.empty()) continue;
    const Tensor chosen = torch::tensor(index).to(weights.device());
    const PayloadKind& kind = network_.kind(slot);
    const Tensor decoded = kind.decode(draws.state.index_select(0, chosen)), w = weights.index_select(0, chosen);
    const double half = (1 - p_.predict.level) / 2;
    const auto host = [](const Tensor& t) { return t.defined() ? t.to(torch::kCPU).contiguous() : t; };
    const Tensor mean = host(kind.mean(decoded, w)), sd = host(kind.sd(decoded, w)), low = host(kind.quantile(decoded, w, half)),
                 high = host(kind.quantile(decoded, w, 1 - half));
    for (std::size_t n = 0; n < where.size(); ++n) {
      *where[n] = payload_prediction(slot, static_cast<std::int64_t>(n), mean, sd, low, high);
    }
  }
}

PayloadPrediction Version::payload_prediction(std::size_t slot, std::int64_t row, const Tensor& mean, const Tensor& sd,
                                              const Tensor& low, const Tensor& high) const {
  const PayloadSlot& what = p_.encoder->layout().payloads[slot];
  const PayloadStatistics& statistics = p_.standardiser.payload(slot);
  const auto at = [row](const Tensor& t) { return t.data_ptr<float>() + row * t.size(1); };
  PayloadPrediction out;
  out.modality = what.modality;
  if (what.kind == ModalityKind::text) {
    out.vocabulary = statistics.vocabulary().words();
    const float* const counts = at(mean) + Vocabulary::kFirstWord;
    out.mean.assign(counts, counts + out.vocabulary.size());
    return out;
  }
  const auto n = static_cast<std::size_t>(mean.size(1));
  for (std::size_t v = 0; v < n; ++v) {
    out.mean.push_back(statistics.value(v, at(mean)[v]));
    out.sd.push_back(statistics.spread(v, at(sd)[v]));
    out.low.push_back(statistics.value(v, at(low)[v]));
    out.high.push_back(statistics.value(v, at(high)[v]));
  }
  return out;
}

Result<std::vector<Samples>> Version::sample(std::span<const SampleQuery> queries) const {
  std::vector<Samples> out(queries.size());
  std::vector<Chain> chains;
  const auto flush = [&] {
    const Query none;
    auto done = in_chunks<char>({&none, 1}, [&](auto, auto) {
      sample_chunk(chains);
      sample_payloads(chains);
    });
    chains.clear();
    return done.status();
  };
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::size_t width = queries[i].query.wanted.size();
    out[i].features = queries[i].query.wanted;
    out[i].values.resize(queries[i].count * width);
    out[i].modalities = queries[i].query.wanted_payloads;
    const std::size_t payloads = out[i].modalities.size();
    out[i].payloads.resize(queries[i].count * payloads);
    for (std::size_t n = 0; n < queries[i].count; ++n) {
      chains.push_back(begin(queries[i], n));
      Chain& chain = chains.back();
      chain.features = &out[i].features;
      chain.values = out[i].values.data() + n * width;
      for (std::size_t j = 0; j < width; ++j) chain.values[j] = chain.snapshot.features[out[i].features[j]].last;
      chain.payloads = out[i].payloads.data() + n * payloads;
      for (std::size_t j = 0; j < payloads; ++j) {
        const PayloadRef& there = chain.snapshot.modalities[out[i].modalities[j]].payload;
        if (there) chain.payloads[j] = *there;
      }
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
  chain.snapshot.modalities.resize(static_cast<std::size_t>(layout.modalities));
  for (ModalityId m : asked.query.hidden) chain.snapshot.modalities[m].payload = {};
  for (std::size_t slot = 0; slot < layout.payloads.size(); ++slot) {
    const ModalityId modality = layout.payloads[slot].modality;
    for (std::size_t j = 0; j < asked.query.wanted_payloads.size(); ++j) {
      if (asked.query.wanted_payloads[j] != modality || chain.snapshot.modalities[modality].payload) continue;
      chain.slots.push_back(slot);
      chain.places.push_back(j);
    }
  }
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
      const double value = reader_.draw(measured ? known : unknown, at, f, random[i]);
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

/// Payloads, each given the features, what is known and the payloads before it.
void Version::sample_payloads(std::span<Chain> chains) const {
  const InputLayout& layout = p_.encoder->layout();
  const auto device = p_.weights.device();
  const auto size = static_cast<std::size_t>(kProposals * p_.options.latent_dim);
  for (std::size_t slot = 0; slot < layout.payloads.size(); ++slot) {
    std::vector<Chain*> going;
    std::vector<std::size_t> places;
    std::vector<Query> queries;
    for (Chain& chain : chains) {
      const auto it = std::find(chain.slots.begin(), chain.slots.end(), slot);
      if (it == chain.slots.end()) continue;
      going.push_back(&chain);
      places.push_back(chain.places[static_cast<std::size_t>(it - chain.slots.begin())]);
      queries.push_back({&chain.snapshot, chain.time, {}, {}, 0});
    }
    if (going.empty()) continue;
    const auto rows_count = static_cast<std::int64_t>(going.size());
    const Rows rows = encode(queries);
    Tensor noise = torch::empty({rows_count, kProposals, p_.options.latent_dim});
    std::vector<HashRandom> random;
    std::vector<std::uint64_t> seeds;
    for (std::size_t i = 0; i < going.size(); ++i) {
      random.emplace_back(mix64(going[i]->seed ^ mix64(static_cast<std::uint64_t>(layout.features) + slot)));
      random.back().normals({noise.data_ptr<float>() + i * size, size});
      seeds.push_back(random.back().bits());
    }
    const Draws draws = draw(rows, rows.past.to(device), rows.context.to(device), noise.to(device));
    const Tensor weights = torch::softmax(draws.log_weight, 1).to(torch::kCPU).contiguous();
    if (!torch::isfinite(weights).all().item<bool>()) throw std::runtime_error("not finite");
    std::vector<std::int64_t> chosen;
    for (std::size_t i = 0; i < going.size(); ++i) {
      const std::span w(weights.data_ptr<float>() + i * kProposals, kProposals);
      chosen.push_back(static_cast<std::int64_t>(i) * kProposals + choose(w, random[i].unit()));
    }
    const PayloadKind& kind = network_.kind(slot);
    const Tensor state = draws.state.flatten(0, 1).index_select(0, torch::tensor(chosen).to(device)).unsqueeze(1);
    const Tensor drawn = kind.sample(kind.decode(state), seeds).to(torch::kCPU).contiguous();
    for (std::size_t i = 0; i < going.size(); ++i) {
      Payload payload = to_payload(slot, drawn.data_ptr<float>() + static_cast<std::int64_t>(i) * drawn.size(1), drawn.size(1));
      Chain& chain = *going[i];
      chain.payloads[places[i]] = payload;
      ModalityState& known = chain.snapshot.modalities[layout.payloads[slot].modality];
      known.payload = PayloadRef(std::move(payload));
      known.last_time = chain.time;
      ++known.count;
    }
  }
}

/// Drawn numbers as a payload: natural values, or the words of a text.
Payload Version::to_payload(std::size_t slot, const float* drawn, std::int64_t count) const {
  const PayloadStatistics& statistics = p_.standardiser.payload(slot);
  Payload out;
  if (p_.encoder->layout().payloads[slot].kind != ModalityKind::text) {
    for (std::int64_t v = 0; v < count; ++v) out.values.push_back(statistics.value(static_cast<std::size_t>(v), drawn[v]));
    return out;
  }
  const auto& words = statistics.vocabulary().words();
  for (std::int64_t t = 0; t < count; ++t) {
    const auto number = static_cast<std::uint32_t>(drawn[t]);
    if (number == Vocabulary::kEnd || number == Vocabulary::kPadding) break;
    const std::size_t word = number - Vocabulary::kFirstWord;
    if (!out.text.empty()) out.text.push_back(' ');
    if (number >= Vocabulary::kFirstWord && word < words.size()) out.text.append(words[word]);
    else out.text.push_back('_');
  }
  if (out.text.empty()) out.text.push_back('_');  // a text is never empty
  return out;
}

}  // namespace

std::shared_ptr<const ModelVersion> make_version(VersionParts parts) {
  return std::make_shared<const Version>(std::move(parts));
}

}  // namespace lacuna::model
