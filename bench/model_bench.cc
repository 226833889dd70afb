#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/device.h"
#include "model/encoding.h"
#include "model/model_version.h"
#include "model/trainer.h"
#include "state/records/counter_random.h"
#include "state/records/scale.h"

// Gradient steps and predictions a second on one core, for a small, a medium and an image-sized model: 37 features in eight modalities
// (an intensive care deployment, two thirds of them measured, four attributes), 400 features in 20 modalities at twice the width, and the
// first with two films of 64 x 64. Processor time, not wall-clock time: what else the machine does is not what is asked; on CUDA wall-clock
// time. The limit is what the products of a step alone would take at the speed of a large matrix product: what is above it is dispatch,
// element-wise work and memory.
//
//   model_bench [cpu|cuda] [short] [small|medium|images]...    default: CUDA where it is, and all three sizes; short: a quarter of the
//                                                             steps, and two rounds of predictions

namespace {

using namespace lacuna;

struct Size {
  const char* name;
  std::uint32_t modalities, features, films;
  int latent, hidden;
  int steps;
};
constexpr Size kSizes[] = {{"small", 8, 37, 0, 32, 128, 100}, {"medium", 20, 400, 0, 64, 256, 30}, {"images", 8, 37, 2, 64, 128, 8}};
constexpr std::uint32_t kSide = 64;

Schema make_schema(const Size& size) {
  std::vector<Schema::ModalitySpec> specs(size.modalities + size.films);
  for (std::uint32_t m = 0; m < specs.size(); ++m) specs[m].modality.name = "modality_" + std::to_string(m);
  for (std::uint32_t f = 0; f < size.features; ++f) {
    Feature feature;
    feature.name = "feature_" + std::to_string(f);
    feature.likelihood = f % 3 == 0 ? Likelihood::log_normal : Likelihood::normal;
    specs[f * size.modalities / size.features].features.push_back(feature);
  }
  for (std::uint32_t i = 0; i < size.films; ++i) {
    Modality& film = specs[size.modalities + i].modality;
    film.kind = ModalityKind::image;
    film.payload.height = film.payload.width = kSide;
  }
  std::vector<Attribute> attributes(4);
  for (std::size_t a = 0; a < attributes.size(); ++a) attributes[a].name = "attribute_" + std::to_string(a);
  return *Schema::make(std::move(specs), std::move(attributes));
}

Example make_example(const Schema& schema, CounterRandom& random) {
  Example example;
  example.time = Time(std::chrono::hours(24 * 365 * 50));
  Snapshot& s = example.before;
  s.features.resize(schema.feature_count());
  s.modalities.resize(schema.modality_count());
  s.attributes.assign(schema.attributes().size(), 1.0F);
  s.event_count = 20;
  s.first_time = s.last_time = example.time - std::chrono::hours(20);
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    const double value = 50 + 10 * random.unit();
    if (random.unit() < 0.66) {
      const auto scaled = static_cast<float>(to_scale(schema.features()[f].likelihood, value));
      s.features[f] = {value, example.time - Millis(random.below(36'000'000)), 5, scaled, scaled, 0, scaled};
    }
    if (random.unit() < 0.15) example.arrived.push_back({f, value});
  }
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    if (schema.modalities()[m].kind == ModalityKind::tabular) continue;
    Payload film;
    film.values.resize(kSide * kSide);
    random.normals(film.values);
    s.modalities[m] = {s.last_time, 1, PayloadRef(std::move(film))};
  }
  return example;
}

/// Billions of operations in the products of one step: each weight that meets each example once counts six (forward, and two ways
/// back); a convolution's weights meet every place of its output (the layers of model/kinds/image.cc).
double step_gflop(const Size& size, std::int64_t parameters, int batch) {
  double per_row = 0, conv = 0;
  for (std::uint32_t i = 0; i < size.films; ++i) {
    double side = kSide, channels = 16, taps = 9;
    per_row += taps * 2 * channels * side * side * 2;  // first and last
    conv += taps * 2 * channels * 2 + 2 * kSide * kSide;
    while (side > 4) {
      const double wider = std::min(2 * channels, 64.0);
      side /= 2;
      per_row += taps * channels * wider * (side * side + 4 * side * side);  // down at the smaller side, up at the larger one
      conv += 2 * taps * channels * wider;
      channels = wider;
    }
  }
  return 6 * batch * (per_row + static_cast<double>(parameters) - conv) * 1e-9;
}

/// Of this process on a processor, of the wall on a device, which works beside it.
double seconds(bool device) {
  if (!device) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Run {
  model::Device where = model::Device::automatic;
  bool brief = false;
  std::vector<Size> sizes;
};

/// Nothing when an argument has no meaning.
std::optional<Run> parse(const std::vector<std::string>& arguments) {
  Run run;
  for (const std::string& a : arguments) {
    const auto size = std::find_if(std::begin(kSizes), std::end(kSizes), [&](const Size& s) { return a == s.name; });
    if (size != std::end(kSizes)) {
      run.sizes.push_back(*size);
    } else if (a == "cpu" || a == "cuda") {
      run.where = a == "cpu" ? model::Device::cpu : model::Device::cuda;
    } else if (a == "short") {
      run.brief = true;
    } else {
      return std::nullopt;
    }
  }
  if (run.sizes.empty()) run.sizes.assign(std::begin(kSizes), std::end(kSizes));
  for (Size& size : run.sizes) {
    if (run.brief) size.steps /= 4;
  }
  return run;
}

int measure(const Size& size, const Run& run, double gflops, bool device) {
  const Schema schema = make_schema(size);
  CounterRandom random(1);
  std::vector<Example> examples;
  for (int i = 0; i < 1024; ++i) examples.push_back(make_example(schema, random));

  model::ModelOptions options;
  options.latent_dim = size.latent;
  options.hidden_dim = size.hidden;
  options.device = run.where;
  const model::TrainOptions train;
  const model::PredictOptions predict;
  auto made = model::Trainer::make(schema, options, train, predict, {});
  if (!made.ok()) {
    std::fprintf(stderr, "%s\n", made.status().to_string().c_str());
    return 1;
  }
  model::Trainer& trainer = **made;
  const auto half = static_cast<std::ptrdiff_t>(trainer.replay_wanted().first);
  const std::vector<Example> replayed(examples.begin(), examples.begin() + half);
  const int warm = size.steps / 5 + 5;
  std::size_t next = 0;
  double start = 0;
  for (int steps = 0; steps < warm + size.steps;) {
    if (!trainer.take(examples[next++ % examples.size()])) continue;
    if (steps == warm) {  // the first ones fill caches and allocators, and are recorded
      trainer.publish();  // waits for the device
      start = seconds(device);
    }
    trainer.step(replayed);
    ++steps;
  }
  const auto version = trainer.publish();
  const double step = (seconds(device) - start) / size.steps;
  const double limit = step_gflop(size, version->parameter_count(), train.batch_size) / gflops;

  std::vector<FeatureId> all(size.features);
  for (FeatureId f = 0; f < size.features; ++f) all[f] = f;
  std::vector<model::Query> queries;
  for (std::size_t i = 0; i < (size.films > 0 ? 96U : 512U); ++i) {
    queries.push_back({&examples[i].before, examples[i].time, all, {}, i});
    for (std::uint32_t film = 0; film < size.films; ++film) queries.back().wanted_payloads.push_back(size.modalities + film);
  }
  double best = 0;
  for (int round = 0; round < (run.brief ? 2 : 8); ++round) {
    start = seconds(device);
    if (!version->predict(queries).ok()) return 1;
    best = std::max(best, static_cast<double>(queries.size()) / (seconds(device) - start));
  }
  std::printf(
      "%-7s %10lld parameters  %7.1f ms a step of %d  %6.1f steps/s  %5.1f times the products' limit  %7.0f imputations/s of %u "
      "features%s\n",
      size.name, static_cast<long long>(version->parameter_count()), step * 1e3, train.batch_size, 1 / step, step / limit, best,
      size.features, size.films > 0 ? " and two films" : "");
  if (device)
    std::printf("        %lld of %lld steps were recordings\n", static_cast<long long>(trainer.stats().recorded_steps),
                static_cast<long long>(trainer.stats().steps));
  std::fflush(stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Run> run = parse({argv + 1, argv + argc});
  if (!run) {
    std::fprintf(stderr, "usage: %s [cpu|cuda] [short] [small|medium|images]...\n", argv[0]);
    return 2;
  }
  model::ModelOptions options;
  options.device = run->where;
  const std::string where = model::describe_device(options);
  const bool device = where.rfind("cpu", 0) != 0;
  const auto [gflops, remedy] = model::measure_products(options);
  std::printf("%s, matrix product %.0f GFLOP/s\n", where.c_str(), gflops);
  if (!remedy.empty()) std::printf("slow: %s\n", remedy.c_str());
  for (const Size& size : run->sizes) {
    if (const int failed = measure(size, *run, gflops, device)) return failed;
  }
  return 0;
}
