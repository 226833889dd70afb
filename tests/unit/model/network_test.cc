#include "model/network.h"

#include <cmath>

#include <gtest/gtest.h>

#include "model/predictive/predictive.h"
#include "state/records/counter_random.h"
#include "tests/unit/model/synthetic.h"

// Protects the algebra of the model: the fused posterior, the KL term, the likelihoods and the gradient are
// compared with plain double-precision loops or closed forms, on random numbers.

namespace lacuna::model {
namespace {

using torch::Tensor;

Tensor random_tensor(CounterRandom& random, std::vector<std::int64_t> shape) {
  std::vector<float> values(static_cast<std::size_t>(c10::multiply_integers(shape)));
  random.normals(values);
  return torch::tensor(values).view(shape);
}

// The product of normal densities multiplies precisions; the reference adds them up one by one in double
// precision.
TEST(Fuse, EqualsAPlainLoopOverExpertsForEverySubset) {
  const std::int64_t rows = 3, modalities = 4, latent = 5, subsets = 16;
  CounterRandom random(11);
  const Tensor mean = random_tensor(random, {rows, modalities, latent});
  const Tensor log_precision = random_tensor(random, {rows, modalities, latent});
  const Tensor extra_mean = random_tensor(random, {rows, subsets, latent});
  const Tensor extra = random_tensor(random, {rows, subsets, latent});
  Tensor subset = torch::zeros({rows, subsets, modalities});
  for (std::int64_t s = 0; s < subsets; ++s) {
    for (std::int64_t m = 0; m < modalities; ++m) subset.select(1, s).select(1, m).fill_((s >> m) & 1);
  }
  for (bool with_extra : {false, true}) {
    const Posterior q = with_extra ? fuse(mean, log_precision, subset, extra_mean, extra) : fuse(mean, log_precision, subset);
    for (std::int64_t b = 0; b < rows; ++b) {
      for (std::int64_t s = 0; s < subsets; ++s) {
        for (std::int64_t d = 0; d < latent; ++d) {
          double total = 1, weighted = 0;  // the prior
          for (std::int64_t m = 0; m < modalities; ++m) {
            if (((s >> m) & 1) == 0) continue;
            const double precision = std::exp(log_precision[b][m][d].item<double>());
            total += precision;
            weighted += precision * mean[b][m][d].item<double>();
          }
          if (with_extra) {
            total += std::exp(extra[b][s][d].item<double>());
            weighted += std::exp(extra[b][s][d].item<double>()) * extra_mean[b][s][d].item<double>();
          }
          ASSERT_NEAR(q.mean[b][s][d].item<double>(), weighted / total, 1e-5);
          ASSERT_NEAR(q.log_variance[b][s][d].item<double>(), -std::log(total), 1e-5);
        }
      }
    }
  }
}

TEST(Fuse, EmptySubsetIsThePrior) {
  CounterRandom random(12);
  const Posterior q = fuse(random_tensor(random, {2, 3, 4}), random_tensor(random, {2, 3, 4}), torch::zeros({2, 1, 3}));
  EXPECT_EQ(q.mean.abs().max().item<float>(), 0.0F);
  EXPECT_EQ(q.log_variance.abs().max().item<float>(), 0.0F);
  EXPECT_EQ(kl_to_prior(q).abs().max().item<float>(), 0.0F);
}

// KL(N(m, v) || N(0, 1)) = (v + m^2 - 1 - ln v) / 2, and the same by integrating the density on a grid.
TEST(Kl, EqualsNumericalIntegration) {
  CounterRandom random(13);
  for (int i = 0; i < 20; ++i) {
    const Posterior q{random_tensor(random, {1, 1, 1}), random_tensor(random, {1, 1, 1})};
    const double mean = q.mean.item<double>(), sd = std::exp(0.5 * q.log_variance.item<double>());
    double integral = 0;
    const double step = sd * 0.001;
    for (double x = mean - 10 * sd; x < mean + 10 * sd; x += step) {
      const double log_q = -0.5 * std::pow((x - mean) / sd, 2) - std::log(sd);
      integral += std::exp(log_q) / std::sqrt(2 * M_PI) * (log_q + 0.5 * x * x) * step;
    }
    ASSERT_NEAR(kl_to_prior(q).item<double>(), integral, 1e-4) << "draw " << i;
  }
}

/// Every weight moved off its start, since many start at zero and would hide what they do.
Network random_network(const InputLayout& layout, const ModelOptions& options, bool trainable = false) {
  CounterRandom random(options.seed + 77);
  const Tensor weights = Network::initial(layout, options);
  return Network(layout, options, weights + 0.3 * random_tensor(random, {weights.numel()}), trainable);
}

void likelihoods_agree(const InputLayout& layout, const ModelOptions& options) {
  CounterRandom random(14);
  const Network net = random_network(layout, options);
  const Tensor context = random_tensor(random, {4, layout.context}), past = random_tensor(random, {4, layout.features, layout.past});
  const Outputs out = net.decode(net.expand(net.state(random_tensor(random, {4, 1, options.latent_dim}), context)), past);
  Tensor target = random_tensor(random, {4, layout.features});
  for (std::int64_t b = 0; b < 4; ++b) {
    for (std::int64_t f = 0; f < layout.features; ++f) {
      const Likelihood kind = layout.likelihoods[static_cast<std::size_t>(f)];
      if (kind == Likelihood::negative_binomial) target[b][f] = static_cast<float>(3 * b);
      if (kind == Likelihood::bernoulli) target[b][f] = static_cast<float>(b % 2);
      if (has_categories(kind)) target[b][f] = static_cast<float>(b % 3);
      if (kind == Likelihood::normal || kind == Likelihood::log_normal) {  // within 3 sd: beyond 4 it is no density of a normal
        const auto at = [&](const Tensor& t) { return t[b][0][f].item<float>(); };
        target[b][f] = at(out.location[0]) + std::clamp(target[b][f].item<float>(), -3.0F, 3.0F) * at(out.scale[0]);
      }
    }
  }
  const Tensor count_mean = torch::full({layout.features}, 7.5);
  const Tensor log_p = net.log_likelihood(out, target, count_mean);
  for (std::int64_t b = 0; b < 4; ++b) {
    for (std::int64_t f = 0; f < layout.features; ++f) {
      const auto at = [&](const Tensor& t) { return t[b][0][f].item<float>(); };
      Predictive p;
      p.likelihood = layout.likelihoods[static_cast<std::size_t>(f)];
      double value = target[b][f].item<double>();
      switch (p.likelihood) {
        case Likelihood::student_t:
          p.weights = {1};
          p.location = {at(out.location[0])};
          p.scale = {at(out.scale[0])};
          p.freedom = {at(out.freedom)};
          break;
        case Likelihood::normal:
        case Likelihood::log_normal: {
          const float first = 1 / (1 + std::exp(-at(out.first_logit)));
          p.likelihood = Likelihood::normal;  // log_normal differs by the value's own transform, which is done before
          p.weights = {first, 1 - first};
          p.location = {at(out.location[0]), at(out.location[1])};
          p.scale = {at(out.scale[0]), at(out.scale[1])};
          break;
        }
        case Likelihood::negative_binomial:
          p.weights = {1};
          p.location = {(7.5F + 0.5F) * std::exp(at(out.log_ratio))};
          p.scale = {at(out.dispersion)};
          break;
        case Likelihood::bernoulli: {
          const float one = 1 / (1 + std::exp(-at(out.logit)));
          p.class_probabilities = {1 - one, one};
          break;
        }
        case Likelihood::categorical:
        case Likelihood::ordinal: {
          const Tensor share = torch::softmax(out.class_logits.select(1, b).select(1, 0).select(1, f), 0);
          for (std::int64_t c = 0; c < layout.category_counts[static_cast<std::size_t>(f)]; ++c)
            p.class_probabilities.push_back(share[c].item<float>());
          break;
        }
      }
      ASSERT_NEAR(log_p[b][0][f].item<double>(), p.log_density(value), 2e-3) << "feature " << f << ", row " << b;
    }
  }
}

class NetworkTest : public ::testing::Test {
 protected:
  NetworkTest() : encoder_(testing::synthetic_schema()) {
    options_.latent_dim = 6;
    options_.hidden_dim = 16;
  }
  Network network(bool trainable = false) const { return random_network(encoder_.layout(), options_, trainable); }
  RowEncoder encoder_;
  ModelOptions options_;
};

// The likelihood that is trained on must be the density that is served: one sample's Predictive gives the
// same number.
TEST_F(NetworkTest, LikelihoodsAgreeWithThePredictiveDistributions) { likelihoods_agree(encoder_.layout(), options_); }

// However far out a value is, it pulls no harder than one at four standard deviations.
TEST_F(NetworkTest, NoValuePullsHard) {
  for (const float z : {0.0F, 1.0F, -3.0F, 3.9F, 5.0F, -200.0F, 1e6F}) {
    const Tensor at = torch::tensor({z}).requires_grad_(true);
    const Tensor cost = tail_cost(at);
    cost.sum().backward();
    EXPECT_NEAR(at.grad()[0].item<double>(), std::clamp<double>(z, -kTailFrom, kTailFrom), 1e-5) << z;
    if (std::abs(z) < kTailFrom) {
      EXPECT_NEAR(cost[0].item<double>(), 0.5 * z * z, 1e-5) << z;
    }
  }
}

// Those that the ward does not have, in every order: ordinal features of fewer classes than others too.
TEST_F(NetworkTest, HeavyTailedAndOrdinalLikelihoodsAgreeToo) {
  Modality modality;
  modality.name = "m";
  std::vector<Feature> features(4);
  for (std::size_t i = 0; i < features.size(); ++i) features[i].name = "f" + std::to_string(i);
  features[0].likelihood = Likelihood::ordinal;
  features[0].categories = {"none", "mild", "severe"};
  features[1].likelihood = Likelihood::student_t;
  features[2].likelihood = Likelihood::categorical;
  features[2].categories = {"a", "b", "c", "d", "e"};
  features[3].likelihood = Likelihood::ordinal;
  features[3].categories = {"1", "2", "3", "4"};
  likelihoods_agree(InputLayout(Schema::make({{modality, features}}, {}).value()), options_);
}

// gradient() is filled by the backward pass in place; a central difference on single weights must agree with
// it.
TEST_F(NetworkTest, FlatGradientIsTheDerivative) {
  const InputLayout& layout = encoder_.layout();
  CounterRandom random(15);
  const Network net = network(true);
  const Tensor past = random_tensor(random, {5, layout.features, layout.past}), context = random_tensor(random, {5, layout.context});
  const Tensor noise = random_tensor(random, {5, 1, 6});
  Tensor target = torch::ones({5, layout.features});
  const auto loss = [&](const Network& n) {
    const Posterior q = n.encode(past, context, torch::ones({5, 1, layout.modalities}));
    const Tensor hidden = n.expand(n.state(q.mean + (0.5 * q.log_variance).exp() * noise, context));
    const Tensor mean = torch::ones({layout.features});
    return kl_to_prior(q).mean() - n.log_likelihood(n.decode(hidden, past), target, mean).mean() -
           n.log_likelihood(n.decode(hidden, {}), target, mean).mean();
  };
  loss(net).backward();
  const torch::NoGradGuard no_gradients;
  const double largest = net.gradient().abs().max().item<double>();
  ASSERT_GT(largest, 1e-3);
  for (int i = 0; i < 40; ++i) {
    const auto at = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(net.flat().numel())));
    const float before = net.flat()[at].item<float>();
    const float step = 1e-2F;
    net.flat()[at] = before + step;
    const double up = loss(net).item<double>();
    net.flat()[at] = before - step;
    const double down = loss(net).item<double>();
    net.flat()[at] = before;
    const double expected = (up - down) / (2 * step);
    ASSERT_NEAR(net.gradient()[at].item<double>(), expected, 0.02 * largest + 0.02 * std::abs(expected)) << "weight " << at;
  }
}

// Probability of being measured, with the value integrated out where it is missing, against a sum over a grid of values.
TEST_F(NetworkTest, MeasuredLikelihoodIntegratesTheValueOut) {
  options_.mnar = true;
  const InputLayout& layout = encoder_.layout();
  CounterRandom random(18);
  const Network net = network();
  const Tensor context = random_tensor(random, {3, layout.context});
  const Outputs out = net.decode(net.expand(net.state(random_tensor(random, {3, 1, 6}), context)), {});
  Tensor observed = torch::zeros({3, 1, layout.features});
  observed[0].fill_(1);
  const Tensor value = random_tensor(random, {3, 1, layout.features});
  const Tensor log_p = net.measured_log_likelihood(out, observed, value);
  for (std::int64_t b = 0; b < 3; ++b) {
    for (const FeatureId f : {testing::kHr, testing::kCrea, testing::kTube}) {
      const double base = net.measured_base()[f].item<double>(), slope = net.measured_slope()[f].item<double>();
      double expected = 0;
      if (b == 0) {
        expected = normal_cdf(base + slope * value[b][0][f].item<double>());
      } else {
        const double m = out.location[0][b][0][f].item<double>(), s = out.scale[0][b][0][f].item<double>();
        for (double z = -8; z < 8; z += 0.001) {
          expected += normal_cdf(-(base + slope * (m + s * z))) * std::exp(-0.5 * z * z) / std::sqrt(2 * M_PI) * 0.001;
        }
      }
      EXPECT_NEAR(log_p[b][0][f].item<double>(), std::log(expected), 1e-3) << "row " << b << ", feature " << f;
      EXPECT_EQ(f == testing::kTube, slope == 0) << "only continuous values act";
    }
  }
}

// Attention over a subset is attention over those modalities alone: what is outside has no say and no share, and with none left the
// prior remains.
TEST_F(NetworkTest, AttentionSeesItsSubsetAlone) {
  options_.fusion = Fusion::attention;
  const InputLayout& layout = encoder_.layout();
  CounterRandom random(19);
  const Network net = network();
  const Tensor past = random_tensor(random, {2, layout.features, layout.past}), context = random_tensor(random, {2, layout.context});
  Tensor subset = torch::ones({2, 2, layout.modalities});
  subset.select(1, 0).select(1, testing::kLab).fill_(0);
  subset.select(1, 1).fill_(0);
  Tensor other = past.clone();
  for (FeatureId f : {testing::kCrea, testing::kLactate, testing::kCells}) other.select(1, f).fill_(9.0);
  const auto a = net.fuse_codes(net.codes(past, context), context, subset, true),
             b = net.fuse_codes(net.codes(other, context), context, subset);
  EXPECT_TRUE(torch::allclose(a.posterior.mean, b.posterior.mean));
  EXPECT_EQ(a.shares.select(1, 0).select(1, testing::kLab).abs().max().item<float>(), 0.0F);
  EXPECT_NEAR(a.shares.select(1, 0).sum(-1).min().item<double>(), 1.0, 1e-5);
  EXPECT_EQ(a.posterior.mean.select(1, 1).abs().max().item<float>(), 0.0F);
  EXPECT_EQ(a.posterior.log_variance.select(1, 1).abs().max().item<float>(), 0.0F);
  subset.fill_(1);
  EXPECT_FALSE(torch::allclose(net.encode(past, context, subset).mean, net.encode(other, context, subset).mean));
}

// KL(q || p) of two normals by integrating on a grid.
TEST(Kl, BetweenTwoPosteriorsEqualsNumericalIntegration) {
  CounterRandom random(20);
  for (int i = 0; i < 10; ++i) {
    const Posterior q{random_tensor(random, {1, 1, 1}), random_tensor(random, {1, 1, 1})},
        p{random_tensor(random, {1, 1, 1}), random_tensor(random, {1, 1, 1})};
    const auto log_density = [](const Posterior& d, double x) {
      const double sd = std::exp(0.5 * d.log_variance.item<double>());
      return -0.5 * std::pow((x - d.mean.item<double>()) / sd, 2) - std::log(sd) - 0.5 * std::log(2 * M_PI);
    };
    const double mean = q.mean.item<double>(), sd = std::exp(0.5 * q.log_variance.item<double>()), step = sd * 0.002;
    double integral = 0;
    for (double x = mean - 9 * sd; x < mean + 9 * sd; x += step) {
      integral += std::exp(log_density(q, x)) * (log_density(q, x) - log_density(p, x)) * step;
    }
    EXPECT_NEAR(kl_between(q, p).item<double>(), integral, 1e-3 * (1 + integral));
  }
}

// A feature of one modality must reach the other modalities' experts only through the joint expert; without
// that expert, and outside the subset, it must reach nothing.
TEST_F(NetworkTest, ModalityOutsideTheSubsetHasNoSay) {
  for (bool joint : {false, true}) {
    options_.joint_expert = joint;
    const InputLayout& layout = encoder_.layout();
    CounterRandom random(16);
    const Network net = network();
    const Tensor past = random_tensor(random, {2, layout.features, layout.past}), context = random_tensor(random, {2, layout.context});
    Tensor subset = torch::ones({2, 1, layout.modalities});
    subset.select(2, testing::kLab).fill_(0);
    Tensor other = past.clone();
    for (FeatureId f : {testing::kCrea, testing::kLactate, testing::kCells}) other.select(1, f).fill_(9.0);
    const Posterior a = net.encode(past, context, subset), b = net.encode(other, context, subset);
    EXPECT_TRUE(torch::equal(a.mean, b.mean)) << "joint " << joint;
    EXPECT_TRUE(torch::equal(a.log_variance, b.log_variance)) << "joint " << joint;
    subset.fill_(1);
    EXPECT_FALSE(torch::equal(net.encode(past, context, subset).mean, net.encode(other, context, subset).mean));
  }
}

}  // namespace
}  // namespace lacuna::model
