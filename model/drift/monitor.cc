#include "model/drift/monitor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "model/drift/latent_subject.h"
#include "model/drift/mix_subject.h"
#include "model/drift/patients.h"
#include "model/drift/pattern_subject.h"
#include "model/drift/rate_subject.h"
#include "model/drift/score_subject.h"
#include "model/drift/subject_registry.h"
#include "state/records/bytes.h"
#include "state/records/scale.h"
#include "state/records/stored_version.h"

namespace lacuna::drift {
namespace {

constexpr Millis kGrace = std::chrono::minutes(15);  // an hour stays open this long for events out of order
constexpr std::size_t kFeedHours = 32;               // hours of which it is known whether anything arrived at all
constexpr std::size_t kRecordsTogether = 64;         // whose fates make one outcome
constexpr Millis kCodeAfter = std::chrono::hours(6);
constexpr double kErrorMax = 3;  // standard deviations; an error is an outcome in [0, 1] of it

constexpr double kFrequencyHours = 24;  // time constant
constexpr double kScoreHours = 8;       // of the means of a feature's scores

/// Index of the first edge above x, after 0 for "nothing known".
template <std::size_t N>
std::size_t cell_of(bool known, double x, const std::array<double, N>& edges) {
  if (!known) return 0;
  return 1 + static_cast<std::size_t>(std::upper_bound(edges.begin(), edges.end(), x) - edges.begin());
}
constexpr std::array<double, kScoreCells - 2> kScoreEdges = {-0.6, -0.2, 0.2, 0.6};
constexpr std::array<double, kErrorCells - 2> kErrorEdges = {0.1, 0.2, 0.33};  // of kErrorMax
constexpr std::array<double, kMissCells - 2> kMissEdges = {0.05, 0.12, 0.25};

void follow(float& mean, double x, double count) { mean += static_cast<float>((x - mean) / std::min(count, kScoreHours)); }

}  // namespace

struct Monitor::Impl {
  Impl(const Schema& s, const MonitorOptions& o) : schema(s), shared(o), registry(schema, shared), patients(schema), matrix(names(schema)) {
    feed.fill(std::numeric_limits<std::int64_t>::min());
  }
  static std::vector<std::string> names(const Schema& schema) {
    std::vector<std::string> out;
    for (const Modality& m : schema.modalities()) out.push_back(m.name);
    return out;
  }
  void close_hours(Patient& patient);
  void close_hour(Patient& patient);
  void judge_panel(Patient& patient, const Arrival& arrival);
  void first_value(const FeatureValue& value, const Arrival& arrival, std::uint16_t site);
  void close_scored_hour(Patient& patient, std::span<const std::optional<float>> attributes, Time now);
  std::uint16_t site_index(std::string_view site);
  void save(PieceWriter& out) const;
  Status load(std::string_view bytes, const SchemaMapping* grown);

  const Schema schema;
  MonitorContext shared;
  SubjectRegistry registry;
  Patients patients;
  MissingnessMatrix matrix;
  std::array<std::int64_t, kFeedHours> feed{};  // slot h % kFeedHours holds h when anything arrived in hour h
  Time watermark = Time::min(), newest = Time::min();
  std::array<std::uint32_t, kStreamSubjects + 1> fates{};  // of the records since the last outcome: all, then by subject
};

std::uint16_t Monitor::Impl::site_index(std::string_view site) {
  if (site.empty()) return 0;
  std::vector<std::string>& sites = shared.sites;
  const auto found = std::find(sites.begin() + 1, sites.end(), site);
  const auto index = static_cast<std::uint16_t>(found - sites.begin());
  if (found == sites.end() && sites.size() < kSitesMax) sites.emplace_back(site);
  return index;  // kSitesMax stands for all others
}

// An hour counts once an event of the same patient, of whatever modality, has come after it: that the patient was there is then
// certain, and hours after a discharge are never mistaken for missing ones.
void Monitor::Impl::close_hours(Patient& p) {
  while (begin_of(p.open_hour + 1) + kGrace <= p.newest) close_hour(p);
}

void Monitor::Impl::close_hour(Patient& p) {
  std::uint64_t arrived = 0;
  if (!p.open.empty()) {
    arrived = p.open.front();
    p.open.erase(p.open.begin());
  }
  // When nothing arrived from anybody, the feed stood still: that is lag, and says nothing about modalities.
  const bool feed_moved = feed[static_cast<std::size_t>(p.open_hour) % kFeedHours] == p.open_hour;
  // Of one whose stay began elsewhere it is not known yet how often what arrives.
  const bool judged = feed_moved && !(p.joined && p.hours < kEarlyHours);
  const Time begin = begin_of(p.open_hour);
  if (feed_moved) matrix.add(p.site == 0 ? "" : shared.site_name(p.site), begin, arrived);
  std::vector<Bounds> rates(schema.modality_count());
  std::uint64_t suspicious = 0;
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    Patient::Past& past = p.past[m];
    RateSubject* const all = registry.arrivals(m);
    if (all == nullptr) continue;
    const bool x = (arrived >> m & 1) != 0;
    if (p.hours == 0) past.frequency = static_cast<float>(all->overall());
    const std::size_t cell = recency_cell(p.open_hour, past) * kFrequencies + frequency_cell(p, past);
    RateSubject* const here = registry.arrivals(m, p.site);
    bool doubtful = false;
    if (judged) {
      rates[m] = all->bounds(cell, begin);
      all->update(x ? 1 : 0, cell, begin, p.newest, p.site);
      if (here != nullptr) here->update(x ? 1 : 0, cell, begin, p.newest, p.site);
      doubtful = all->suspicious() || all->passed(begin) || (here != nullptr && (here->suspicious() || here->passed(begin)));
      if (doubtful) suspicious |= std::uint64_t{1} << m;
    }
    // An outage must not teach that this patient is seldom measured.
    const bool alarmed = all->state() == SubjectState::alarmed || (here != nullptr && here->state() == SubjectState::alarmed);
    if (feed_moved && !alarmed) {
      const double pace = 1 / std::min(static_cast<double>(p.hours) + 3, kFrequencyHours);
      past.frequency += static_cast<float>(pace * ((x ? 1 : 0) - past.frequency));
    }
  }
  if (judged && registry.pattern() != nullptr && registry.arrivals(0) != nullptr)
    registry.pattern()->update(arrived, rates, suspicious, begin, p.newest, p.site);
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    Patient::Past& past = p.past[m];
    if ((arrived >> m & 1) != 0) past.last_hour = std::max(past.last_hour, static_cast<std::int32_t>(p.open_hour));
  }
  p.hours += 1;
  p.open_hour += 1;
}

/// Which features are in a panel; the first one of a patient-hour speaks for it. What this patient's panels had before is most of
/// what decides it.
void Monitor::Impl::judge_panel(Patient& p, const Arrival& arrival) {
  Patient::Past& past = p.past[arrival.modality];
  const auto hour = static_cast<std::int32_t>(hour_of(arrival.time));
  if (hour <= past.panel_hour) return;
  const bool first = past.panel_hour == kNever;
  const bool judged = !(first && p.joined);  // nor what panels elsewhere held
  past.panel_hour = hour;
  const Modality& modality = schema.modalities()[arrival.modality];
  for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) {
    const bool x = std::any_of(arrival.values.begin(), arrival.values.end(), [f](const FeatureValue& v) { return v.feature == f; });
    const std::size_t cell = first ? 0 : test_bit(p.in_last_panel, f) ? 1 : test_bit(p.seen, f) ? 2 : 3;
    if (RateSubject* const s = judged ? registry.measured(f) : nullptr) s->update(x ? 1 : 0, cell, begin_of(hour), newest, p.site);
    put_bit(p.in_last_panel, f, x);
  }
}

/// The first value of a stay: stays are independent of one another, values of one stay are not.
void Monitor::Impl::first_value(const FeatureValue& value, const Arrival& arrival, std::uint16_t site) {
  const Feature& feature = schema.features()[value.feature];
  if (is_discrete(feature.likelihood)) {
    if (MixSubject* const s = registry.class_mix(value.feature)) {
      s->update(static_cast<std::size_t>(value.value), arrival.time, newest, site);
    }
    return;
  }
  registry.first_value(value.feature, to_symmetric_scale(feature.likelihood, value.value), arrival.time, newest, site);
}

Monitor::Monitor(const Schema& schema, MonitorOptions options) : impl_(std::make_unique<Impl>(schema, options)) {}
Monitor::~Monitor() = default;
Monitor::Monitor(Monitor&&) noexcept = default;
Monitor& Monitor::operator=(Monitor&&) noexcept = default;

void Monitor::observe(const Arrival& arrival) {
  Impl& impl = *impl_;
  const std::int64_t hour = hour_of(arrival.time);
  impl.newest = std::max(impl.newest, arrival.time);
  std::int64_t& slot = impl.feed[static_cast<std::size_t>(hour) % kFeedHours];
  slot = std::max(slot, hour);
  Patient& p = impl.patients.find(arrival.patient_id, arrival.time, arrival.before);
  if (p.joined && p.site == 0 && arrival.before != nullptr) p.site = impl.site_index(arrival.before->site);
  // What comes late, or names no site, does not bring anybody back from where a transfer led.
  if (!arrival.site.empty() && arrival.time >= p.newest) p.site = impl.site_index(arrival.site);
  if (!arrival.attributes.empty() && !p.admitted) {
    p.admitted = true;
    for (const AttributeValue& a : arrival.attributes) {
      if (MixSubject* const s = impl.registry.admissions(a.attribute)) {
        s->update(static_cast<std::size_t>(a.value), arrival.time, impl.newest, p.site);
      }
    }
  }
  if (arrival.modality < impl.schema.modality_count()) {
    impl.judge_panel(p, arrival);
    for (const FeatureValue& v : arrival.values) {
      if (test_bit(p.seen, v.feature)) continue;
      put_bit(p.seen, v.feature, true);
      if (!p.joined && !is_censored(v.comparator)) impl.first_value(v, arrival, p.site);
    }
    const std::int64_t place = hour - p.open_hour;
    if (place >= 0 && place < static_cast<std::int64_t>(kOpenHoursMax)) {
      if (p.open.size() <= static_cast<std::size_t>(place)) p.open.resize(static_cast<std::size_t>(place) + 1);
      p.open[static_cast<std::size_t>(place)] |= std::uint64_t{1} << arrival.modality;
    } else {  // its hour is closed, or the first
      Patient::Past& past = p.past[arrival.modality];
      past.last_hour = std::max(past.last_hour, static_cast<std::int32_t>(hour));
    }
  }
  p.newest = std::max(p.newest, arrival.time);
  impl.close_hours(p);
}

void Monitor::advance(Time watermark) {
  Impl& impl = *impl_;
  if (watermark <= impl.watermark) return;
  const bool next_hour = impl.watermark == Time::min() || hour_of(watermark) > hour_of(impl.watermark);
  impl.watermark = watermark;
  if (next_hour) impl.patients.sweep(watermark);
}

/// A patient-hour of scores, over all features: is one group worse off than all?
void Monitor::Impl::close_scored_hour(Patient& p, std::span<const std::optional<float>> attributes, Time now) {
  if (p.values <= 0) return;
  const double missed = p.misses / p.values, error = std::min(1.0f, p.errors / p.values);
  const Time at = begin_of(p.scored_hour);
  const std::size_t miss_cell = cell_of(p.hours_scored > 0, p.miss_mean, kMissEdges);
  const std::size_t error_cell = cell_of(p.hours_scored > 0, p.error_mean, kErrorEdges);
  registry.each_group(attributes, [&](RateSubject& coverage, RateSubject& errors) {
    coverage.update(missed, miss_cell, at, now, p.site);
    errors.update(error, error_cell, at, now, p.site);
  });
  registry.everybody_misses.learn(miss_cell, at, missed);
  registry.everybody_errors.learn(error_cell, at, error);
  p.hours_scored = static_cast<std::uint8_t>(std::min(p.hours_scored + 1, 255));
  follow(p.miss_mean, missed, p.hours_scored);
  follow(p.error_mean, error, p.hours_scored);
  p.misses = p.errors = p.values = 0;
}

void Monitor::observe(const Scored& scored) {
  Impl& impl = *impl_;
  const FeatureId f = scored.feature;
  if (f >= impl.schema.feature_count() || is_discrete(impl.schema.features()[f].likelihood)) return;
  if (!std::isfinite(scored.z) || !std::isfinite(scored.error)) return;  // says nothing, and must not spoil what others said
  Patient& p = impl.patients.find(scored.patient_id, scored.time);
  const std::int64_t hour = hour_of(scored.time);
  if (hour < p.scored_hour) return;
  if (hour > p.scored_hour) {
    impl.close_scored_hour(p, scored.attributes, scored.time);
    p.scored_hour = hour;
    std::fill(p.scored.begin(), p.scored.end(), 0);
  }
  // Values of one hour are as good as copies of one another.
  if (test_bit(p.scored, f)) return;
  put_bit(p.scored, f, true);
  const Time at = begin_of(hour);
  const double error = std::min(1.0, scored.error / kErrorMax), z = std::clamp(scored.z, -kScoreMax, kScoreMax);
  p.values += 1;
  p.misses += scored.missed;
  p.errors += static_cast<float>(error);

  Patient::Scores& past = p.scores[f];
  const bool known = past.count > 0;
  const double shrunk = past.z * past.count / (past.count + 1.0);
  std::size_t cell = 0;  // first value; after a hit; after one miss; after more
  if (test_bit(p.known, f)) cell = !test_bit(p.missed, f) ? 1 : test_bit(p.missed_before, f) ? 3 : 2;
  // The first value after a stay began elsewhere is none of a stay, and what came before it is not known.
  if (known || !p.joined) {
    SubjectRegistry& registry = impl.registry;
    const Likelihood likelihood = impl.schema.features()[f].likelihood;
    const std::optional<double> level = scored.value ? std::optional(to_symmetric_scale(likelihood, *scored.value)) : std::nullopt;
    if (level) registry.observe_value(f, *level, at);
    std::optional<double> z_then, error_then, missed_then;
    if (scored.earlier && std::isfinite(scored.earlier->z) && std::isfinite(scored.earlier->error)) {
      z_then = scored.earlier->z, error_then = std::min(1.0, scored.earlier->error / kErrorMax), missed_then = scored.earlier->missed;
    }
    if (ScoreSubject* const s = registry.value(f)) s->update(z, cell_of(known, shrunk, kScoreEdges), at, scored.time, p.site, z_then);
    if (RateSubject* const s = registry.error(f)) {
      s->update(error, cell_of(known, past.error, kErrorEdges), at, scored.time, p.site, error_then);
    }
    if (RateSubject* const s = registry.coverage(f)) s->update(scored.missed ? 1 : 0, cell, at, scored.time, p.site, missed_then);
    if (level) registry.learn_value(f, *level);
  }
  past.count = static_cast<std::uint8_t>(std::min(past.count + 1, 255));
  follow(past.z, z, past.count);
  follow(past.error, error, past.count);
  put_bit(p.known, f, true);
  put_bit(p.missed_before, f, test_bit(p.missed, f));
  put_bit(p.missed, f, scored.missed);
}

/// Of so many records together, the share that met each fate: fates come in bursts.
void Monitor::observe(RecordFate fate) {
  Impl& impl = *impl_;
  impl.fates[0] += 1;
  if (fate != RecordFate::applied) impl.fates[static_cast<std::size_t>(fate)] += 1;
  if (impl.fates[0] < kRecordsTogether) return;
  for (std::size_t i = 0; i < kStreamSubjects; ++i) {
    if (RateSubject* const s = impl.registry.stream(i)) {
      s->update(impl.fates[i + 1] / static_cast<double>(kRecordsTogether), 0, impl.newest, impl.newest, 0);
    }
  }
  impl.fates.fill(0);
}

void Monitor::forget(std::string_view patient_id) { impl_->patients.forget(patient_id); }

// Neither proves that the patient was there until then: they are often told of hours later. So hours since the newest event are not judged.
void Monitor::leave(std::string_view patient_id, Time time) {
  Patient& p = impl_->patients.find(patient_id, time);
  if (time < p.newest) return;
  p.skip_to(time);
  p.gone = true;
}

void Monitor::move(std::string_view patient_id, std::string_view site, Time time) {
  Patient& p = impl_->patients.find(patient_id, time);
  if (time < p.newest) return;
  const std::uint16_t there = impl_->site_index(site);
  if (there == p.site) return;
  p.skip_to(time);
  p.site = there;
}

bool Monitor::code_due(std::string_view patient_id, Time time) {
  Impl& impl = *impl_;
  if (impl.registry.latent() == nullptr) return false;
  Patient& p = impl.patients.find(patient_id, time);
  if (p.coded || time - p.first < kCodeAfter) return false;
  p.coded = true;
  return true;
}

bool Monitor::gathers_reference() const { return impl_->registry.latent() != nullptr && impl_->registry.latent()->gathering(); }
bool Monitor::has_reference() const { return impl_->registry.latent() != nullptr && impl_->registry.latent()->has_reference(); }
void Monitor::gather_reference() { impl_->registry.latent()->accept(impl_->newest); }
void Monitor::observe_reference(Time time) { impl_->registry.latent()->learn(time, impl_->newest); }
void Monitor::set_reference(std::span<const std::vector<float>> codes) { impl_->registry.latent()->set_reference(codes); }

void Monitor::observe_code(std::string_view patient_id, std::span<const float> code, Time time) {
  impl_->registry.latent()->update(code, time, impl_->newest, impl_->patients.find(patient_id, time).site);
}

std::vector<Alert> Monitor::take_alerts() { return std::exchange(impl_->shared.pending, {}); }

Status Monitor::accept(std::string_view kind, std::string_view subject, Time now, bool force) {
  Subject* const s = impl_->registry.find(kind, subject);
  if (s == nullptr) return {Code::not_found, "no such subject is watched"};
  if (s->state() != SubjectState::alarmed && !force)
    return {Code::invalid, "it is not alarmed: only by force is what is normal of it learned anew"};
  impl_->registry.accept(*s, now);
  return {};
}

Status Monitor::mute(std::string_view kind, std::string_view subject, Time until) {
  Subject* const s = impl_->registry.find(kind, subject);
  if (s == nullptr) return {Code::not_found, "no such subject is watched"};
  s->mute(until);
  return {};
}

std::vector<SubjectView> Monitor::subjects() const {
  std::vector<SubjectView> out;
  impl_->registry.each([&out](const Subject& s) { out.push_back(s.view()); });
  return out;
}

std::vector<Alert> Monitor::open_alerts() const {
  std::vector<Alert> out;
  impl_->registry.each([&out](const Subject& s) {
    if (s.alert()) out.push_back(*s.alert());
  });
  return out;
}

std::optional<Time> Monitor::onset_to_ask_before() const { return impl_->registry.earliest_onset_of_predicted(); }
bool Monitor::asks_earlier(FeatureId feature) const { return impl_->registry.predicted_alarmed(feature); }
void Monitor::set_earlier_at_hand(bool at_hand) { impl_->shared.earlier_at_hand = at_hand; }

std::size_t Monitor::patients() const { return impl_->patients.size(); }
std::vector<MissingnessMatrix::Row> Monitor::missingness() const { return impl_->matrix.rows(); }

/// All but the patients.
void Monitor::Impl::save(PieceWriter& out) const {
  out.bytes().put(kMonitorVersion);
  out.bytes().put(schema.fingerprint());
  for (const Time t : {watermark, newest}) out.bytes().put<std::int64_t>(t.time_since_epoch().count());
  for (const std::int64_t h : feed) out.bytes().put(h);
  for (const std::uint32_t n : fates) out.bytes().put(n);
  out.bytes().put<std::uint32_t>(static_cast<std::uint32_t>(shared.sites.size()));
  for (const std::string& s : shared.sites) out.bytes().put_text(s);
  out.cut();
  matrix.save(out);
  registry.save(out);
  out.bytes().put<std::uint32_t>(static_cast<std::uint32_t>(shared.pending.size()));
  for (const Alert& a : shared.pending) save_alert(a, out.bytes());
}

// Into a fresh object; what is half-read is thrown away with it.
Status Monitor::Impl::load(std::string_view bytes, const SchemaMapping* grown) {
  if (grown != nullptr && grown->identity()) grown = nullptr;
  ByteReader in(bytes);
  const std::uint32_t version = std::clamp(ByteReader(bytes).get<std::uint32_t>(), kMonitorVersionMin, kMonitorVersion);
  LACUNA_RETURN_IF_ERROR(take_version(in, version, "monitor"));
  const auto fingerprint = in.get<std::uint64_t>();
  if (in.ok() && (fingerprint == schema.fingerprint()) != (grown == nullptr))
    return {Code::unsupported, "monitor: made for another schema"};
  const Status corrupt(Code::corrupt, "monitor: not what was written");
  for (Time* t : {&watermark, &newest}) *t = Time(Millis(in.get<std::int64_t>()));
  for (std::int64_t& h : feed) h = in.get<std::int64_t>();
  for (std::uint32_t& n : fates) n = in.get<std::uint32_t>();
  const auto site_count = in.get<std::uint32_t>();
  if (site_count < 1 || site_count > kSitesMax) return corrupt;
  shared.sites.clear();
  for (std::uint32_t i = 0; i < site_count; ++i) shared.sites.push_back(in.get_text());
  if (!matrix.load(in, grown) || !registry.load(in, grown, newest, version)) return corrupt;
  // What was about to be said comes before what is no longer watched.
  const std::vector<Alert> resolved = std::exchange(shared.pending, {});
  const auto pending_count = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < pending_count && in.ok(); ++i) shared.pending.push_back(load_alert(in, version));
  shared.pending.insert(shared.pending.end(), resolved.begin(), resolved.end());
  if (!in.ok() || !patients.load(in, grown)) return corrupt;
  return in.ok() && in.at_end() ? Status() : corrupt;
}

std::string Monitor::save() const {
  PieceWriter out;
  impl_->save(out);
  impl_->patients.save(out.bytes());
  return joined(out.take());
}

Pieces Monitor::pieces() const {
  PieceWriter out;
  impl_->save(out);
  out.bytes().put<std::uint32_t>(0);  // patients
  return out.take();
}

std::map<std::uint64_t, std::optional<std::string>> Monitor::take_changed_patients() { return impl_->patients.take_changed(); }
void Monitor::all_patients_changed() { impl_->patients.all_changed(); }

bool Monitor::load_patient(std::uint64_t key, std::string_view bytes, const SchemaMapping* grown) {
  if (grown != nullptr && grown->identity()) grown = nullptr;
  return impl_->patients.load_row(key, bytes, grown);
}

Status Monitor::load(std::string_view bytes, const SchemaMapping* grown) {
  auto fresh = std::make_unique<Impl>(impl_->schema, impl_->shared.options);
  LACUNA_RETURN_IF_ERROR(fresh->load(bytes, grown));
  impl_ = std::move(fresh);
  return {};
}

}  // namespace lacuna::drift
