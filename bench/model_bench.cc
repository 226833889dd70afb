#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "model/encoding.h"
#include "model/learner.h"
#include "model/trainer.h"

// Gradient steps and predictions a second on one core, at the size of an intensive care deployment: 37
// features in eight modalities, two thirds of them measured, four attributes, default options. Processor
// time, not wall-clock time: what else the machine does is not what is asked.

namespace {

using namespace lacuna;

constexpr std::uint32_t kModalities = 8, kFeatures = 37;

Schema make_schema() {
  std::vector<Schema::ModalitySpec> specs(kModalities);
  for (std::uint32_t m = 0; m < kModalities; ++m) specs[m].modality.name = "modality_" + std::to_string(m);
  for (std::uint32_t f = 0; f < kFeatures; ++f) {
    Feature feature;
    feature.name = "feature_" + std::to_string(f);
    feature.likelihood = f % 3 == 0 ? Likelihood::log_normal : Likelihood::normal;
    specs[f * kModalities / kFeatures].features.push_back(feature);
  }
  std::vector<Attribute> attributes(4);
  for (std::size_t a = 0; a < attributes.size(); ++a) attributes[a].name = "attribute_" + std::to_string(a);
  return *Schema::make(std::move(specs), std::move(attributes));
}

Example make_example(const Schema& schema, model::HashRandom& random) {
  Example example;
  example.time = Time(std::chrono::hours(24 * 365 * 50));
  Snapshot& s = example.before;
  s.features.resize(schema.feature_count());
  s.modalities.resize(schema.modality_count());
  s.attributes.assign(schema.attributes().size(), 1.0F);
  s.event_count = 20;
  s.first_time = example.time - std::chrono::hours(20);
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    const double value = 50 + 10 * random.unit();
    if (random.unit() < 0.66) {
      const auto scaled = static_cast<float>(model::to_scale(schema.features()[f].likelihood, value));
      s.features[f] = {value, example.time - Millis(random.below(36'000'000)), 5, scaled, scaled, 0, scaled};
    }
    if (random.unit() < 0.15) example.arrived.push_back({f, value});
  }
  return example;
}

double seconds_since(std::clock_t start) {
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

}  // namespace

int main() {
  const Schema schema = make_schema();
  model::HashRandom random(1);
  std::vector<Example> examples;
  for (int i = 0; i < 2048; ++i) examples.push_back(make_example(schema, random));

  const model::ModelOptions options;
  const model::TrainOptions train;
  const model::PredictOptions predict;
  std::printf("%s, matrix product %.0f GFLOP/s on one thread\n", model::describe_device(options).c_str(),
              model::matrix_product_gflops());
  auto made = model::Trainer::make(schema, options, train, predict, {});
  if (!made.ok()) {
    std::fprintf(stderr, "%s\n", made.status().to_string().c_str());
    return 1;
  }
  model::Trainer& trainer = **made;
  const auto half = static_cast<std::ptrdiff_t>(trainer.replay_wanted().first);
  const std::vector<Example> replayed(examples.begin(), examples.begin() + half);
  int steps = 0;
  std::size_t next = 0;
  std::clock_t start = std::clock();
  while (steps < 120) {
    if (!trainer.take(examples[next++ % examples.size()])) continue;
    if (steps == 20) start = std::clock();  // the first ones fill caches and allocators
    trainer.step(replayed);
    ++steps;
  }
  const double step_ms = seconds_since(start) / 100 * 1e3;
  const auto version = trainer.publish();
  std::printf("%lld parameters, batch of %d: %.1f ms a step\n",
              static_cast<long long>(version->parameter_count()), train.batch_size, step_ms);

  std::vector<model::Query> queries;
  std::vector<FeatureId> all(kFeatures);
  for (FeatureId f = 0; f < kFeatures; ++f) all[f] = f;
  for (std::size_t i = 0; i < examples.size(); ++i)
    queries.push_back({&examples[i].before, examples[i].time, all, {}, i});
  double best = 0;
  for (int round = 0; round < 4; ++round) {
    start = std::clock();
    if (!version->predict(queries).ok()) return 1;
    best = std::max(best, static_cast<double>(queries.size()) / seconds_since(start));
  }
  std::printf("all %u features wanted, %d samples: %.0f queries a second\n", kFeatures, predict.samples,
              best);
  return 0;
}
