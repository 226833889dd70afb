// Protects each kind of payload behind its one interface: the density that is trained on is a density, its quantiles, means and
// samples are its own, its gradient is its derivative, and what was not observed has no say.

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "model/kinds/kind.h"
#include "model/payload_statistics.h"
#include "state/records/counter_random.h"

namespace lacuna::model {
namespace {

using torch::Tensor;

constexpr std::int64_t kCode = 8, kState = 12;

struct Case {
  const char* name;
  ModalityKind kind;
  PayloadSpec spec;
};

std::string name_of(const ::testing::TestParamInfo<Case>& which) { return which.param.name; }

/// Those whose name is not one of `without`.
std::vector<Case> cases(std::set<std::string> without = {}) {
  PayloadSpec grey, colour, one, leads, vector, bag, sequence;
  grey.height = 9, grey.width = 14;  // sides that do not halve evenly
  colour.channels = 3, colour.height = 4, colour.width = 5;
  one.height = one.width = 1;
  leads.channels = 2, leads.length = 37;
  vector.length = 6;
  bag.length = 5, bag.vocabulary = {"no", "acute", "disease", "heart"};
  sequence = bag, sequence.text_model = TextModel::sequence;
  std::vector<Case> all{
      {"grey", ModalityKind::image, grey},       {"colour", ModalityKind::image, colour},        {"one_pixel", ModalityKind::image, one},
      {"signal", ModalityKind::signal, leads},   {"embedding", ModalityKind::embedding, vector}, {"bag", ModalityKind::text, bag},
      {"sequence", ModalityKind::text, sequence}};
  std::erase_if(all, [&](const Case& c) { return without.contains(c.name); });
  return all;
}

Tensor random_tensor(CounterRandom& random, std::vector<std::int64_t> shape) {
  std::vector<float> values(static_cast<std::size_t>(c10::multiply_integers(shape)));
  random.normals(values);
  return torch::tensor(values).view(shape);
}

class Kinds : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override { make(false); }
  void make(bool trainable) {
    kind_ = make_kind(GetParam().kind, GetParam().spec, kCode, kState);
    CounterRandom random(7);
    weights_.clear();
    kind_->visit([&](Tensor& weight, const std::vector<std::int64_t>& shape, double spread, double centre) {
      weight = (centre + (spread + 0.1) * random_tensor(random, shape)).requires_grad_(trainable);
      weights_.push_back(&weight);
    });
  }
  bool text() const { return GetParam().kind == ModalityKind::text; }
  std::int64_t values() const { return static_cast<std::int64_t>(GetParam().spec.value_count(GetParam().kind)); }
  /// Rows as PayloadStatistics makes them.
  Tensor rows(std::int64_t n, std::uint64_t seed) const {
    CounterRandom random(seed);
    PayloadStatistics statistics(GetParam().kind, GetParam().spec);
    Tensor out = torch::empty({n, static_cast<std::int64_t>(statistics.row_width())});
    const char* const texts[] = {"no acute disease", "heart", "no heart disease no acute", "acute xyz"};
    for (std::int64_t i = 0; i < n; ++i) {
      Payload payload;
      if (text()) {
        payload.text = texts[random.below(4)];
      } else {
        payload.values.resize(static_cast<std::size_t>(values()));
        random.normals(payload.values);
      }
      statistics.row(payload, {out.data_ptr<float>() + i * out.size(1), static_cast<std::size_t>(out.size(1))});
    }
    return out;
  }
  Tensor decoded(std::int64_t n, std::int64_t samples, std::uint64_t seed) const {
    CounterRandom random(seed);
    return kind_->decode(random_tensor(random, {n, samples, kState}));
  }
  std::unique_ptr<PayloadKind> kind_;
  std::vector<Tensor*> weights_;
};

class ArrayKinds : public Kinds {};
class SequenceKind : public Kinds {};
class BagKind : public Kinds {};

TEST_P(Kinds, ShapesAreAsPromised) {
  const Tensor r = rows(3, 1), d = decoded(3, 2, 2), w = torch::full({3, 2}, 0.5);
  EXPECT_EQ(kind_->encode(r).sizes(), (torch::IntArrayRef{3, kCode}));
  EXPECT_EQ(kind_->log_likelihood(d, r).sizes(), (torch::IntArrayRef{3, 2}));
  EXPECT_TRUE(torch::isfinite(kind_->log_likelihood(d, r)).all().item<bool>());
  const std::int64_t said = text() ? Vocabulary(GetParam().spec).size() : values();
  EXPECT_EQ(kind_->mean(d, w).sizes(), (torch::IntArrayRef{3, said}));
  EXPECT_EQ(kind_->sample(d.narrow(1, 0, 1), {1, 2, 3}).size(0), 3);
  if (text()) return;
  EXPECT_EQ(kind_->sd(d, w).sizes(), (torch::IntArrayRef{3, values()}));
  EXPECT_EQ(kind_->quantile(d, w, 0.3).sizes(), (torch::IntArrayRef{3, values()}));
}

// What a payload counts for in the objective: its observed values, or its words.
TEST_P(Kinds, SizeCountsWhatIsThere) {
  PayloadStatistics statistics(GetParam().kind, GetParam().spec);
  Payload payload;
  double expected = 0;
  if (text()) {
    payload.text = "no acute disease";
    expected = GetParam().spec.text_model == TextModel::sequence ? 4 : 3;  // a sequence says its end
  } else {
    payload.values.assign(static_cast<std::size_t>(values()), 1.0F);
    payload.observed.assign(static_cast<std::size_t>(values()), 1);
    payload.observed[0] = 0;
    expected = static_cast<double>(values() - 1);
  }
  Tensor row = torch::empty({1, static_cast<std::int64_t>(statistics.row_width())});
  statistics.row(payload, {row.data_ptr<float>(), static_cast<std::size_t>(row.numel())});
  EXPECT_EQ(kind_->size(row).sizes(), (torch::IntArrayRef{1}));
  EXPECT_EQ(kind_->size(row).item<double>(), expected);
}

// Central differences on weights of every tensor.
TEST_P(Kinds, GradientIsTheDerivative) {
  make(true);
  const Tensor r = rows(3, 3);
  CounterRandom random(4);
  const Tensor state = random_tensor(random, {3, 1, kState}), mix = random_tensor(random, {3, kCode});
  const auto loss = [&] { return (kind_->encode(r) * mix).sum() + kind_->log_likelihood(kind_->decode(state), r).sum(); };
  loss().backward();
  const torch::NoGradGuard no_gradients;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    Tensor flat = weights_[i]->view({-1});
    ASSERT_TRUE(weights_[i]->grad().defined()) << "weight " << i << " is used by nothing";
    const Tensor gradient = weights_[i]->grad().view({-1});
    for (int n = 0; n < 3; ++n) {
      const auto at = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(flat.numel())));
      const float before = flat[at].item<float>(), step = 4e-3F;
      flat[at] = before + step;
      const double up = loss().item<double>();
      flat[at] = before - step;
      const double down = loss().item<double>();
      flat[at] = before;
      const double expected = (up - down) / (2 * step);
      EXPECT_NEAR(gradient[at].item<double>(), expected, 0.03 * gradient.abs().max().item<double>() + 0.03 * std::abs(expected) + 3e-3)
          << "weight " << i << " at " << at;
    }
  }
}

// Where a value was not observed, what stands in its place changes nothing.
TEST_P(ArrayKinds, UnobservedValuesHaveNoSay) {
  Tensor a = rows(2, 5);
  a.narrow(1, values(), values() / 2).fill_(0);
  Tensor b = a.clone();
  b.narrow(1, 0, values() / 2).fill_(3.0);
  const Tensor d = decoded(2, 3, 6);
  EXPECT_TRUE(torch::allclose(kind_->log_likelihood(d, a), kind_->log_likelihood(d, b)));
}

// Mean, spread and quantiles of a mixture against 20,000 samples of it; bounds are five standard errors and a little.
TEST_P(ArrayKinds, SummariesAreThoseOfTheSamples) {
  constexpr std::int64_t kDraws = 20'000;
  const Tensor d = decoded(1, 2, 8), w = torch::tensor({0.3F, 0.7F}).view({1, 2});
  std::vector<std::int64_t> which;
  std::vector<std::uint64_t> seeds;
  CounterRandom random(9);
  for (std::int64_t i = 0; i < kDraws; ++i) {
    which.push_back(random.unit() < 0.3 ? 0 : 1);
    seeds.push_back(random.bits());
  }
  const Tensor draws = kind_->sample(d[0].index_select(0, torch::tensor(which)).unsqueeze(1), seeds);
  const Tensor sd = kind_->sd(d, w)[0];
  EXPECT_LT(((draws.mean(0) - kind_->mean(d, w)[0]) / sd).abs().max().item<double>(), 0.05);
  EXPECT_LT((draws.std(0) / sd - 1).abs().max().item<double>(), 0.08);
  for (const double p : {0.05, 0.5, 0.9}) {
    const Tensor share = (draws < kind_->quantile(d, w, p)).to(torch::kFloat).mean(0);
    EXPECT_LT((share - p).abs().max().item<double>(), 0.02) << "at " << p;
  }
}

// All possible texts together have probability 1: every sequence of up to three of seven tokens, ended or cut off.
TEST_P(SequenceKind, ProbabilitiesOfAllTextsAddUpToOne) {
  constexpr std::size_t kLength = 3;
  CounterRandom random(10);
  const Tensor decoded = kind_->decode(random_tensor(random, {1, 1, kState}));
  double total = 0;
  std::vector<std::vector<float>> open{{}};
  for (std::size_t t = 0; t < kLength; ++t) {
    std::vector<std::vector<float>> next;
    for (const auto& start : open) {
      for (std::uint32_t word = Vocabulary::kUnknown; word < Vocabulary(GetParam().spec).size(); ++word) {
        std::vector<float> row = start;
        row.push_back(static_cast<float>(word));
        if (word != Vocabulary::kEnd && t + 1 < kLength) {
          next.push_back(row);
          continue;
        }
        const auto said = static_cast<double>(row.size());
        row.resize(kLength, 0.0F);
        total += std::exp(kind_->log_likelihood(decoded, torch::tensor(row).unsqueeze(0)).item<double>() * said);
      }
    }
    open = std::move(next);
  }
  EXPECT_NEAR(total, 1.0, 1e-4);
}

TEST_P(BagKind, TextsAreDrawnAsOftenAsExpected) {
  constexpr std::int64_t kDraws = 4000;
  CounterRandom random(11);
  Tensor d = kind_->decode(random_tensor(random, {1, 1, kState}));
  d.narrow(-1, d.size(-1) - 1, 1).fill_(std::log(1.5));  // short enough that few are cut off
  std::vector<std::uint64_t> seeds;
  for (std::int64_t i = 0; i < kDraws; ++i) seeds.push_back(random.bits());
  const Tensor texts = kind_->sample(d.expand({kDraws, -1, -1}).contiguous(), seeds).to(torch::kLong);
  const Tensor expected = kind_->mean(d, torch::ones({1, 1}))[0];
  for (std::int64_t w = Vocabulary::kFirstWord; w < expected.size(0); ++w) {
    const double drawn = (texts == w).sum().item<double>() / kDraws;
    EXPECT_NEAR(drawn, expected[w].item<double>(), 0.06) << "word " << w;
  }
}

TEST_P(Kinds, SampleDependsOnItsSeedAlone) {
  const Tensor d = decoded(3, 1, 12);
  const Tensor together = kind_->sample(d, {5, 6, 7}), alone = kind_->sample(d.narrow(0, 1, 1), {6});
  EXPECT_TRUE(torch::allclose(together.narrow(0, 1, 1), alone));
  if (!text()) {
    EXPECT_FALSE(torch::allclose(alone, kind_->sample(d.narrow(0, 1, 1), {8})));
  }
}

INSTANTIATE_TEST_SUITE_P(All, Kinds, ::testing::ValuesIn(cases()), name_of);
INSTANTIATE_TEST_SUITE_P(All, ArrayKinds, ::testing::ValuesIn(cases({"bag", "sequence", "one_pixel"})), name_of);
INSTANTIATE_TEST_SUITE_P(All, SequenceKind, ::testing::Values(cases().back()), name_of);
INSTANTIATE_TEST_SUITE_P(All, BagKind, ::testing::Values(cases()[5]), name_of);

}  // namespace
}  // namespace lacuna::model
