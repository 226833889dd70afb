#include "model/served_version.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "state/records/hash.h"

namespace lacuna::model {

using torch::Tensor;

namespace {

/// Exponent of the importance weights. With few draws their full variance costs more than their bias is
/// worth: at 1 the effective sample size was 3.5 of 16 and the error 2 % higher (docs/model.md).
constexpr double kWeightPower = 0.1;

}  // namespace

Version::Version(VersionParts parts)
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
  count_mean_ = torch::tensor(p_.standardiser.means()).to(p_.weights.device());
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
  const auto is_hidden = [](const Query& query, ModalityId m) {
    return std::find(query.hidden.begin(), query.hidden.end(), m) != query.hidden.end();
  };
  std::vector<std::vector<bool>> payload_seen(static_cast<std::size_t>(rows), std::vector<bool>(static_cast<std::size_t>(layout.modalities)));
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
    r.payloads.push_back(make_payload_rows(p_.standardiser.payload(slot), newest).on(p_.weights.device()));
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    const Query& query = queries[static_cast<std::size_t>(i)];
    const auto past = row_of(r.past, i), visible = row_of(r.visible, i);
    p_.encoder->encode(p_.standardiser, *query.snapshot, query.after, query.time,
                       {past, visible, row_of(r.last, i), row_of(r.context, i)});
    for (std::int64_t j = 0; j < f; ++j) {
      if (!is_hidden(query, layout.modality_of[static_cast<std::size_t>(j)])) continue;
      visible[static_cast<std::size_t>(j)] = 0.0F;
      std::fill_n(past.begin() + j * layout.past, layout.past, 0.0F);
    }
    std::vector<bool>& any = payload_seen[static_cast<std::size_t>(i)];
    for (std::size_t j = 0; j < static_cast<std::size_t>(f); ++j) {
      if (layout.known(past, j)) any[layout.modality_of[j]] = true;
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
  // Importance weights: how well each draw explains the known features, against how readily it was drawn. Payloads are left out: to
  // decode them for each draw halved the imputations a second of patients with films, and moved the error of half a film by 0.01 of
  // 16 grey levels.
  Tensor explained = torch::zeros({noise.size(0), noise.size(1)}, noise.options());
  if (p_.encoder->layout().features > 0) {
    out.hidden = network_.expand(out.state);
    out.blind = network_.decode(out.hidden, {});
    explained = (network_.log_likelihood(out.blind, rows.last.to(device), count_mean_) * rows.visible.to(device).unsqueeze(1)).sum(-1);
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

std::shared_ptr<const ModelVersion> make_version(VersionParts parts) {
  return std::make_shared<const Version>(std::move(parts));
}

}  // namespace lacuna::model
