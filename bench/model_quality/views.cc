#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "bench/model_quality/contestant.h"
#include "state/patient.h"

// Films of which one half is hidden, and reports of which some parts are: a patient has one payload a modality, and learning hides
// whole modalities.

namespace lacuna::bench {

namespace {

constexpr Time kTime{std::chrono::hours(24 * 365 * 50)};
constexpr std::size_t kSide = 28, kHalf = kSide / 2;
constexpr std::size_t kQueriesAtOnce = 1024;
constexpr std::size_t kParts = 3;  ///< of a report

/// A patient with these payloads; an empty one was never there.
Snapshot make_snapshot(const Schema& schema, const std::vector<PayloadRef>& payloads) {
  Snapshot s = state::new_snapshot(schema, "patient");
  s.first_time = s.last_time = kTime;
  s.event_count = 1;
  for (ModalityId m = 0; m < payloads.size(); ++m) {
    if (payloads[m]) s.modalities[m] = {kTime, 1, payloads[m]};
  }
  return s;
}

/// Examples for means, deviations and vocabularies: nothing known, everything arriving.
std::vector<Example> arriving(const Schema& schema, const std::vector<Snapshot>& snapshots) {
  std::vector<Example> out;
  for (const Snapshot& full : snapshots) {
    Example e{make_snapshot(schema, {}), kTime, {}};
    for (ModalityId m = 0; m < full.modalities.size(); ++m) {
      if (full.modalities[m].payload) e.arrived_payloads.push_back({m, full.modalities[m].payload});
    }
    if (!e.arrived_payloads.empty()) out.push_back(std::move(e));
  }
  return out;
}

std::vector<std::shared_ptr<const model::ModelVersion>> learn_whole(const Schema& schema, const Options& options,
                                                                    const std::vector<Snapshot>& train) {
  return learn(schema, options, arriving(schema, train),
               [&](model::HashRandom& random) { return Example{train[random.below(train.size())], kTime, {}}; });
}

void write_numbers(const std::string& path, const std::vector<float>& values) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  if (!out.flush()) stop("cannot write " + path);
}

PayloadRef half_of(const float* film, bool right) {
  Payload p;
  for (std::size_t y = 0; y < kSide; ++y) {
    const float* row = film + y * kSide + (right ? kHalf : 0);
    p.values.insert(p.values.end(), row, row + kHalf);
  }
  return PayloadRef(std::move(p));
}

}  // namespace

/// NAME.f32: for each film of the scored split, in order: left given right, then right given left, mean and sd of 28 x 14 pixels.
void run_images(const std::string& folder, const std::string& name, Options options) {
  Schema::ModalitySpec left, right;
  left.modality.name = "left";
  left.modality.kind = ModalityKind::image;
  left.modality.payload.height = kSide;
  left.modality.payload.width = kHalf;
  right = left;
  right.modality.name = "right";
  const Schema schema = value_or_stop(Schema::make({left, right}, {}));
  const std::vector<float> films = read_numbers<float>(folder + "/films.f32");
  const auto split = read_numbers<std::uint8_t>(folder + "/split.u8");
  std::vector<Snapshot> train, scored;
  for (std::size_t i = 0; i < split.size(); ++i) {
    const float* film = films.data() + i * kSide * kSide;
    Snapshot s = make_snapshot(schema, {half_of(film, false), half_of(film, true)});
    if (split[i] == (options.validation ? 1 : 2)) {
      scored.push_back(std::move(s));
    } else if (split[i] == 0) {
      train.push_back(std::move(s));
    }
  }
  const auto versions = learn_whole(schema, options, train);

  std::vector<model::Query> queries;
  for (std::size_t i = 0; i < scored.size(); ++i) {
    for (ModalityId hidden = 0; hidden < 2; ++hidden) {
      queries.push_back({&scored[i], kTime, {}, {hidden}, i});
      queries.back().wanted_payloads = {hidden};
    }
  }
  std::vector<float> out(queries.size() * 2 * kSide * kHalf);
  const auto share = 1.0 / static_cast<double>(versions.size());
  for (std::size_t i = 0; i < queries.size(); ++i) {
    float* mean = out.data() + i * 2 * kSide * kHalf;
    float* sd = mean + kSide * kHalf;
    std::vector<double> squares(kSide * kHalf), sums(kSide * kHalf);
    for (const auto& version : versions) {
      const auto said = value_or_stop(version->predict({&queries[i], 1}));
      if (said[0].payloads.size() != 1 || said[0].payloads[0].mean.size() != sums.size()) stop("the model predicts no payloads");
      const model::PayloadPrediction& p = said[0].payloads[0];
      for (std::size_t n = 0; n < sums.size(); ++n) {
        sums[n] += share * p.mean[n];
        squares[n] += share * (static_cast<double>(p.sd[n]) * p.sd[n] + static_cast<double>(p.mean[n]) * p.mean[n]);
      }
    }
    for (std::size_t n = 0; n < sums.size(); ++n) {
      mean[n] = static_cast<float>(sums[n]);
      sd[n] = static_cast<float>(std::sqrt(std::max(squares[n] - sums[n] * sums[n], 0.0)));
    }
  }
  write_numbers(folder + "/" + name + ".f32", out);
}

/// NAME.f32: the latent mean of every report, for each subset of its parts but the empty one (bit p of 1..7: part p is seen).
void run_subsets(const std::string& folder, const std::string& name, Options options) {
  std::vector<Schema::ModalitySpec> specs;
  for (const char* part : {"indication", "findings", "impression"}) {
    specs.emplace_back();
    specs.back().modality.name = part;
    specs.back().modality.kind = ModalityKind::text;
    specs.back().modality.payload.length = 256;
  }
  const Schema schema = value_or_stop(Schema::make(std::move(specs), {}));
  std::ifstream in(folder + "/reports.tsv");
  if (!in) stop("cannot read " + folder + "/reports.tsv");
  std::vector<Snapshot> all, train;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string split, label, text;
    std::getline(fields, split, '\t');
    std::getline(fields, label, '\t');
    std::vector<PayloadRef> parts(kParts);
    for (PayloadRef& part : parts) {
      std::getline(fields, text, '\t');
      if (text == "-") continue;  // there is no such part
      Payload p;
      p.text = text;
      part = PayloadRef(std::move(p));
    }
    all.push_back(make_snapshot(schema, parts));
    if (split == "0") train.push_back(all.back());
  }
  options.members = 1;
  const auto version = learn_whole(schema, options, train).front();
  std::vector<float> out;
  for (unsigned seen = 1; seen < 1U << kParts; ++seen) {
    std::vector<model::Query> queries;
    for (const Snapshot& s : all) {
      queries.push_back({&s, kTime, {}, {}, 0});
      for (ModalityId m = 0; m < kParts; ++m) {
        if ((seen >> m & 1U) == 0) queries.back().hidden.push_back(m);
      }
    }
    for (std::size_t at = 0; at < queries.size(); at += kQueriesAtOnce) {
      const std::size_t size = std::min(kQueriesAtOnce, queries.size() - at);
      for (const auto& code : value_or_stop(version->codes(std::span(queries).subspan(at, size)))) out.insert(out.end(), code.begin(), code.end());
    }
  }
  write_numbers(folder + "/" + name + ".f32", out);
}

}  // namespace lacuna::bench
