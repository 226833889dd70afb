// Protects what the encoder reads of a training example's payloads: standardised values; without the share that was drawn, of what was
// there only, never all of it, and nothing of what is to be explained.

#include <cmath>

#include <gtest/gtest.h>

#include "model/payload_statistics.h"
#include "model/training_batch.h"
#include "state/records/counter_random.h"

namespace lacuna::model {
namespace {

constexpr std::int64_t kPixels = 48, kTokens = 20;

TrainingBatch batch(double least, double most, std::size_t words) {
  std::vector<Schema::ModalitySpec> specs(2);
  specs[0].modality.name = "film", specs[0].modality.kind = ModalityKind::image;
  specs[0].modality.payload.height = 6, specs[0].modality.payload.width = 8;
  specs[1].modality.name = "note", specs[1].modality.kind = ModalityKind::text;
  specs[1].modality.payload.length = kTokens, specs[1].modality.payload.vocabulary = {"heart"};
  const Schema schema = *Schema::make(std::move(specs), {});
  const RowEncoder encoder(schema, false);
  Standardiser standardiser(schema);
  std::string text;
  for (std::size_t i = 0; i < words; ++i) text += "heart ";
  Example example;
  example.before.modalities.resize(2);
  Payload film{std::vector<float>(kPixels, 1.0F), std::vector<std::uint8_t>(kPixels, 1), ""};
  film.observed[3] = 0;
  film.values[3] = 0;
  example.before.modalities[0] = {{}, 1, PayloadRef(film)};
  example.before.modalities[1] = {{}, 1, PayloadRef(Payload{{}, {}, text})};
  example.arrived_payloads = {{0, PayloadRef(film)}};
  TrainOptions train;
  train.hide_values_min = least;
  train.hide_values_max = most;
  return make_training_batch(encoder, standardiser, {}, train, std::vector<const Example*>(400, &example), 5, 6);
}

TEST(HiddenParts, AShareOfWhatWasThere) {
  const TrainingBatch b = batch(0.2, 0.6, 12);
  const torch::Tensor before = b.known[0].rows.narrow(1, kPixels, kPixels), after = b.shown[0].rows.narrow(1, kPixels, kPixels);
  EXPECT_TRUE((after <= before).all().item<bool>()) << "nothing appears";
  EXPECT_EQ(before.sum().item<double>(), 400.0 * (kPixels - 1)) << "what is to be explained stays whole";
  EXPECT_TRUE(torch::equal(b.shown[0].rows.narrow(1, 0, kPixels), b.known[0].rows.narrow(1, 0, kPixels) * after));
  EXPECT_TRUE(torch::equal(b.shown[1].rows * (b.shown[1].rows != 0), b.known[1].rows * (b.shown[1].rows != 0)));
  // The share that is left is the one the objective is told; a quarter of the examples is whole.
  for (const auto& [was, is] : {std::pair{before, after}, std::pair{b.known[1].rows != 0, b.shown[1].rows != 0}}) {
    const torch::Tensor left = is.sum(1).to(torch::kFloat) / was.sum(1).to(torch::kFloat);
    EXPECT_NEAR((left - b.shown_share).mean().item<double>(), 0, 0.02);
    EXPECT_TRUE((left == 1).logical_or(b.shown_share < 1).all().item<bool>());
  }
  EXPECT_NEAR((b.shown_share == 1).to(torch::kFloat).mean().item<double>(), 0.25, 0.08);
  EXPECT_GE(b.shown_share.min().item<double>(), 0.4 - 1e-6);
}

TEST(HiddenParts, NeverAllOfIt) {
  const TrainingBatch b = batch(0.95, 0.95, 1);
  EXPECT_TRUE(((b.shown[1].rows != 0).sum(1) >= 1).all().item<bool>());
  EXPECT_TRUE((b.shown[0].rows.narrow(1, kPixels, kPixels).sum(1) >= 1).all().item<bool>());
}

TEST(HiddenParts, NothingWhenNothingIsAskedFor) {
  const TrainingBatch b = batch(0, 0, 12);
  for (std::size_t slot = 0; slot < 2; ++slot) EXPECT_TRUE(torch::equal(b.shown[slot].rows, b.known[slot].rows));
}

TEST(PayloadRows, ValuesAreStandardisedWhereTheyLie) {
  PayloadSpec spec;
  spec.channels = 2;
  spec.length = 5;
  PayloadStatistics statistics(ModalityKind::signal, spec);
  CounterRandom random(8);
  std::vector<Payload> payloads(20);
  for (Payload& p : payloads) {
    std::vector<float> noise(10);
    random.normals(noise);
    for (std::size_t v = 0; v < 10; ++v) {
      p.observed.push_back(random.unit() < 0.8 ? 1 : 0);
      p.values.push_back(p.observed[v] == 0 ? 0 : v < 5 ? 1000 + 20 * noise[v] : noise[v] / 100);
    }
    statistics.observe(p);
  }
  payloads[0].values = {1e6F, -1e6F, 1000, 1000, 1000, 0, 0, 0, 0, 0};
  payloads[0].observed.clear();
  std::vector<PayloadOf> of;
  for (std::size_t i = 0; i < payloads.size(); ++i) of.push_back({static_cast<std::int64_t>(i), &payloads[i], 1.0});
  const torch::Tensor rows = make_payload_rows(statistics, of).standardised();
  double moments[2][3] = {};
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    for (std::int64_t v = 0; v < 10; ++v) {
      const Payload& p = payloads[static_cast<std::size_t>(i)];
      const auto at = static_cast<std::size_t>(v);
      const bool observed = p.observed.empty() || p.observed[at] != 0;
      const float z = rows[i][v].item<float>();
      EXPECT_EQ(rows[i][v + 10].item<float>(), observed ? 1 : 0);
      if (!observed) {
        EXPECT_EQ(z, 0);
      } else if (std::abs(z) < PayloadRows::kValueClamp) {
        EXPECT_NEAR(statistics.value(at, z), p.values[at], 1e-4 * std::abs(p.values[at]) + 1e-6);
      }
      if (!observed || i == 0) continue;
      double* const m = moments[v / 5];
      m[0] += 1, m[1] += z, m[2] += z * z;
    }
  }
  EXPECT_EQ(rows[0][0].item<float>(), PayloadRows::kValueClamp);
  EXPECT_EQ(rows[0][1].item<float>(), -PayloadRows::kValueClamp);
  for (const double* m : {moments[0], moments[1]}) {
    EXPECT_NEAR(m[1] / m[0], 0, 0.1);
    EXPECT_NEAR(m[2] / m[0], 1, 0.15);
  }
}

}  // namespace
}  // namespace lacuna::model
