#include "model/device_graph.h"

#include <ostream>
#include <set>
#include <tuple>
#include <utility>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/library.h>

#include "model/adam.h"
#include "model/inference.h"
#include "model/objective.h"
#include "state/records/counter_random.h"
#include "state/records/scale.h"

// Protects what a GPU replays without the host: inputs lie at fixed places, a recording follows the warm-ups, what cannot be recorded is
// done all the same; neither a gradient step nor a prediction asks the host anything on its way, whatever the model; and shapes that were
// filled up say what the plain ones say.

namespace lacuna::model {
namespace {

using torch::Tensor;

// --- the graph ---

struct Pair {
  Tensor a, b;
  template <typename F>
  void each(F&& f) {
    f(a);
    f(b);
  }
};
struct Sum {
  Tensor sum;
};
using Graph = DeviceGraph<Pair, Sum>;

Sum add(const Pair& p) { return {p.b.defined() ? p.a + p.b.to(torch::kFloat) : p.a + 1.0}; }

/// What a device does, without one: a recording reads the places that the body read, and writes those it wrote.
class Tape {
 public:
  Graph::Body body() {
    return [this](const Pair& in) {
      ++bodies;
      last_in_ = in;
      last_out_ = add(in);
      return last_out_;
    };
  }
  Graph::MakeRecorder maker() {
    return [this](torch::Device) { return std::make_unique<Recorder>(*this); };
  }
  int bodies = 0, warm_ups = 0, recordings = 0, replays = 0;
  bool unable = false;

 private:
  class Recorder final : public GraphRecorder {
   public:
    explicit Recorder(Tape& tape) : tape_(tape) {}
    void warm_up(const std::function<void()>& work) override {
      ++tape_.warm_ups;
      work();
    }
    void record(const std::function<void()>& work) override {
      if (tape_.unable) throw std::runtime_error("not while recording");
      ++tape_.recordings;
      work();
      in_ = tape_.last_in_;
      out_ = tape_.last_out_;
      out_.sum.fill_(-1);  // recorded, not done
    }
    void replay() override {
      ++tape_.replays;
      out_.sum.copy_(add(in_).sum);
    }

   private:
    Tape& tape_;
    Pair in_;
    Sum out_;
  };
  Pair last_in_;
  Sum last_out_;
};

Pair numbers(int seed, std::int64_t rows, bool second = true) {
  torch::manual_seed(static_cast<std::uint64_t>(seed));
  return {torch::randn({rows, 3}), second ? torch::randint(0, 9, {rows, 3}, torch::kLong) : Tensor()};
}

TEST(DeviceGraph, IsRecordedOnceAfterTheWarmUpsAndThenReplayed) {
  Tape tape;
  Graph graph(torch::kCPU, true, tape.maker());
  for (int i = 0; i < 10; ++i) {
    const Pair in = numbers(i, 5);
    EXPECT_TRUE(torch::equal(graph.run(in, tape.body()).sum, add(in).sum)) << i;
  }
  EXPECT_EQ(tape.warm_ups, Graph::kWarmUps);
  EXPECT_EQ(tape.recordings, 1);
  EXPECT_EQ(tape.bodies, Graph::kWarmUps + 1);
  EXPECT_EQ(tape.replays, 10 - Graph::kWarmUps);
  EXPECT_EQ(graph.replays(), tape.replays);
}

TEST(DeviceGraph, EveryShapeAndVariantHasARecordingOfItsOwn) {
  Tape tape;
  Graph graph(torch::kCPU, true, tape.maker());
  CounterRandom random(3);
  std::set<std::tuple<std::int64_t, bool, int>> seen;
  for (int i = 0; i < 400; ++i) {
    const auto rows = static_cast<std::int64_t>(1 + random.below(3));
    const bool second = random.unit() < 0.5;
    const int variant = static_cast<int>(random.below(2));
    const Pair in = numbers(i, rows, second);
    EXPECT_TRUE(torch::equal(graph.run(in, tape.body(), variant).sum, add(in).sum)) << i;
    seen.insert({rows, second, variant});
  }
  EXPECT_EQ(tape.recordings, static_cast<int>(seen.size()));
}

TEST(DeviceGraph, ShapesWithoutEndAreDoneOneByOne) {
  Tape tape;
  Graph graph(torch::kCPU, true, tape.maker());
  for (int round = 0; round < 6; ++round) {
    for (std::int64_t rows = 1; rows <= 2 * static_cast<std::int64_t>(Graph::kShapesMax); ++rows) {
      const Pair in = numbers(round, rows);
      EXPECT_TRUE(torch::equal(graph.run(in, tape.body()).sum, add(in).sum));
    }
  }
  EXPECT_EQ(tape.recordings, static_cast<int>(Graph::kShapesMax));
}

TEST(DeviceGraph, WhatCannotBeRecordedIsDone) {
  Tape tape;
  tape.unable = true;
  Graph graph(torch::kCPU, true, tape.maker());
  for (int i = 0; i < 10; ++i) {
    const Pair in = numbers(i, 5);
    EXPECT_TRUE(torch::equal(graph.run(in, tape.body()).sum, add(in).sum)) << i;
  }
  EXPECT_EQ(tape.bodies, 10);
  EXPECT_EQ(tape.replays, 0);
  Graph without(torch::kCPU, true, [](torch::Device) { return nullptr; });
  const Pair in = numbers(11, 5);
  EXPECT_TRUE(torch::equal(without.run(in, tape.body()).sum, add(in).sum));
}

// --- what is recorded ---

Schema everything() {
  const auto feature = [](std::string name, Likelihood likelihood, int classes = 0) {
    Feature f;
    f.name = std::move(name);
    f.likelihood = likelihood;
    for (int c = 0; c < classes; ++c) f.categories.push_back("class_" + std::to_string(c));
    return f;
  };
  std::vector<Schema::ModalitySpec> specs(7);
  for (std::size_t m = 0; m < specs.size(); ++m) specs[m].modality.name = "modality_" + std::to_string(m);
  specs[0].features = {feature("normal", Likelihood::normal), feature("log_normal", Likelihood::log_normal),
                       feature("heavy", Likelihood::student_t)};
  specs[1].features = {feature("count", Likelihood::negative_binomial), feature("yes", Likelihood::bernoulli),
                       feature("class", Likelihood::categorical, 4), feature("grade", Likelihood::ordinal, 3)};
  const auto payload = [&](std::size_t m, ModalityKind kind) -> PayloadSpec& {
    specs[m].modality.kind = kind;
    return specs[m].modality.payload;
  };
  PayloadSpec& film = payload(2, ModalityKind::image);
  film.height = 12, film.width = 10;
  PayloadSpec& note = payload(3, ModalityKind::text);
  note.length = 8, note.vocabulary = {"heart", "lung", "clear"};
  PayloadSpec& line = payload(4, ModalityKind::text);
  line = note, line.text_model = TextModel::sequence;
  PayloadSpec& wave = payload(5, ModalityKind::signal);
  wave.channels = 2, wave.length = 40;
  payload(6, ModalityKind::embedding).length = 5;
  Attribute age;
  age.name = "age";
  return Schema::make(std::move(specs), {age}).value();
}

Payload draw_payload(const Modality& m, CounterRandom& random) {
  if (m.kind == ModalityKind::text) return {{}, {}, random.unit() < 0.5 ? "heart clear" : "lung lung unknown heart"};
  Payload p;
  p.values.resize(m.payload.value_count(m.kind));
  random.normals(p.values);
  return p;
}

Example draw_example(const Schema& schema, CounterRandom& random) {
  Example e;
  e.time = Time(std::chrono::hours(24 * 365 * 50));
  Snapshot& s = e.before;
  s.features.resize(schema.feature_count());
  s.modalities.resize(schema.modality_count());
  s.attributes.assign(1, 60.0F);
  s.event_count = 3;
  s.first_time = s.last_time = e.time - std::chrono::hours(5);
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    const double value = std::floor(random.unit() * 2);
    const auto scaled = static_cast<float>(to_scale(schema.features()[f].likelihood, value));
    if (random.unit() < 0.7) s.features[f] = {value, s.last_time, 2, scaled, scaled, 0, scaled};
    if (random.unit() < 0.3) e.arrived.push_back({f, value});
  }
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    if (schema.modalities()[m].kind == ModalityKind::tabular) continue;
    if (random.unit() < 0.6) s.modalities[m] = {s.last_time, 1, PayloadRef(draw_payload(schema.modalities()[m], random))};
    if (random.unit() < 0.3) e.arrived_payloads.push_back({m, PayloadRef(draw_payload(schema.modalities()[m], random))});
  }
  return e;
}

struct Case {
  const char* name;
  Fusion fusion = Fusion::mopoe;
  Objective objective = Objective::stratified;
  int passes = 1;
  bool mnar = false;
  bool joint_expert = true;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class RecordedWork : public ::testing::TestWithParam<Case> {
 protected:
  RecordedWork() : schema_(everything()), encoder_(schema_), standardiser_(schema_) {
    options_.fusion = GetParam().fusion;
    options_.mnar = GetParam().mnar;
    options_.joint_expert = GetParam().joint_expert;
    options_.latent_dim = 6;
    options_.hidden_dim = 16;
    train_.objective = GetParam().objective;
    train_.passes = GetParam().passes;
    CounterRandom random(7);
    for (int i = 0; i < 11; ++i) {
      examples_.push_back(draw_example(schema_, random));
      standardiser_.observe(examples_.back());
    }
  }

  TrainingBatch batch() const {
    std::vector<const Example*> rows;
    for (const Example& e : examples_) rows.push_back(&e);
    TrainingBatch b = make_training_batch(encoder_, standardiser_, options_, train_, rows, 5, 6);
    b.kl_weight = torch::full({1}, 0.02);
    b.rates = Adam::numbers(1, {1e-3, 1e-4, 5.0});
    return b;
  }

  RowInputs inputs() const {
    const TrainingBatch b = batch();
    torch::manual_seed(4);
    const std::int64_t rows = b.past.size(0), passes = GetParam().fusion == Fusion::moe ? encoder_.layout().modalities : 1;
    return {b.past,
            b.visible.select(1, 0).contiguous(),
            b.last,
            b.context,
            b.subset.narrow(1, 0, 1).expand({rows, passes, -1}).contiguous(),
            torch::randn({rows, 8, options_.latent_dim}),
            b.count_mean,
            b.last_side,
            b.known};
  }

  Network network(torch::Device device, bool trainable) const {
    return {encoder_.layout(), options_, Network::initial(encoder_.layout(), options_).to(device), trainable};
  }

  Schema schema_;
  RowEncoder encoder_;
  Standardiser standardiser_;
  ModelOptions options_;
  TrainOptions train_;
  std::vector<Example> examples_;
};

/// Names of the operations that a recording could not contain: those that read a tensor of another device (a single number travels with
/// the launch, unless it is copied), or bring a value back.
class Strays {
 public:
  explicit Strays(torch::Device device) {
    found().clear();
    here() = device;
    handle_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback([](const at::RecordFunction& f) -> std::unique_ptr<at::ObserverContext> {
          const std::string name = f.name();
          for (const char* back : {"aten::item", "aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero"}) {
            if (name == back) found().insert(name);
          }
          for (const c10::IValue& v : f.inputs()) {
            if (!v.isTensor() || !v.toTensor().defined()) continue;
            const Tensor& t = v.toTensor();
            const bool copies = name == "aten::copy_" || name == "aten::_to_copy" || name == "aten::to";
            if (t.device().type() != here().type() && (t.dim() > 0 || copies)) found().insert(name);
          }
          return nullptr;
        })
            .needsInputs(true)
            .scopes({at::RecordScope::FUNCTION}));
  }
  ~Strays() { at::removeCallback(handle_); }
  Strays(const Strays&) = delete;
  Strays& operator=(const Strays&) = delete;
  static std::set<std::string>& found() {
    static std::set<std::string> names;
    return names;
  }

 private:
  static torch::Device& here() {
    static torch::Device device(torch::kCPU);
    return device;
  }
  at::CallbackHandle handle_;
};

/// Tensors without values: whoever asks for one gets an exception.
const torch::Device kNoValues(torch::kMeta);

/// The shape of what an operation returns, where LibTorch lacks it: asked of the processor, with zeros.
void shapes_from_zeros(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const at::RecordFunctionGuard unobserved(false);
  const auto& schema = op.schema();
  const std::size_t count = schema.arguments().size(), begin = stack->size() - count;
  const std::vector<c10::IValue> given(stack->begin() + static_cast<std::ptrdiff_t>(begin), stack->end());
  const auto zeros = [](const Tensor& t) { return t.defined() ? torch::zeros(t.sizes(), t.options().device(torch::kCPU)) : t; };
  for (std::size_t i = 0; i < count; ++i) {
    c10::IValue& v = (*stack)[begin + i];
    if (v.isTensor()) v = zeros(v.toTensor());
    if (v.isTensorList()) {
      std::vector<Tensor> all;
      for (const Tensor& t : v.toTensorVector()) all.push_back(zeros(t));
      v = all;
    }
  }
  op.callBoxed(stack);
  for (std::size_t i = 0; i < schema.returns().size(); ++i) {
    c10::IValue& v = (*stack)[stack->size() - schema.returns().size() + i];
    if (!v.isTensor()) throw std::runtime_error("no shape of what " + schema.name() + " returns");
    const c10::AliasInfo* const written = schema.returns()[i].alias_info();
    if (written == nullptr && v.toTensor().defined()) v = v.toTensor().to(kNoValues);
    for (std::size_t j = 0; written != nullptr && j < count; ++j) {
      const c10::AliasInfo* const into = schema.arguments()[j].alias_info();
      if (into == nullptr || *into != *written) continue;
      if (const Tensor& place = given[j].toTensor(); place.sizes() != v.toTensor().sizes()) place.resize_(v.toTensor().sizes());
      v = given[j];
      break;
    }
  }
}
/// Gives shapes to all operations that have none of their own, which differ from one LibTorch to the next.
void learn_shapes() {
  static torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__, __LINE__);
  static bool done = false;
  if (std::exchange(done, true)) return;
  const std::set<std::string> chosen_by_device{"aten::convolution", "aten::convolution_backward"};
  c10::Dispatcher& all = c10::Dispatcher::singleton();
  for (const c10::OperatorName& name : all.getAllOpNames()) {
    if (name.name.rfind("aten::", 0) != 0) continue;
    const auto op = all.findSchema(name);
    if (!op) continue;
    const auto has = [&](c10::DispatchKey key) { return op->hasKernelForDispatchKey(key); };
    const bool shaped = has(c10::DispatchKey::Meta) || has(c10::DispatchKey::CompositeExplicitAutograd) ||
                        has(c10::DispatchKey::CompositeImplicitAutograd) || has(c10::DispatchKey::CompositeExplicitAutogradNonFunctional);
    if (chosen_by_device.count(name.name) == 0 && (shaped || !has(c10::DispatchKey::CPU))) continue;
    const std::string full = name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
    library.impl(full.c_str(), torch::CppFunction::makeFromBoxedFunction<&shapes_from_zeros>());
  }
}

TEST_P(RecordedWork, AGradientStepAsksTheHostNothing) {
  learn_shapes();
  const Network net = network(kNoValues, true);
  Adam adam(net.flat(), false);
  TrainingBatch b = batch().padded();
  b.each([](Tensor& t) { t = t.defined() ? t.to(kNoValues) : t; });
  const Strays strays(kNoValues);
  net.gradient().zero_();
  const Loss loss = objective(net, encoder_.layout(), options_, train_, b);
  loss.total.backward();
  const torch::NoGradGuard no_gradients;
  const Tensor fine = adam.step(net.gradient(), loss.total, b.rates);
  EXPECT_TRUE(fine.is_meta());
  EXPECT_EQ(Strays::found(), std::set<std::string>());
}

TEST_P(RecordedWork, APredictionAsksTheHostNothing) {
  learn_shapes();
  const torch::NoGradGuard no_gradients;
  const Network net = network(kNoValues, false);
  RowInputs in = inputs();
  in.each([](Tensor& t) { t = t.defined() ? t.to(kNoValues) : t; });
  const Strays strays(kNoValues);
  const DecodedOutputs decoded = infer(net, encoder_.layout(), in, true, true);
  EXPECT_TRUE(decoded.weights.is_meta());
  EXPECT_EQ(Strays::found(), std::set<std::string>());
}

TEST_P(RecordedWork, AFilledUpBatchHasTheSameLossAndGradient) {
  const Network net = network(torch::kCPU, true);
  const auto gradient = [&](const TrainingBatch& b) {
    net.gradient().zero_();
    const Loss loss = objective(net, encoder_.layout(), options_, train_, b);
    loss.total.backward();
    return std::tuple{loss.total.item<double>(), loss.nats.item<double>(), net.gradient().clone()};
  };
  const TrainingBatch plain = batch(), filled = plain.padded();
  EXPECT_GT(filled.known[0].rows.size(0), plain.known[0].rows.size(0));
  const auto [loss, nats, slope] = gradient(plain);
  const auto [filled_loss, filled_nats, filled_slope] = gradient(filled);
  EXPECT_NEAR(loss, filled_loss, 1e-5 * std::abs(loss));
  EXPECT_NEAR(nats, filled_nats, 1e-5 * std::abs(nats));
  EXPECT_LT((slope - filled_slope).norm().item<double>(), 1e-4 * slope.norm().item<double>());
}

TEST_P(RecordedWork, ADevicePredictorSaysWhatThePlainNetworkSays) {
  const torch::NoGradGuard no_gradients;
  const Network net = network(torch::kCPU, false);
  const DecodedOutputs plain = infer(net, encoder_.layout(), inputs(), true, true);
  DevicePredictor predictor(encoder_.layout(), options_, torch::kCPU);
  DecodedOutputs filled = predictor.infer(net.flat(), inputs(), true);
  const auto rows = static_cast<std::int64_t>(examples_.size());
  EXPECT_GT(filled.weights.size(0), rows);
  EXPECT_TRUE(torch::allclose(filled.weights.narrow(0, 0, rows), plain.weights, 1e-4, 1e-6));
  EXPECT_TRUE(torch::allclose(filled.state.narrow(0, 0, rows), plain.state, 1e-4, 1e-5));
  EXPECT_TRUE(torch::allclose(filled.shares.narrow(0, 0, rows), plain.shares, 1e-4, 1e-6));
  EXPECT_TRUE(torch::allclose(filled.unknown.location[0].narrow(0, 0, rows), plain.unknown.location[0], 1e-4, 1e-5));
  EXPECT_TRUE(torch::allclose(filled.known.classes.narrow(1, 0, rows), plain.known.classes, 1e-4, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(Models, RecordedWork,
                         ::testing::Values(Case{"stratified"}, Case{"four_passes", Fusion::mopoe, Objective::stratified, 4},
                                           Case{"independent_experts", Fusion::mopoe, Objective::mopoe, 2, false, false},
                                           Case{"product", Fusion::poe}, Case{"mixture", Fusion::moe, Objective::stratified, 2},
                                           Case{"attention", Fusion::attention}, Case{"mvtcae", Fusion::mopoe, Objective::mvtcae},
                                           Case{"missingness", Fusion::mopoe, Objective::stratified, 1, true}),
                         [](const auto& which) { return which.param.name; });

}  // namespace
}  // namespace lacuna::model
