#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/encoding.h"
#include "model/learner.h"
#include "model/trainer.h"
#include "state/records/counter_random.h"

// The model on payload modalities of real data: one half of a chest film from the other, and what every subset of a report's parts
// says. Reads what prepare.py wrote and writes plain numbers that score.py reads.
//
//   views_bench films DIR TRAIN TEST OUT [key=value]...     OUT.{left,right}.{mean,sd}.f32, [films, 28 x 14] each, the half predicted
//                                                           from the other one; OUT.samples.f32, whole films of nobody, [count, 28 x 28]
//   views_bench reports DIR TRAIN TEST OUT [key=value]...   OUT.TRAIN.SUBSET.f32 and OUT.TEST.SUBSET.f32: latent means, [reports, latent];
//                                                           SUBSET in bits, 1: indication, 2: findings, 4: impression
// TRAIN and TEST name files of DIR. Labels are not read.

namespace {

using namespace lacuna;

constexpr std::uint32_t kSide = 28, kHalf = kSide / 2;
constexpr std::size_t kSamples = 16, kQueriesAtOnce = 256;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "views_bench: %s\n", what.c_str());
  std::exit(1);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const std::string& path, const std::vector<float>& numbers) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(numbers.data()), static_cast<std::streamsize>(numbers.size() * sizeof(float)));
  if (!out.flush()) fail("cannot write " + path);
}

struct Options {
  model::ModelOptions model;
  model::TrainOptions train;
  model::PredictOptions predict;
  int epochs = 20;
  std::uint32_t length = 128, vocabulary = 2000;
  TextModel text_model = TextModel::bag;

  /// "key=value" pairs; the defaults are the model's own, but for what a finite data set needs.
  void set(const std::string& pair) {
    const std::size_t at = pair.find('=');
    if (at == std::string::npos) fail("not key=value: " + pair);
    const std::string key = pair.substr(0, at), value = pair.substr(at + 1);
    const double number = std::atof(value.c_str());
    if (key == "seed") model.seed = static_cast<std::uint64_t>(number);
    else if (key == "latent") model.latent_dim = static_cast<int>(number);
    else if (key == "hidden") model.hidden_dim = static_cast<int>(number);
    else if (key == "joint") model.joint_expert = number != 0;
    else if (key == "fusion")
      model.fusion = value == "attention" ? model::Fusion::attention
                     : value == "poe"     ? model::Fusion::poe
                     : value == "moe"     ? model::Fusion::moe
                                          : model::Fusion::mopoe;
    else if (key == "objective")
      train.objective = value == "mvtcae"  ? model::Objective::mvtcae
                        : value == "mopoe" ? model::Objective::mopoe
                                           : model::Objective::stratified;
    else if (key == "batch") train.batch_size = static_cast<int>(number);
    else if (key == "rate") train.learning_rate = number;
    else if (key == "decay") train.weight_decay = number;
    else if (key == "beta") train.beta = number;
    else if (key == "warmup") train.kl_warmup_steps = static_cast<std::int64_t>(number);
    else if (key == "passes") train.passes = static_cast<int>(number);
    else if (key == "cells") train.payload_values = number;
    else if (key == "hide") train.hide_modalities = number;
    else if (key == "cells_hidden") train.hide_values_max = number;
    else if (key == "draws") predict.samples = static_cast<int>(number);
    else if (key == "epochs") epochs = static_cast<int>(number);
    else if (key == "length") length = static_cast<std::uint32_t>(number);
    else if (key == "vocabulary") vocabulary = static_cast<std::uint32_t>(number);
    else if (key == "text") text_model = parse_text_model(value).value_or(TextModel::bag);
    else fail("unknown key " + key);
  }
};

/// A patient of whom only these payloads are known.
Example patient(std::vector<Payload> payloads) {
  Example example;
  example.time = Time(std::chrono::hours(24 * 365 * 50));
  Snapshot& s = example.before;
  s.modalities.resize(payloads.size());
  s.event_count = 1;
  s.first_time = s.last_time = example.time;
  for (std::size_t m = 0; m < payloads.size(); ++m) {
    if (payloads[m].values.empty() && payloads[m].text.empty()) continue;
    s.modalities[m] = {s.last_time, 1, PayloadRef(std::move(payloads[m]))};
  }
  return example;
}

std::vector<Example> read_films(const std::string& path) {
  const std::string bytes = read_file(path);
  std::vector<Example> out;
  for (std::size_t at = 0; at + kSide * kSide <= bytes.size(); at += kSide * kSide) {
    std::vector<Payload> halves(2);
    for (std::uint32_t y = 0; y < kSide; ++y) {
      for (std::uint32_t x = 0; x < kSide; ++x) {
        halves[x / kHalf].values.push_back(static_cast<float>(static_cast<unsigned char>(bytes[at + y * kSide + x])));
      }
    }
    out.push_back(patient(std::move(halves)));
  }
  return out;
}

std::vector<Example> read_reports(const std::string& path) {
  const std::string all = read_file(path);
  std::vector<Example> out;
  std::vector<Payload> parts(1);
  for (const char c : all) {
    if (c == '\t') {
      parts.emplace_back();
    } else if (c == '\n') {
      if (parts.size() != 3) fail("not three parts in " + path);
      out.push_back(patient(std::exchange(parts, std::vector<Payload>(1))));
    } else {
      parts.back().text += c;
    }
  }
  return out;
}

/// All examples, shuffled anew each epoch. Standardisation and vocabularies are learned of what arrives: in the first epoch everything
/// arrives once.
std::shared_ptr<const model::ModelVersion> train(const Schema& schema, const Options& options, const std::vector<Example>& examples) {
  auto made = model::Trainer::make(schema, options.model, options.train, options.predict, {});
  if (!made.ok()) fail(made.status().to_string());
  model::Trainer& trainer = **made;
  CounterRandom random(options.model.seed + 77);
  std::vector<std::size_t> order(examples.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const std::clock_t start = std::clock();
  std::shared_ptr<const model::ModelVersion> version;
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    for (const std::size_t i : order) {
      Example example = examples[i];
      if (epoch == 0) {
        for (ModalityId m = 0; m < example.before.modalities.size(); ++m) {
          const PayloadRef& payload = example.before.modalities[m].payload;
          if (payload) example.arrived_payloads.push_back({m, payload});
        }
      }
      if (trainer.take(std::move(example))) trainer.step({});
    }
    if ((epoch + 1) % std::max(options.epochs / 5, 1) != 0 && epoch + 1 != options.epochs) continue;
    version = trainer.publish();
    const model::LearnerStats stats = trainer.stats();
    std::fprintf(stderr, "epoch %d, step %lld: %.4f nats a cell, KL %.2f nats, %.0f s of processor time\n", epoch + 1,
                 static_cast<long long>(stats.steps), version->loss(), stats.kl,
                 static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  if (trainer.stats().skipped_steps > 0) fail("steps were skipped");
  return version;
}

Schema::ModalitySpec modality(const char* name, ModalityKind kind) {
  Schema::ModalitySpec spec;
  spec.modality.name = name;
  spec.modality.kind = kind;
  return spec;
}

void films(const std::string& dir, const std::string& train_name, const std::string& test_name, const std::string& out,
           const Options& options) {
  std::vector<Schema::ModalitySpec> specs{modality("left", ModalityKind::image), modality("right", ModalityKind::image)};
  for (auto& spec : specs) {
    spec.modality.payload.height = kSide;
    spec.modality.payload.width = kHalf;
  }
  const Schema schema = *Schema::make(std::move(specs), {});
  const auto version = train(schema, options, read_films(dir + "/" + train_name + ".u8"));
  const std::vector<Example> test = read_films(dir + "/" + test_name + ".u8");
  for (const ModalityId wanted : {0U, 1U}) {
    std::vector<float> mean, sd;
    for (std::size_t at = 0; at < test.size(); at += kQueriesAtOnce) {
      std::vector<model::Query> queries;
      for (std::size_t i = at; i < std::min(at + kQueriesAtOnce, test.size()); ++i) {
        queries.push_back({&test[i].before, test[i].time, {}, {wanted}, i, {wanted}});
      }
      const auto predictions = version->predict(queries);
      if (!predictions.ok()) fail(predictions.status().to_string());
      for (const model::Prediction& p : *predictions) {
        mean.insert(mean.end(), p.payloads[0].mean.begin(), p.payloads[0].mean.end());
        sd.insert(sd.end(), p.payloads[0].sd.begin(), p.payloads[0].sd.end());
      }
    }
    const std::string name = out + (wanted == 0 ? ".left" : ".right");
    write_file(name + ".mean.f32", mean);
    write_file(name + ".sd.f32", sd);
  }
  const Example nobody = patient(std::vector<Payload>(2));
  const model::SampleQuery asked{{&nobody.before, nobody.time, {}, {}, 7, {0, 1}}, kSamples, {}};
  const auto samples = version->sample({&asked, 1});
  if (!samples.ok()) fail(samples.status().to_string());
  std::vector<float> whole;
  for (std::size_t n = 0; n < kSamples; ++n) {
    for (std::uint32_t i = 0; i < kSide * kSide; ++i) {
      const std::uint32_t x = i % kSide, y = i / kSide;
      whole.push_back(samples->front().payloads[2 * n + x / kHalf].values[y * kHalf + x % kHalf]);
    }
  }
  write_file(out + ".samples.f32", whole);
}

void reports(const std::string& dir, const std::string& train_name, const std::string& test_name, const std::string& out,
             const Options& options) {
  std::vector<Schema::ModalitySpec> specs{modality("indication", ModalityKind::text), modality("findings", ModalityKind::text),
                                          modality("impression", ModalityKind::text)};
  for (auto& spec : specs) {
    spec.modality.payload.length = options.length;
    spec.modality.payload.vocabulary_size = options.vocabulary;
    spec.modality.payload.text_model = options.text_model;
  }
  const Schema schema = *Schema::make(std::move(specs), {});
  const std::vector<Example> seen = read_reports(dir + "/" + train_name + ".tsv"), test = read_reports(dir + "/" + test_name + ".tsv");
  const auto version = train(schema, options, seen);
  for (unsigned subset = 1; subset < 8; ++subset) {
    for (const auto& [name, examples] : {std::pair{train_name, &seen}, std::pair{test_name, &test}}) {
      std::vector<model::Query> queries;
      for (const Example& example : *examples) {
        queries.push_back({&example.before, example.time, {}, {}, 0});
        for (ModalityId m = 0; m < 3; ++m) {
          if (((subset >> m) & 1) == 0) queries.back().hidden.push_back(m);
        }
      }
      const auto codes = version->codes(queries);
      if (!codes.ok()) fail(codes.status().to_string());
      std::vector<float> all;
      for (const std::vector<float>& code : *codes) all.insert(all.end(), code.begin(), code.end());
      write_file(out + "." + name + "." + std::to_string(subset) + ".f32", all);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) fail("films|reports DIR TRAIN TEST OUT [key=value]...");
  Options options;
  options.model.device = model::Device::cpu;
  options.train.batch_size = 64;
  options.train.replay_ratio = 0;
  options.train.kl_warmup_steps = 200;
  for (int i = 6; i < argc; ++i) options.set(argv[i]);
  options.train.examples_per_step = options.train.batch_size;  // every example once an epoch
  options.train.young_pace = 1;
  const std::string what = argv[1];
  if (what == "films") films(argv[2], argv[3], argv[4], argv[5], options);
  else if (what == "reports") reports(argv[2], argv[3], argv[4], argv[5], options);
  else fail("no part " + what);
  return 0;
}
