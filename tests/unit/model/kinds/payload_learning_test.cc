// Protects what payloads are for: each kind is learned together with the others, says something of them and is said something of,
// also when values of it are missing; and a modality of noise is not listened to.

#include <algorithm>
#include <cmath>
#include <sstream>

#include <gtest/gtest.h>

#include "model/encoding.h"
#include "model/trainer.h"
#include "state/records/counter_random.h"

namespace lacuna::model {
namespace {

constexpr ModalityId kVitals = 0, kImage = 1, kSignal = 2, kVector = 3, kBag = 4, kSequence = 5, kNoise = 6;

Schema schema() {
  const auto modality = [](const char* name, ModalityKind kind) {
    Modality m;
    m.name = name;
    m.kind = kind;
    return m;
  };
  Feature hr;
  hr.name = "hr";
  std::vector<Schema::ModalitySpec> specs{
      {modality("vitals", ModalityKind::tabular), {hr}}, {modality("image", ModalityKind::image), {}},
      {modality("signal", ModalityKind::signal), {}},    {modality("vector", ModalityKind::embedding), {}},
      {modality("bag", ModalityKind::text), {}},         {modality("sequence", ModalityKind::text), {}},
      {modality("noise", ModalityKind::embedding), {}}};
  specs[kImage].modality.payload.height = specs[kImage].modality.payload.width = 8;
  specs[kSignal].modality.payload.channels = 2;
  specs[kSignal].modality.payload.length = 16;
  specs[kVector].modality.payload.length = specs[kNoise].modality.payload.length = 4;
  specs[kBag].modality.payload.length = specs[kSequence].modality.payload.length = 6;
  specs[kBag].modality.payload.vocabulary_size = specs[kSequence].modality.payload.vocabulary_size = 20;
  specs[kSequence].modality.payload.text_model = TextModel::sequence;
  return Schema::make(std::move(specs), {}).value();
}

/// One hidden number a patient shows in all modalities but the noise; every modality is there with probability `share`.
class Source {
 public:
  explicit Source(std::uint64_t seed, double share = 0.8) : random_(seed), share_(share) {}

  Example next() {
    Example example;
    example.time = Time(std::chrono::hours(24 * 365 * 50));
    Snapshot& s = example.before;
    s.features.resize(1);
    s.modalities.resize(7);
    s.event_count = 5;
    s.first_time = s.last_time = example.time - std::chrono::hours(1);
    const double a = normal();
    last_ = a;
    if (here()) {
      const double v = 80 + 12 * (a + 0.1 * normal());
      const auto f = static_cast<float>(v);
      s.features[0] = {v, s.last_time, 1, f, f, 0, f};
    }
    put(s, kImage, image(a));
    put(s, kSignal, signal(a));
    std::vector<float> vector, noise(4);
    for (int i = 0; i < 4; ++i) vector.push_back(static_cast<float>((i % 2 == 0 ? a : -a) + 0.2 * normal()));
    random_.normals(noise);
    put(s, kVector, {vector, {}, ""});
    put(s, kBag, {{}, {}, words(a)});
    put(s, kSequence, {{}, {}, words(a)});
    put(s, kNoise, {noise, {}, ""});
    return example;
  }
  std::vector<Example> take(std::size_t n) {
    std::vector<Example> out;
    while (out.size() < n) out.push_back(next());
    return out;
  }
  double last() const { return last_; }

  /// A bright spot that moves from left to right with `a`; a tenth of the pixels missing.
  Payload image(double a) {
    Payload p;
    for (int y = 0; y < 8; ++y) {
      for (int x = 0; x < 8; ++x) {
        const bool observed = random_.unit() < 0.9;
        p.observed.push_back(observed ? 1 : 0);
        p.values.push_back(observed ? pixel(a, x, y) + static_cast<float>(5 * normal()) : 0.0F);
      }
    }
    return p;
  }
  static float pixel(double a, int x, int y) {
    const double cx = 3.5 + 2 * std::tanh(a), cy = 3.5;
    return static_cast<float>(100 + 100 * std::exp(-((x - cx) * (x - cx) + (y - cy) * (y - cy)) / 4));
  }

 private:
  double normal() {
    float pair[2];
    random_.normals(pair);
    return pair[0];
  }
  bool here() { return random_.unit() < share_; }
  Payload signal(double a) {
    Payload p;
    for (int c = 0; c < 2; ++c) {
      for (int t = 0; t < 16; ++t) p.values.push_back(static_cast<float>((c == 0 ? a : 1.0) * std::sin(0.8 * t) + 0.1 * normal()));
    }
    return p;
  }
  std::string words(double a) {
    std::string text = random_.unit() < 0.5 ? "chest film" : "film";
    text += a > 0.4 ? " large effusion seen" : a < -0.4 ? " no acute disease" : " stable finding";
    return text;
  }
  void put(Snapshot& s, ModalityId m, Payload payload) {
    if (!here()) return;
    s.modalities[m] = {s.last_time, 1, PayloadRef(std::move(payload))};
  }

  CounterRandom random_;
  double share_, last_ = 0;
};

ModelOptions small(Fusion fusion) {
  ModelOptions options;
  options.latent_dim = 6;
  options.hidden_dim = 32;
  options.fusion = fusion;
  options.device = Device::cpu;
  return options;
}

std::unique_ptr<Trainer> trained(Fusion fusion, std::uint64_t seed, int steps, TrainOptions train = {}) {
  train.batch_size = 64;
  train.examples_per_step = 64;
  train.young_pace = 1;
  train.replay_ratio = 0;
  train.learning_rate = 3e-3;
  train.kl_warmup_steps = 50;
  static const Schema kSchema = schema();
  auto trainer = Trainer::make(kSchema, small(fusion), train, {}, {});
  EXPECT_TRUE(trainer.ok()) << trainer.status().to_string();
  Source source(seed);
  // Standardisation is learned of what arrives.
  for (int step = 0; step < steps;) {
    Example example = source.next();
    for (ModalityId m = 0; m < 7; ++m) {
      if (example.before.modalities[m].payload) example.arrived_payloads.push_back({m, example.before.modalities[m].payload});
    }
    if (example.before.features[0].count > 0) example.arrived.push_back({0, example.before.features[0].last});
    if (!(*trainer)->take(std::move(example))) continue;
    (*trainer)->step({});
    ++step;
  }
  EXPECT_EQ((*trainer)->stats().skipped_steps, 0);
  return std::move(trainer).value();
}

/// Only `shown` is known of each test patient.
struct Shown {
  std::vector<Example> examples;
  std::vector<double> a;
  std::vector<Prediction> predictions;
};

Shown predict(const ModelVersion& version, ModalityId shown, std::vector<ModalityId> payloads, std::vector<FeatureId> features) {
  Shown out;
  Source source(99, 1.0);
  for (int i = 0; i < 200; ++i) {
    out.examples.push_back(source.next());
    out.a.push_back(source.last());
  }
  std::vector<Query> queries;
  for (const Example& e : out.examples) {
    Query q{&e.before, e.time, features, {}, 3, payloads};
    for (ModalityId m = 0; m < 7; ++m) {
      if (m != shown) q.hidden.push_back(m);
    }
    queries.push_back(q);
  }
  auto predictions = version.predict(queries);
  EXPECT_TRUE(predictions.ok()) << predictions.status().to_string();
  out.predictions = std::move(predictions).value();
  return out;
}

// Any one modality tells the others: the error of each, over that of the mean, from each of the others. The hidden number is 90 %
// visible in every modality but the texts, which have three classes of it.
TEST(Payloads, EachModalityTellsTheOthers) {
  const auto version = trained(Fusion::mopoe, 1, 500)->publish();
  for (const ModalityId shown : {kVitals, kImage, kSignal, kVector, kBag, kSequence}) {
    const Shown s = predict(*version, shown, {kImage, kSignal, kVector, kBag, kSequence}, {0});
    const bool rough = shown == kBag || shown == kSequence;
    double image = 0, image_mean = 0, hr = 0, hr_mean = 0, vector = 0, vector_mean = 0, effusion[2][2] = {}, counts[2] = {};
    std::vector<double> mean_image(64);
    for (const double a : s.a) {
      for (int i = 0; i < 64; ++i)
        mean_image[static_cast<std::size_t>(i)] += Source::pixel(a, i % 8, i / 8) / static_cast<double>(s.a.size());
    }
    for (std::size_t n = 0; n < s.predictions.size(); ++n) {
      const Prediction& p = s.predictions[n];
      for (int i = 0; i < 64; ++i) {
        const double truth = Source::pixel(s.a[n], i % 8, i / 8);
        image += std::abs(p.payloads[0].mean[static_cast<std::size_t>(i)] - truth);
        image_mean += std::abs(mean_image[static_cast<std::size_t>(i)] - truth);
      }
      for (int i = 0; i < 4; ++i) {
        const double truth = i % 2 == 0 ? s.a[n] : -s.a[n];
        vector += std::abs(p.payloads[2].mean[static_cast<std::size_t>(i)] - truth);
        vector_mean += std::abs(truth);
      }
      hr += std::abs(p.predictive[0].median() - (80 + 12 * s.a[n]));
      hr_mean += std::abs(12 * s.a[n]);
      const int high = s.a[n] > 0.4 ? 1 : 0;
      counts[high] += 1;
      for (int t = 0; t < 2; ++t) {
        const PayloadPrediction& text = p.payloads[static_cast<std::size_t>(3 + t)];
        const auto at = std::find(text.vocabulary.begin(), text.vocabulary.end(), "effusion");
        ASSERT_NE(at, text.vocabulary.end());
        effusion[t][high] += text.mean[static_cast<std::size_t>(at - text.vocabulary.begin())];
      }
    }
    const double bound = rough ? 0.75 : 0.5;
    EXPECT_LT(image / image_mean, bound) << "the image from modality " << shown;
    EXPECT_LT(vector / vector_mean, bound) << "the vector from modality " << shown;
    EXPECT_LT(hr / hr_mean, bound) << "the heart rate from modality " << shown;
    for (int t = 0; t < 2; ++t) {
      EXPECT_GT(effusion[t][1] / counts[1], 0.5) << "the word where it is, text " << t << " from modality " << shown;
      EXPECT_LT(effusion[t][0] / counts[0], 0.35) << "the word where it is not, text " << t << " from modality " << shown;
    }
  }
}

// Attention is asked how much each modality had to say: one of pure noise must have less than any other, and little.
TEST(Payloads, AttentionDoesNotListenToNoise) {
  const auto version = trained(Fusion::attention, 2, 400)->publish();
  Source source(98, 1.0);
  const auto examples = source.take(100);
  std::vector<double> weight(7);
  for (const Example& e : examples) {
    Query q{&e.before, e.time, {0}, {}, 3, {}, true};
    const Prediction p = version->predict({&q, 1}).value().front();
    double total = 0;
    ASSERT_EQ(p.weights.size(), 7U);
    for (const ModalityWeight& w : p.weights) {
      EXPECT_GE(w.weight, 0);
      weight[w.modality] += w.weight / static_cast<double>(examples.size());
      total += w.weight;
    }
    EXPECT_NEAR(total, 1, 1e-5);
  }
  std::vector<double> others(weight.begin(), weight.begin() + kNoise);
  EXPECT_LT(weight[kNoise], 1.0 / 7);
  EXPECT_LT(weight[kNoise], *std::max_element(others.begin(), others.end()) / 2);
  // A modality that is hidden has no weight.
  Query q{&examples[0].before, examples[0].time, {0}, {kImage}, 3, {}, true};
  for (const ModalityWeight& w : version->predict({&q, 1}).value().front().weights) EXPECT_NE(w.modality, kImage);
}

TEST(Payloads, CheckpointsAndSamplesHoldThem) {
  const auto trainer = trained(Fusion::mopoe, 3, 60);
  const std::string bytes = trainer->checkpoint();
  TrainOptions train;
  train.batch_size = train.examples_per_step = 64;
  train.young_pace = 1;
  auto again = Trainer::make(schema(), small(Fusion::mopoe), train, {}, bytes);
  ASSERT_TRUE(again.ok()) << again.status().to_string();
  EXPECT_EQ((*again)->checkpoint(), bytes) << "bit for bit";
  const auto version = trainer->publish();
  Source source(97, 0.6);
  const Example e = source.next();
  SampleQuery asked{{&e.before, e.time, {0}, {}, 5, {kImage, kVector, kBag, kSequence}}, 6, {}};
  const Samples samples = version->sample({&asked, 1}).value().front();
  ASSERT_EQ(samples.payloads.size(), 24U);
  const Schema s = schema();
  for (std::size_t n = 0; n < samples.payloads.size(); ++n) {
    const Modality& m = s.modalities()[samples.modalities[n % 4]];
    EXPECT_TRUE(check_payload(m.kind, m.payload, samples.payloads[n]).ok()) << m.name;
    const PayloadRef& known = e.before.modalities[samples.modalities[n % 4]].payload;
    if (known) {
      EXPECT_EQ(*known, samples.payloads[n]) << "what is known stays";
    }
  }
  asked.query.seed = 6;
  EXPECT_NE(version->sample({&asked, 1}).value().front().payloads, samples.payloads);
}

}  // namespace
}  // namespace lacuna::model
