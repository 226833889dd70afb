// Protects the likelihood of limits: the logarithms of tails are those of the distributions, by the served ones in double precision, and no
// limit, however far out, has a gradient that is not finite or pulls harder than a value may.

#include "model/censored.h"

#include <cmath>

#include <gtest/gtest.h>

#include "model/kinds/kind.h"
#include "model/predictive/negative_binomial.h"
#include "model/predictive/predictive.h"
#include "model/predictive/student_t.h"

namespace lacuna::model {
namespace {

using torch::Tensor;

Tensor leaf(double value) { return torch::tensor({static_cast<float>(value)}).requires_grad_(true); }

TEST(CensoredTails, OfANormal) {
  for (const double z : {-3.9, -2.0, -0.5, 0.0, 1.0, 4.0, 9.0}) {
    const Tensor at = leaf(z), p = normal_log_tail(at);
    p.sum().backward();
    EXPECT_NEAR(p.item<double>(), std::log(normal_cdf(z)), 2e-5) << z;
    EXPECT_GE(at.grad().item<double>(), 0) << z;
  }
  const double steepest = std::exp(-8.0) / std::sqrt(2 * M_PI) / normal_cdf(-kTailFrom);
  for (const double z : {-5.0, -40.0, -1e6}) {
    const Tensor at = leaf(z), p = normal_log_tail(at);
    p.sum().backward();
    EXPECT_NEAR(at.grad().item<double>(), steepest, 1e-3) << z;
    EXPECT_NEAR(p.item<double>(), std::log(normal_cdf(-kTailFrom)) + steepest * (z + kTailFrom), 1e-4 * std::abs(z)) << z;
  }
}

TEST(CensoredTails, OfAStudentT) {
  for (const double freedom : {2.5, 4.0, 30.0}) {
    for (const double t : {-8.0, -3.0, -1.0, -0.1, 0.0, 0.1, 1.0, 6.0}) {
      const Tensor at = leaf(t), nu = leaf(freedom), p = student_t_log_tail(at, nu);
      p.sum().backward();
      const double exact = student_t::distribution(freedom, t);
      if (exact > 1e-4) {
        EXPECT_NEAR(p.item<double>(), std::log(exact), 0.045) << freedom << " " << t;
      }
      for (const Tensor& of : {at, nu}) EXPECT_TRUE(std::isfinite(of.grad().item<double>())) << freedom << " " << t;
    }
  }
  for (const double t : {-1e6, 1e6}) {
    const Tensor at = leaf(t), nu = leaf(3), p = student_t_log_tail(at, nu);
    p.sum().backward();
    EXPECT_TRUE(std::isfinite(p.item<double>())) << t;
    EXPECT_LT(std::abs(at.grad().item<double>()), 5) << t;
  }
}

TEST(CensoredTails, OfCounts) {
  for (const double dispersion : {0.1, 1.0, 8.0}) {
    for (const double mean : {0.3, 4.0, 40.0}) {
      for (const double limit : {0.0, 1.0, 5.0, 30.0, 63.0, 200.0}) {
        for (const bool above : {false, true}) {
          const Tensor m = leaf(mean), r = leaf(dispersion), side = torch::tensor({above ? 1.0F : -1.0F});
          const Tensor p = count_log_tail(m, r, torch::tensor({static_cast<float>(limit)}), side);
          p.sum().backward();
          const double below = negative_binomial::distribution(mean, dispersion, above ? limit - 1 : limit);
          const double exact = above ? (limit == 0 ? 1 : 1 - below) : below;
          // Beyond 64 counts the sum goes in steps.
          const double within = limit > 63 ? 0.05 : 2e-3;
          if (exact > 1e-6) {
            EXPECT_NEAR(p.item<double>(), std::log(exact), within) << dispersion << " " << mean << " " << limit << above;
          }
          EXPECT_LE(p.item<double>(), 1e-5);
          for (const Tensor& of : {m, r}) EXPECT_TRUE(std::isfinite(of.grad().item<double>())) << dispersion << " " << mean << " " << limit;
        }
      }
    }
  }
}

}  // namespace
}  // namespace lacuna::model
