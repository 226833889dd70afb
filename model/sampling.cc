#include "model/torch_model_version.h"

#include <algorithm>

#include "state/records/hash.h"

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
    Rows rows = encode(queries);
    Tensor noise = torch::empty({static_cast<std::int64_t>(going.size()), kProposals, p_.options.latent_dim});
    std::vector<HashRandom> random;
    for (std::size_t i = 0; i < going.size(); ++i) {
      random.emplace_back(mix64(going[i]->seed ^ mix64(going[i]->order[step])));
      random.back().normals({noise.data_ptr<float>() + i * size, size});
    }
    const Said said = say(rows, noise);
    if (!torch::isfinite(said.weights).all().item<bool>()) throw std::runtime_error("not finite");
    for (std::size_t i = 0; i < going.size(); ++i) {
      Chain& chain = *going[i];
      const FeatureId f = chain.order[step];
      const std::span w(said.weights.data_ptr<float>() + i * kProposals, kProposals);
      const bool measured = rows.inputs.visible.data_ptr<float>()[i * features + f] > 0;
      const std::int64_t at = static_cast<std::int64_t>(i) * kProposals + choose(w, random[i].unit());
      const double value = reader_.draw(measured ? said.known : said.unknown, at, f, random[i]);
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
    Rows rows = encode(queries);
    Tensor noise = torch::empty({rows_count, kProposals, p_.options.latent_dim});
    std::vector<HashRandom> random;
    std::vector<std::uint64_t> seeds;
    for (std::size_t i = 0; i < going.size(); ++i) {
      random.emplace_back(mix64(going[i]->seed ^ mix64(static_cast<std::uint64_t>(layout.features) + slot)));
      random.back().normals({noise.data_ptr<float>() + i * size, size});
      seeds.push_back(random.back().bits());
    }
    const Said said = say(rows, noise);
    if (!torch::isfinite(said.weights).all().item<bool>()) throw std::runtime_error("not finite");
    std::vector<std::int64_t> chosen;
    for (std::size_t i = 0; i < going.size(); ++i) {
      const std::span w(said.weights.data_ptr<float>() + i * kProposals, kProposals);
      chosen.push_back(static_cast<std::int64_t>(i) * kProposals + choose(w, random[i].unit()));
    }
    const PayloadKind& kind = network_.kind(slot);
    const Tensor state = said.state.flatten(0, 1).index_select(0, torch::tensor(chosen).to(device)).unsqueeze(1);
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

}  // namespace lacuna::model
