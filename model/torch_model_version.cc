#include "model/torch_model_version.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "state/records/counter_random.h"
#include "state/records/hash.h"
#include "state/records/scale.h"

namespace lacuna::model {

using torch::Tensor;

TorchModelVersion::TorchModelVersion(VersionParts parts)
    : p_(std::move(parts)),
      network_(p_.encoder->layout(), p_.options, p_.weights, false),
      reader_{p_.encoder->layout(), p_.standardiser, corrections(), {}, {}} {
  const Tensor host = p_.weights.to(torch::kCPU).contiguous();
  ByteWriter moments;
  p_.standardiser.save(moments);
  const std::string_view bytes(static_cast<const char*>(host.data_ptr()), host.nbytes());
  const std::uint64_t hash = hash64(moments.take(), hash64(bytes));
  char text[32];
  std::snprintf(text, sizeof text, "%06lld-%08x", static_cast<long long>(p_.number), static_cast<unsigned>(hash >> 32));
  id_ = text;
  count_mean_ = torch::tensor(p_.standardiser.means());
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

std::vector<SmallSample> TorchModelVersion::corrections() const {
  const InputLayout& layout = p_.encoder->layout();
  std::vector<SmallSample> out;
  for (FeatureId f = 0; f < layout.likelihoods.size(); ++f) {
    const Likelihood likelihood = layout.likelihoods[f];
    out.push_back(small_sample(p_.learned.weight(f), p_.standardiser.mean(f), p_.standardiser.sd(f), to_scale(likelihood, layout.low[f]),
                               to_scale(likelihood, layout.high[f]), p_.predict.level));
  }
  return out;
}

TorchModelVersion::Rows TorchModelVersion::encode(std::span<const Query> queries) const {
  const InputLayout& layout = p_.encoder->layout();
  const auto rows = static_cast<std::int64_t>(queries.size());
  const std::int64_t f = layout.features;
  // A mixture of experts asks each observed modality in turn; the product asks all of them at once.
  const std::int64_t subsets = p_.options.fusion == Fusion::moe ? layout.modalities : 1;
  Rows out;
  out.own.resize(static_cast<std::size_t>(rows * f));
  RowInputs& r = out.inputs;
  r.past = torch::empty({rows, f, layout.past});
  r.visible = torch::empty({rows, f});
  r.last = torch::empty({rows, f});
  r.side = torch::empty({rows, f});
  bool censored = false;
  r.context = torch::empty({rows, layout.context});
  r.subset = torch::zeros({rows, subsets, layout.modalities});
  r.count_mean = count_mean_;
  const auto is_hidden = [](const Query& query, ModalityId m) {
    return std::find(query.hidden.begin(), query.hidden.end(), m) != query.hidden.end();
  };
  std::vector<std::vector<bool>> payload_seen(static_cast<std::size_t>(rows),
                                              std::vector<bool>(static_cast<std::size_t>(layout.modalities)));
  for (std::size_t slot = 0; slot < layout.payloads.size(); ++slot) {
    const ModalityId modality = layout.payloads[slot].modality;
    std::vector<const Snapshot*> snapshots;
    std::vector<Time> times;
    for (const Query& query : queries) {
      snapshots.push_back(is_hidden(query, modality) ? nullptr : query.snapshot);
      times.push_back(query.time);
    }
    const std::vector<PayloadOf> newest = newest_payloads(modality, snapshots, times);
    for (const PayloadOf& p : newest) payload_seen[static_cast<std::size_t>(p.example)][modality] = true;
    r.payloads.push_back(make_payload_rows(p_.standardiser.payload(slot), newest));
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    const Query& query = queries[static_cast<std::size_t>(i)];
    const auto past = row_of(r.past, i), visible = row_of(r.visible, i);
    const RowSpans spans{past, visible, row_of(r.last, i), row_of(r.context, i), row_of(r.side, i)};
    censored |= p_.encoder->encode(p_.standardiser, *query.snapshot, query.after, query.time, spans);
    for (std::int64_t j = 0; j < f; ++j) {
      if (!is_hidden(query, layout.modality_of[static_cast<std::size_t>(j)])) continue;
      visible[static_cast<std::size_t>(j)] = 0.0F;
      std::fill_n(past.begin() + j * layout.past, layout.past, 0.0F);
    }
    std::vector<bool>& any = payload_seen[static_cast<std::size_t>(i)];
    for (std::size_t j = 0; j < static_cast<std::size_t>(f); ++j) {
      if (!layout.known(past, j)) continue;
      any[layout.modality_of[j]] = true;
      out.own[static_cast<std::size_t>(i * f) + j] = true;
    }
    std::vector<ModalityId> seen;
    for (ModalityId m = 0; m < any.size(); ++m) {
      if (any[m]) seen.push_back(m);
    }
    const auto subset = row_of(r.subset, i);
    for (std::size_t s = 0; s < seen.size(); ++s) {
      if (subsets == 1) subset[seen[s]] = 1.0F;
    }
    for (std::size_t s = 0; subsets > 1 && !seen.empty() && s < static_cast<std::size_t>(subsets); ++s) {
      subset[s * static_cast<std::size_t>(layout.modalities) + seen[s % seen.size()]] = 1.0F;
    }
    for (FeatureId wanted : query.wanted) out.any_known_wanted |= out.own[static_cast<std::size_t>(i * f) + wanted];
  }
  if (!censored) r.side = Tensor();
  return out;
}

/// Antithetic pairs: half the draws, and the mean over them free of odd-order error.
Tensor TorchModelVersion::antithetic_noise(std::span<const Query> queries) const {
  const std::int64_t k = p_.predict.samples, d = p_.options.latent_dim;
  Tensor noise = torch::empty({static_cast<std::int64_t>(queries.size()), k, d});
  const auto size = static_cast<std::size_t>(k * d), half = static_cast<std::size_t>((k + 1) / 2 * d);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::span row(noise.data_ptr<float>() + i * size, size);
    CounterRandom(queries[i].seed).normals(row.first(half));
    for (std::size_t n = half; n < size; ++n) row[n] = -row[n - half];
  }
  return noise;
}

DecodedOutputs TorchModelVersion::infer(Rows& rows, Tensor noise, bool explain) const {
  rows.inputs.noise = std::move(noise);
  if (p_.predictor) return p_.predictor->infer(p_.weights, rows.inputs, explain);
  return model::infer(network_, p_.encoder->layout(), rows.inputs, rows.any_known_wanted, explain);
}

void TorchModelVersion::encode_chunk(std::span<const Query> queries, std::span<std::vector<float>> out) const {
  RowInputs in = encode(queries).inputs;
  in.each([device = p_.weights.device()](Tensor& t) { t = t.defined() ? t.to(device) : t; });
  const Posterior q = network_.encode(in.past, in.context, in.subset, in.payloads);
  // A mixture of experts has one posterior a modality: its mean is theirs.
  const Tensor mean = q.mean.mean(1).to(torch::kCPU).contiguous();
  if (!torch::isfinite(mean).all().item<bool>()) throw std::runtime_error("not finite");
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const float* const row = mean.data_ptr<float>() + static_cast<std::int64_t>(i) * mean.size(1);
    out[i].assign(row, row + mean.size(1));
  }
}

void TorchModelVersion::predict_chunk(std::span<const Query> queries, std::span<Prediction> out) const {
  Rows rows = encode(queries);
  const std::int64_t k = p_.predict.samples;
  const bool explain = std::any_of(queries.begin(), queries.end(), [](const Query& q) { return q.explain; });
  DecodedOutputs decoded = infer(rows, antithetic_noise(queries), explain);
  decoded.unknown.missing = p_.options.mnar;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const float* w = decoded.weights.data_ptr<float>() + static_cast<std::int64_t>(i) * k;
    double squares = 0;
    for (std::int64_t s = 0; s < k; ++s) squares += static_cast<double>(w[s]) * w[s];
    // Every weight depends on every output, so one look finds a network that has diverged anywhere.
    if (!std::isfinite(squares)) throw std::runtime_error("not finite");
    out[i].effective_samples = std::clamp(1.0 / squares, 1.0, static_cast<double>(k));
    out[i].features = queries[i].wanted;
    out[i].predictive.reserve(queries[i].wanted.size());
    for (FeatureId f : queries[i].wanted) {
      const bool measured = rows.own[i * static_cast<std::size_t>(p_.encoder->layout().features) + f];
      out[i].predictive.push_back(reader_.predictive(measured ? decoded.known : decoded.unknown, static_cast<std::int64_t>(i),
                                                     {w, static_cast<std::size_t>(k)}, f));
      p_.units->to_present(f, out[i].predictive.back());
    }
  }
  if (!p_.encoder->layout().payloads.empty()) predict_payloads(queries, decoded, out);
  if (std::any_of(queries.begin(), queries.end(), [](const Query& q) { return q.latent; })) put_latent(queries, decoded, out);
  if (!explain) return;
  const Tensor shares = decoded.shares.sum(1).contiguous(), subset = rows.inputs.subset.amax(1).contiguous();
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

/// A mixture of experts has one posterior a modality, and what is told is the mixture's.
void TorchModelVersion::put_latent(std::span<const Query> queries, const DecodedOutputs& decoded, std::span<Prediction> out) {
  const Tensor mean = decoded.mean.mean(1).contiguous();
  const Tensor sd = (decoded.variance.mean(1) + decoded.mean.var(1, false)).sqrt().contiguous();
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (!queries[i].latent) continue;
    const std::int64_t size = mean.size(1), at = static_cast<std::int64_t>(i) * size;
    const auto row = [&](const Tensor& t) { return std::vector<float>(t.data_ptr<float>() + at, t.data_ptr<float>() + at + size); };
    out[i].latent = LatentState{row(mean), row(sd)};
  }
}

void TorchModelVersion::predict_payloads(std::span<const Query> queries, const DecodedOutputs& decoded, std::span<Prediction> out) const {
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
    const Tensor chosen = torch::tensor(index);
    const PayloadKind& kind = network_.kind(slot);
    const Tensor payload = kind.decode(decoded.state.index_select(0, chosen.to(decoded.state.device()))),
                 w = decoded.weights.index_select(0, chosen).to(decoded.state.device());
    const double half = (1 - p_.predict.level) / 2;
    const auto host = [](const Tensor& t) { return t.defined() ? t.to(torch::kCPU).contiguous() : t; };
    const Tensor mean = host(kind.mean(payload, w)), sd = host(kind.sd(payload, w)), low = host(kind.quantile(payload, w, half)),
                 high = host(kind.quantile(payload, w, 1 - half));
    for (std::size_t n = 0; n < where.size(); ++n) {
      *where[n] = payload_prediction(slot, static_cast<std::int64_t>(n), mean, sd, low, high);
    }
  }
}

PayloadPrediction TorchModelVersion::payload_prediction(std::size_t slot, std::int64_t row, const Tensor& mean, const Tensor& sd,
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

std::shared_ptr<const ModelVersion> make_version(VersionParts parts) { return std::make_shared<const TorchModelVersion>(std::move(parts)); }

}  // namespace lacuna::model
