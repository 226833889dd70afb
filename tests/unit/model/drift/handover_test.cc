#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "model/drift/monitor.h"
#include "state/records/hash.h"

// Protects against alarms that a rebalance makes: two monitors share the partitions of one ward without any fault, and what the
// store knows of a patient goes with the partition, as in the daemon. Restarts and rebalances give the partitions to the other one for
// a while. No alert may come that does not come without them. Seeds are printed.

namespace lacuna::drift {
namespace {

using std::chrono::hours;

constexpr std::size_t kPartitions = 4;
constexpr int kHours = 24 * 8;
const Time kStart = *parse_rfc3339("2026-01-01T00:00:00Z");

Schema ward() {
  std::vector<Schema::ModalitySpec> specs;
  for (const char* name : {"vitals", "blood_gas", "chemistry"}) {
    Schema::ModalitySpec spec;
    spec.modality.name = name;
    for (const char* f : {"a", "b"}) {
      Feature feature;
      feature.name = f;
      spec.features.push_back(feature);
    }
    specs.push_back(spec);
  }
  Attribute unit;
  unit.name = "unit";
  unit.categories = {"medical", "surgical"};
  return Schema::make(specs, {unit}).value();
}

struct Sent {
  std::string patient;
  ModalityId modality = 0;
  Time time{};
  std::vector<FeatureValue> values;
  std::vector<AttributeValue> attributes;
};

/// A ward in which the first hours of a stay are unlike the later ones: more is measured, and the values are worse.
std::vector<Sent> stream(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  std::normal_distribution<double> normal;
  struct Bed {
    std::string patient;
    int came = 0, leaves = 0;
    double level = 0;
  };
  constexpr std::array kLater = {0.95, 0.15, 0.04}, kEarly = {0.98, 0.6, 0.35};
  std::vector<Bed> beds(80);
  std::vector<Sent> out;
  int patients = 0;
  for (int hour = 0; hour < kHours; ++hour) {
    for (Bed& bed : beds) {
      const bool comes = hour >= bed.leaves;
      if (comes) bed = {"p" + std::to_string(patients++), hour, hour + 24 + static_cast<int>(120 * uniform(random)), normal(random)};
      const bool early = hour < bed.came + 6;
      for (std::size_t m = 0; m < kLater.size(); ++m) {
        if (!comes && uniform(random) >= (early ? kEarly : kLater)[m]) continue;
        Sent s{
            bed.patient, static_cast<ModalityId>(m), kStart + Millis(static_cast<std::int64_t>((hour + uniform(random)) * 3.6e6)), {}, {}};
        for (std::size_t f = 0; f < 2; ++f) {
          if (f == 1 && uniform(random) < (early ? 0.1 : 0.5)) continue;
          const double value = 0.8 * bed.level + 0.6 * normal(random) + (early ? 1.5 : 0);
          s.values.push_back({static_cast<FeatureId>(2 * m + f), value});
        }
        if (comes && m == 0) s.attributes.push_back({0, uniform(random) < 0.7 ? 0.0f : 1.0f});
        out.push_back(std::move(s));
      }
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const Sent& a, const Sent& b) { return a.time < b.time; });
  return out;
}

/// Who holds each partition in each hour: the second instance the odd ones, but for restarts, of either, and rebalances.
class Owners {
 public:
  Owners(std::uint64_t seed, bool disturbed) {
    std::mt19937_64 random(seed ^ 0x5eed);
    for (int h = 0; h < kHours; ++h) {
      for (std::size_t p = 0; p < kPartitions; ++p) held_[static_cast<std::size_t>(h)][p] = p % 2;
    }
    if (!disturbed) return;
    for (int restart = 0; restart < 6; ++restart) {
      const int from = 30 + static_cast<int>(random() % (kHours - 60)), count = 1 + static_cast<int>(random() % 20);
      const std::size_t gone = random() % 3;  // of both one partition, or all of one
      for (int h = from; h < from + count; ++h) {
        for (std::size_t p = 0; p < kPartitions; ++p) {
          std::size_t& holder = held_[static_cast<std::size_t>(h)][p];
          if (gone == 2 ? p < 2 : p % 2 == gone) holder = 1 - p % 2;
        }
      }
    }
  }
  std::size_t of(std::size_t partition, Time time) const { return held_[static_cast<std::size_t>(hours_between(kStart, time))][partition]; }

 private:
  std::array<std::array<std::size_t, kPartitions>, kHours> held_{};
};

std::set<std::string> alerts(std::uint64_t seed, bool disturbed, bool with_state = true) {
  const Schema schema = ward();
  const Owners owners(seed, disturbed);
  std::array<Monitor, 2> monitors{Monitor(schema, {}), Monitor(schema, {})};
  std::map<std::string, Snapshot> store;
  std::map<std::string, double> level;
  std::mt19937_64 random(seed);
  std::set<std::string> out;
  for (const Sent& s : stream(seed)) {
    const std::size_t holder = owners.of(hash64(s.patient) % kPartitions, s.time);
    Monitor& monitor = monitors[holder];
    auto [found, fresh] = store.try_emplace(s.patient);
    Snapshot& known = found->second;
    if (fresh) known.features.resize(schema.feature_count()), known.modalities.resize(schema.modality_count());
    monitor.observe(Arrival{s.patient, "", s.modality, s.time, s.values, s.attributes, with_state ? &known : nullptr});
    for (const FeatureValue& v : s.values) {
      // Of a patient of whom little is known yet predictions are worse.
      const double sd = known.event_count < 6 ? 2 : 1;
      const double z = std::normal_distribution<double>(0, sd)(random);
      if (known.event_count > 0) {
        monitor.observe(Scored{s.patient, v.feature, s.time, z, std::abs(z) > 1.645, std::abs(z), {}, v.value});
      }
      known.features[v.feature].count += 1;
    }
    known.last_time = std::max(known.last_time, s.time);
    known.event_count += 1;
    known.modalities[s.modality].count += 1;
    known.modalities[s.modality].last_time = s.time;
    monitor.advance(s.time);
    for (const Alert& a : monitor.take_alerts()) out.insert(std::to_string(holder) + " " + a.kind + "/" + a.subject);
  }
  return out;
}

TEST(Handover, RestartsAndRebalancesRaiseNoAlert) {
  const char* const asked = std::getenv("LACUNA_HANDOVER_SEEDS");
  const std::uint64_t seeds = asked != nullptr ? std::stoull(asked) : 5;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(seed);
    const std::set<std::string> undisturbed = alerts(seed, false);
    for (const std::string& alert : alerts(seed, true)) EXPECT_TRUE(undisturbed.contains(alert)) << alert;
  }
}

// The test can fail: without what the store knows of the patients, alerts come.
TEST(Handover, WithoutTheStateTheyDo) {
  std::size_t more = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) more += alerts(seed, true, false).size();
  EXPECT_GT(more, 0u);
}

}  // namespace
}  // namespace lacuna::drift
