#include "model/torch_model_version.h"

#include <algorithm>

#include "state/records/counter_random.h"
#include "state/records/hash.h"
#include "state/records/scale.h"

// Joint samples: feature after feature, then payloads.

namespace lacuna::model {

using torch::Tensor;

namespace {

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

}  // namespace

Result<std::vector<Samples>> TorchModelVersion::sample(std::span<const SampleQuery> queries) const {
  std::vector<Samples> out(queries.size());
  std::vector<SamplingState> samples;
  const auto flush = [&] {
    const Query none;
    auto done = in_chunks<char>({&none, 1}, [&](auto, auto) {
      sample_chunk(samples);
      sample_payloads(samples);
    });
    samples.clear();
    return done.status();
  };
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::size_t width = queries[i].query.wanted.size();
    out[i].features = queries[i].query.wanted;
    out[i].values.resize(queries[i].count * width);
    out[i].modalities = queries[i].query.wanted_payloads;
    const std::size_t payloads = out[i].modalities.size();
    out[i].payloads.resize(queries[i].count * payloads);
    std::shared_ptr<const Snapshot> after;
    if (p_.options.two_sided && queries[i].query.after != nullptr) {
      after = std::make_shared<const Snapshot>(visible(queries[i].query, *queries[i].query.after));
    }
    for (std::size_t n = 0; n < queries[i].count; ++n) {
      samples.push_back(begin(queries[i], n));
      SamplingState& sample = samples.back();
      sample.after = after;
      sample.features = &out[i].features;
      sample.values = out[i].values.data() + n * width;
      const std::vector<FeatureState>& known = queries[i].query.snapshot->features;
      for (std::size_t j = 0; j < width; ++j) {
        const FeatureId f = out[i].features[j];
        sample.values[j] = f < known.size() ? known[f].last : 0;
      }
      sample.payloads = out[i].payloads.data() + n * payloads;
      for (std::size_t j = 0; j < payloads; ++j) {
        const PayloadRef& there = sample.snapshot.modalities[out[i].modalities[j]].payload;
        if (there) sample.payloads[j] = *there;
      }
      if (samples.size() == kSampleRows) LACUNA_RETURN_IF_ERROR(flush());
    }
  }
  LACUNA_RETURN_IF_ERROR(flush());
  return out;
}

Snapshot TorchModelVersion::visible(const Query& query, const Snapshot& snapshot) const {
  const InputLayout& layout = p_.encoder->layout();
  Snapshot out = snapshot;
  out.recent_ids.clear();
  out.features.resize(static_cast<std::size_t>(layout.features));
  out.modalities.resize(static_cast<std::size_t>(layout.modalities));
  p_.units->to_learned(out);
  for (const ModalityId m : query.hidden) out.modalities[m].payload = {};
  for (FeatureId f = 0; f < out.features.size(); ++f) {
    if (std::ranges::find(query.hidden, layout.modality_of[f]) != query.hidden.end()) out.features[f] = {};
  }
  return out;
}

/// A sample before anything of it is drawn.
SamplingState TorchModelVersion::begin(const SampleQuery& asked, std::size_t sample) const {
  const InputLayout& layout = p_.encoder->layout();
  SamplingState state;
  state.snapshot = visible(asked.query, *asked.query.snapshot);
  for (std::size_t slot = 0; slot < layout.payloads.size(); ++slot) {
    const ModalityId modality = layout.payloads[slot].modality;
    for (std::size_t j = 0; j < asked.query.wanted_payloads.size(); ++j) {
      if (asked.query.wanted_payloads[j] != modality || state.snapshot.modalities[modality].payload) continue;
      state.slots.push_back(slot);
      state.places.push_back(j);
    }
  }
  state.time = asked.query.time;
  state.seed = mix64(mix64(asked.query.seed ^ kSampleStream) + sample);
  for (const FeatureId f : asked.query.wanted) {
    const bool kept = std::find(asked.kept.begin(), asked.kept.end(), f) != asked.kept.end();
    if (!kept || state.snapshot.features[f].count == 0) state.order.push_back(f);
  }
  // Each sample in an order of its own, which does not depend on what else is wanted.
  const auto place = [&](FeatureId f) { return mix64(state.seed + mix64(f)); };
  std::sort(state.order.begin(), state.order.end(), [&](FeatureId a, FeatureId b) { return place(a) < place(b); });
  return state;
}

/// Draws one feature after the other, each from its distribution given what is known and what was drawn before: the chain rule of
/// probability. The features of one posterior draw depend on each other only as far as that draw varies, which is too little: the
/// objective makes the posterior narrow and leaves the spread to the decoder (docs/model.md has figures).
void TorchModelVersion::sample_chunk(std::span<SamplingState> samples) const {
  const auto features = static_cast<std::size_t>(p_.encoder->layout().features);
  const auto size = static_cast<std::size_t>(kProposals * p_.options.latent_dim);
  for (std::size_t step = 0;; ++step) {
    std::vector<SamplingState*> active;
    std::vector<Query> queries;
    for (SamplingState& sample : samples) {
      if (step >= sample.order.size()) continue;
      active.push_back(&sample);
      queries.push_back({&sample.snapshot, sample.time, {sample.order[step]}, {}, 0, {}, false, sample.after.get()});
    }
    if (active.empty()) return;
    Rows rows = encode(queries);
    Tensor noise = torch::empty({static_cast<std::int64_t>(active.size()), kProposals, p_.options.latent_dim});
    std::vector<CounterRandom> random;
    for (std::size_t i = 0; i < active.size(); ++i) {
      random.emplace_back(mix64(active[i]->seed ^ mix64(active[i]->order[step])));
      random.back().normals({noise.data_ptr<float>() + i * size, size});
    }
    const DecodedOutputs decoded = infer(rows, noise);
    if (!torch::isfinite(decoded.weights).all().item<bool>()) throw std::runtime_error("not finite");
    for (std::size_t i = 0; i < active.size(); ++i) {
      SamplingState& sample = *active[i];
      const FeatureId f = sample.order[step];
      const std::span w(decoded.weights.data_ptr<float>() + i * kProposals, kProposals);
      const bool measured = rows.own[i * features + f];
      const std::int64_t at = static_cast<std::int64_t>(i) * kProposals + choose(w, random[i].unit());
      const double value = p_.units->to_present(f, reader_.draw(measured ? decoded.known : decoded.unknown, at, f, random[i]));
      for (std::size_t j = 0; j < sample.features->size(); ++j) {
        if ((*sample.features)[j] == f) sample.values[j] = value;
      }
      // From here on it counts as measured now.
      FeatureState& state = sample.snapshot.features[f];
      const Likelihood likelihood = p_.encoder->layout().likelihoods[f];
      const double learned = p_.units->to_learned(f, value);
      const auto scaled = static_cast<float>(to_scale(likelihood, learned));
      const bool first = state.count == 0 || state.unmeasured;
      if (first) state.mean_short = state.mean_long = state.previous = scaled;
      else if (!is_censored(state.comparator)) state.previous = static_cast<float>(to_scale(likelihood, state.last));
      state.last = learned;
      state.comparator = Comparator::equal;
      state.unmeasured = false;
      state.time = sample.time;
      ++state.count;
    }
  }
}

/// Payloads, each given the features, what is known and the payloads before it.
void TorchModelVersion::sample_payloads(std::span<SamplingState> samples) const {
  const InputLayout& layout = p_.encoder->layout();
  const auto device = p_.weights.device();
  const auto size = static_cast<std::size_t>(kProposals * p_.options.latent_dim);
  for (std::size_t slot = 0; slot < layout.payloads.size(); ++slot) {
    std::vector<SamplingState*> active;
    std::vector<std::size_t> places;
    std::vector<Query> queries;
    for (SamplingState& sample : samples) {
      const auto it = std::find(sample.slots.begin(), sample.slots.end(), slot);
      if (it == sample.slots.end()) continue;
      active.push_back(&sample);
      places.push_back(sample.places[static_cast<std::size_t>(it - sample.slots.begin())]);
      queries.push_back({&sample.snapshot, sample.time, {}, {}, 0, {}, false, sample.after.get()});
    }
    if (active.empty()) continue;
    const auto rows_count = static_cast<std::int64_t>(active.size());
    Rows rows = encode(queries);
    Tensor noise = torch::empty({rows_count, kProposals, p_.options.latent_dim});
    std::vector<CounterRandom> random;
    std::vector<std::uint64_t> seeds;
    for (std::size_t i = 0; i < active.size(); ++i) {
      random.emplace_back(mix64(active[i]->seed ^ mix64(static_cast<std::uint64_t>(layout.features) + slot)));
      random.back().normals({noise.data_ptr<float>() + i * size, size});
      seeds.push_back(random.back().bits());
    }
    const DecodedOutputs decoded = infer(rows, noise);
    if (!torch::isfinite(decoded.weights).all().item<bool>()) throw std::runtime_error("not finite");
    std::vector<std::int64_t> chosen;
    for (std::size_t i = 0; i < active.size(); ++i) {
      const std::span w(decoded.weights.data_ptr<float>() + i * kProposals, kProposals);
      chosen.push_back(static_cast<std::int64_t>(i) * kProposals + choose(w, random[i].unit()));
    }
    const PayloadKind& kind = network_.kind(slot);
    const Tensor state = decoded.state.flatten(0, 1).index_select(0, torch::tensor(chosen).to(device)).unsqueeze(1);
    const Tensor drawn = kind.sample(kind.decode(state), seeds).to(torch::kCPU).contiguous();
    for (std::size_t i = 0; i < active.size(); ++i) {
      Payload payload = to_payload(slot, drawn.data_ptr<float>() + static_cast<std::int64_t>(i) * drawn.size(1), drawn.size(1));
      SamplingState& sample = *active[i];
      sample.payloads[places[i]] = payload;
      ModalityState& known = sample.snapshot.modalities[layout.payloads[slot].modality];
      known.payload = PayloadRef(std::move(payload));
      known.last_time = sample.time;
      ++known.count;
    }
  }
}

/// Drawn numbers as a payload: natural values, or the words of a text.
Payload TorchModelVersion::to_payload(std::size_t slot, const float* drawn, std::int64_t count) const {
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

}  // namespace lacuna::model
