// Protects: what the store is told of a monitor by difference is all of it. A random stream of every call that changes a monitor; after
// each batch of them the pieces and rows that were ever told are put together, and have to be the monitor.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "model/drift/monitor.h"
#include "model/drift/patients.h"
#include "state/records/counter_random.h"

namespace lacuna::drift {
namespace {

const Time kStart = *parse_rfc3339("2026-01-01T00:00:00Z");

Schema schema() {
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
  specs.back().features.back().likelihood = Likelihood::bernoulli;
  std::vector<Attribute> attributes(1);
  attributes[0].name = "sex";
  attributes[0].categories = {"female", "male"};
  attributes[0].subgroup = true;
  return Schema::make(specs, attributes).value();
}

MonitorOptions options() {
  MonitorOptions out;
  out.latent_dimensions = 2;
  out.learning = std::chrono::hours(6);
  out.learning_updates_min = 40;
  return out;
}

/// What a store holds of a monitor.
struct Stored {
  Pieces pieces;
  std::map<std::uint64_t, std::string> rows;
  std::size_t changed_pieces = 0, changed_rows = 0;  ///< the last time

  void take(Monitor& monitor) {
    Pieces now = monitor.pieces();
    changed_pieces = 0;
    for (std::size_t i = 0; i < now.size(); ++i) changed_pieces += i >= pieces.size() || *now[i] != *pieces[i] ? 1 : 0;
    pieces = std::move(now);
    const auto changed = monitor.take_changed_patients();
    changed_rows = changed.size();
    for (const auto& [key, row] : changed) {
      if (row) rows[key] = *row;
      else rows.erase(key);
    }
  }
  Monitor monitor() const {
    Monitor out(schema(), options());
    EXPECT_TRUE(out.load(joined(pieces)).ok());
    for (const auto& [key, row] : rows) EXPECT_TRUE(out.load_patient(key, row));
    return out;
  }
};

class Stream {
 public:
  explicit Stream(std::uint64_t seed) : random_(seed) {}

  /// One hour of the ward; the error of predictions grows from hour 40 on, so that something is alarmed.
  void hour(Monitor& m, int hour) {
    for (int i = 0; i < 30; ++i) event(m, kStart + std::chrono::hours(hour) + std::chrono::minutes(2 * i), hour >= 40);
    m.advance(kStart + std::chrono::hours(hour));
    if (hour == 60) (void)m.mute("missingness", "vitals", kStart + std::chrono::hours(80));
    if (hour == 70) (void)m.accept("error", "vitals.a", kStart + std::chrono::hours(hour), true);
  }

 private:
  void event(Monitor& m, Time time, bool off) {
    const std::string patient = "p" + std::to_string(random_.unit() < 0.9 ? static_cast<int>(random_.unit() * 12) : 20 + next_++);
    const auto modality = static_cast<ModalityId>(random_.unit() * 3);
    const FeatureId feature = modality * 2;
    const std::vector<FeatureValue> values{{feature, random_.unit()}, {feature + 1, random_.unit() < 0.5 ? 0.0 : 1.0}};
    const std::vector<AttributeValue> attributes{{0, random_.unit() < 0.5 ? 0.0F : 1.0F}};
    const std::vector<std::optional<float>> known{attributes[0].value};
    const double u = random_.unit();
    m.observe(u < 0.9 ? RecordFate::applied : RecordFate::duplicate);
    m.observe(Arrival{patient, u < 0.5 ? "east" : "west", modality, time, values, attributes, nullptr});
    m.observe(
        Scored{patient, feature, time, off ? 3.0 : random_.unit() - 0.5, off, off ? 2.5 : 0.3 * random_.unit(), known, values[0].value});
    if (u < 0.02) m.leave(patient, time);
    if (u > 0.98) m.move(patient, "north", time);
    if (u > 0.49 && u < 0.5) m.forget(patient);
    if (!m.code_due(patient, time)) return;
    if (m.gathers_reference()) m.observe_reference(time);
  }

  CounterRandom random_;
  int next_ = 0;
};

TEST(Parts, WhatHasChangedIsAllThatHas) {
  Monitor monitor(schema(), options());
  Stored stored;
  Stream stream(7);
  std::size_t alerts = 0, gone = 0;
  for (int hour = 0; hour < 120; ++hour) {
    stream.hour(monitor, hour);
    const std::size_t rows = stored.rows.size();
    stored.take(monitor);
    gone += stored.rows.size() < rows ? 1 : 0;
    Monitor again = stored.monitor();
    ASSERT_EQ(again.save(), monitor.save()) << "hour " << hour;
    EXPECT_EQ(again.patients(), monitor.patients());
    if (hour % 3 == 0) alerts += monitor.take_alerts().size();
  }
  EXPECT_GT(alerts, 0u);
  EXPECT_GT(gone, 0u);
}

TEST(Parts, OneEventChangesLittleOfIt) {
  Monitor monitor(schema(), options());
  Stored stored;
  Stream stream(3);
  for (int hour = 0; hour < 30; ++hour) stream.hour(monitor, hour);
  stored.take(monitor);
  const std::size_t all = stored.pieces.size();
  stored.take(monitor);
  EXPECT_EQ(stored.changed_pieces, 0u);
  EXPECT_EQ(stored.changed_rows, 0u);
  monitor.observe(Arrival{"p1", "east", 0, kStart + std::chrono::hours(30) + std::chrono::minutes(59), {}, {}});
  stored.take(monitor);
  EXPECT_EQ(stored.changed_rows, 1u);
  EXPECT_LT(stored.changed_pieces, all / 2);
}

TEST(Parts, AllAreToldAgainWhenAsked) {
  Monitor monitor(schema(), options());
  Stored stored;
  Stream stream(5);
  for (int hour = 0; hour < 5; ++hour) stream.hour(monitor, hour);
  stored.take(monitor);
  Monitor loaded = stored.monitor();
  EXPECT_TRUE(loaded.take_changed_patients().empty()) << "they lie there already";
  loaded.all_patients_changed();
  EXPECT_EQ(loaded.take_changed_patients().size(), stored.rows.size());
}

TEST(Parts, DamagedRowsAreRefused) {
  Monitor monitor(schema(), options());
  Stored stored;
  Stream stream(5);
  for (int hour = 0; hour < 5; ++hour) stream.hour(monitor, hour);
  stored.take(monitor);
  const std::string row = stored.rows.begin()->second;
  Monitor other(schema(), options());
  for (std::size_t cut = 0; cut < row.size(); ++cut) EXPECT_FALSE(other.load_patient(1, row.substr(0, cut))) << cut;
  EXPECT_FALSE(other.load_patient(1, row + "x"));
}

// More than an earlier build followed, and than a whole holds: none is left out but there.
TEST(Parts, EverybodyIsFollowed) {
  Monitor monitor(schema(), options());
  constexpr std::size_t kMore = kPatientsInWhole + 100;
  for (std::size_t i = 0; i < kMore; ++i) {
    monitor.observe(Arrival{"p" + std::to_string(i), "", 0, kStart + std::chrono::milliseconds(i), {}, {}});
  }
  EXPECT_EQ(monitor.patients(), kMore);
  EXPECT_EQ(monitor.take_changed_patients().size(), kMore);
  Monitor whole(schema(), options());
  ASSERT_TRUE(whole.load(monitor.save()).ok());
  EXPECT_EQ(whole.patients(), kPatientsInWhole);
  // Those who came last are in it.
  whole.forget("p" + std::to_string(kMore - 1));
  EXPECT_EQ(whole.patients(), kPatientsInWhole - 1);
  whole.forget("p0");
  EXPECT_EQ(whole.patients(), kPatientsInWhole - 1);
}

}  // namespace
}  // namespace lacuna::drift
