#include "model/drift/monitor.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>

#include "model/drift/subject.h"
#include "state/records/bytes.h"
#include "state/records/hash.h"

namespace lacuna::drift {
namespace {

constexpr std::uint32_t kVersion = 2;
constexpr Millis kHour = std::chrono::hours(1);
constexpr Millis kGrace = std::chrono::minutes(15);       // an hour stays open this long for events out of order
constexpr Millis kAbsenceMax = std::chrono::hours(12);    // silent for longer: gone; coming back is a new stay
constexpr std::size_t kOpenHoursMax = 14;                 // follows from the two above
constexpr std::size_t kPatientsMax = 50'000;              // more at a time are not followed
constexpr std::size_t kSitesMax = 256;                    // more are named together
constexpr std::size_t kFeedHours = 32;                    // hours of which it is known whether anything arrived at all
constexpr std::int32_t kNever = std::numeric_limits<std::int32_t>::min();

// Cells of the arrivals' baseline: hours since the modality last arrived for this patient (never, 1, 2, 3-4, 5-8, 9-16, more)
// times how often it did so far (too early to say; under 0.05, 0.2, 0.5 of the hours; more). Given both, hours of one patient
// are nearly independent, which is what the bets need. Hours of day have their factors per group of recency.
constexpr std::size_t kRecencies = 7, kFrequencies = 5;
constexpr std::array<std::uint8_t, kRecencies> kRecencyGroup = {0, 1, 1, 2, 2, 3, 3};
constexpr std::int64_t kEarlyHours = 6;
constexpr double kFrequencyHours = 24;  // time constant

// Cells of the coverage's baseline: first value; after a hit; after one miss; after more.
constexpr std::size_t kHistories = 4;

// Log odds within which a rate may wander and still be normal. Arrivals: 0.67 to 2.2 times the odds; a fall is what an outage
// looks like, while busier hours and sicker patients are daily life. Misses: up to 1.35 times.
constexpr Baseline::Slack kArrivalSlack = {0.4, 0.8};
constexpr Baseline::Slack kCoverageSlack = {0, 0.3};

std::int64_t hour_of(Time t) { return std::chrono::floor<std::chrono::hours>(t).time_since_epoch().count(); }
Time begin_of(std::int64_t hour) { return Time(hour * kHour); }

struct Past {
  std::int32_t last_hour = kNever;
  float frequency = 0;
};

struct Patient {
  Time newest{};
  std::uint16_t site = 0;
  std::int64_t hours = 0;                 // closed so far
  std::int64_t open_hour = 0;             // the first not closed; the hour of the first event is never judged
  std::vector<std::uint64_t> arrived;     // sets of modalities from open_hour on
  std::vector<Past> past;                 // per modality
  std::int64_t scored_hour = std::numeric_limits<std::int64_t>::min();
  std::vector<std::uint64_t> scored, known, missed, missed_before;  // sets of features: in scored_hour; and of their last values
};

bool test_bit(const std::vector<std::uint64_t>& set, std::size_t i) { return (set[i / 64] >> (i % 64) & 1) != 0; }
void put_bit(std::vector<std::uint64_t>& set, std::size_t i, bool value) {
  const std::uint64_t bit = std::uint64_t{1} << (i % 64);
  set[i / 64] = value ? set[i / 64] | bit : set[i / 64] & ~bit;
}

std::size_t recency(std::int64_t hour, const Past& past) {
  if (past.last_hour == kNever) return 0;
  const std::int64_t since = hour - past.last_hour;
  if (since <= 2) return since <= 1 ? 1 : 2;
  if (since <= 8) return since <= 4 ? 3 : 4;
  return since <= 16 ? 5 : 6;
}

std::size_t frequency(const Patient& patient, const Past& past) {
  if (patient.hours < kEarlyHours) return 0;
  if (past.frequency < 0.2f) return past.frequency < 0.05f ? 1 : 2;
  return past.frequency < 0.5f ? 3 : 4;
}

}  // namespace

std::string_view to_string(SubjectState state) {
  switch (state) {
    case SubjectState::learning: return "learning";
    case SubjectState::armed: return "armed";
    case SubjectState::alarmed: return "alarmed";
  }
  return "unknown";
}

struct Monitor::Impl {
  Impl(const Schema& s, const MonitorOptions& o);
  Patient* find(std::string_view id, Time time);
  void sweep();
  void close_hours(Patient& patient);
  std::uint16_t site_index(std::string_view site);
  Subject* find_subject(std::string_view kind, std::string_view subject);
  std::string save() const;
  Status load(std::string_view bytes);

  Schema schema;
  MonitorOptions options;
  std::vector<Subject> arrivals;                       // per modality
  std::vector<std::optional<Subject>> coverage;        // per feature; discrete ones have none
  std::unordered_map<std::uint64_t, Patient> patients; // by hash of the id: nothing here names a patient
  std::vector<std::string> sites{"no site"};
  std::array<std::int64_t, kFeedHours> feed{};         // slot h % kFeedHours holds h when anything arrived in hour h
  Time watermark = Time::min();
  std::vector<Alert> pending;
  Subject::NameSite name_site = [this](std::uint16_t i) { return i < sites.size() ? sites[i] : "other sites"; };
};

Monitor::Impl::Impl(const Schema& s, const MonitorOptions& o) : schema(s), options(o) {
  feed.fill(std::numeric_limits<std::int64_t>::min());
  const auto watched = [](const Feature& f) { return !is_discrete(f.likelihood); };
  const auto& features = schema.features();
  const std::size_t subjects =
      schema.modality_count() + static_cast<std::size_t>(std::count_if(features.begin(), features.end(), watched));
  SubjectSpec spec{"missingness", "", "arrivals", "patient-hour", true, Severity::info, {}, kArrivalSlack, 0};
  for (std::size_t r = 0; r < kRecencies; ++r) spec.groups.insert(spec.groups.end(), kFrequencies, kRecencyGroup[r]);
  for (const Modality& m : schema.modalities()) {
    spec.subject = m.name;
    arrivals.emplace_back(spec, options, subjects);
  }
  spec = {"coverage", "", "interval misses", "value", false, Severity::critical, std::vector<std::uint8_t>(kHistories, 0),
          kCoverageSlack, 1 - options.coverage_level};
  for (FeatureId f = 0; f < features.size(); ++f) {
    spec.subject = schema.qualified_name(f);
    coverage.emplace_back();
    if (watched(features[f])) coverage.back().emplace(spec, options, subjects);
  }
}

// Null when there are too many.
Patient* Monitor::Impl::find(std::string_view id, Time time) {
  const std::uint64_t key = hash64(id);
  auto found = patients.find(key);
  if (found != patients.end() && time - found->second.newest > kAbsenceMax) {
    patients.erase(found);
    found = patients.end();
  }
  if (found != patients.end()) return &found->second;
  if (patients.size() >= kPatientsMax) return nullptr;
  Patient& p = patients[key];
  p.newest = time;
  p.open_hour = hour_of(time) + 1;
  p.past.resize(schema.modality_count());
  for (auto* set : {&p.scored, &p.known, &p.missed, &p.missed_before}) set->resize((schema.feature_count() + 63) / 64);
  return &p;
}

void Monitor::Impl::sweep() {
  std::erase_if(patients, [this](const auto& entry) { return watermark - entry.second.newest > kAbsenceMax; });
}

std::uint16_t Monitor::Impl::site_index(std::string_view site) {
  if (site.empty()) return 0;
  const auto found = std::find(sites.begin() + 1, sites.end(), site);
  const auto index = static_cast<std::uint16_t>(found - sites.begin());
  if (found == sites.end() && sites.size() < kSitesMax) sites.emplace_back(site);
  return index;  // kSitesMax stands for all others
}

// An hour counts once an event of the same patient, of whatever modality, has come after it: that the patient was there is then
// certain, and hours after a discharge are never mistaken for missing ones.
void Monitor::Impl::close_hours(Patient& p) {
  for (; begin_of(p.open_hour + 1) + kGrace <= p.newest; ++p.open_hour) {
    const std::uint64_t set = p.arrived.empty() ? 0 : p.arrived.front();
    if (!p.arrived.empty()) p.arrived.erase(p.arrived.begin());
    // When nothing arrived from anybody, the feed stood still: that is lag, and says nothing about modalities.
    const bool feed_moved = feed[static_cast<std::size_t>(p.open_hour) % kFeedHours] == p.open_hour;
    for (std::size_t m = 0; m < arrivals.size(); ++m) {
      Past& past = p.past[m];
      const bool x = (set >> m & 1) != 0;
      if (p.hours == 0) past.frequency = static_cast<float>(arrivals[m].overall());
      if (feed_moved) {
        const std::size_t cell = recency(p.open_hour, past) * kFrequencies + frequency(p, past);
        arrivals[m].update(x ? 1 : 0, cell, begin_of(p.open_hour), p.newest, p.site, name_site, pending);
      }
      // An outage must not teach that this patient is seldom measured.
      if (feed_moved && arrivals[m].state() != SubjectState::alarmed) {
        const double pace = 1 / std::min(static_cast<double>(p.hours) + 3, kFrequencyHours);
        past.frequency += static_cast<float>(pace * ((x ? 1 : 0) - past.frequency));
      }
      if (x) past.last_hour = std::max(past.last_hour, static_cast<std::int32_t>(p.open_hour));
    }
    p.hours += 1;
  }
}

Monitor::Monitor(const Schema& schema, MonitorOptions options) : impl_(std::make_unique<Impl>(schema, options)) {}
Monitor::~Monitor() = default;
Monitor::Monitor(Monitor&&) noexcept = default;
Monitor& Monitor::operator=(Monitor&&) noexcept = default;

void Monitor::observe(const Arrival& arrival) {
  Impl& impl = *impl_;
  const std::int64_t hour = hour_of(arrival.time);
  if (arrival.modality >= impl.arrivals.size()) return;
  std::int64_t& slot = impl.feed[static_cast<std::size_t>(hour) % kFeedHours];
  slot = std::max(slot, hour);
  Patient* const p = impl.find(arrival.patient_id, arrival.time);
  if (p == nullptr) return;
  const std::int64_t place = hour - p->open_hour;
  if (place >= 0 && place < static_cast<std::int64_t>(kOpenHoursMax)) {
    if (p->arrived.size() <= static_cast<std::size_t>(place)) p->arrived.resize(static_cast<std::size_t>(place) + 1);
    p->arrived[static_cast<std::size_t>(place)] |= std::uint64_t{1} << arrival.modality;
  } else {  // its hour is closed, or the first
    Past& past = p->past[arrival.modality];
    past.last_hour = std::max(past.last_hour, static_cast<std::int32_t>(hour));
  }
  p->newest = std::max(p->newest, arrival.time);
  p->site = impl.site_index(arrival.site);
  impl.close_hours(*p);
}

void Monitor::advance(Time watermark) {
  Impl& impl = *impl_;
  if (watermark <= impl.watermark) return;
  const bool next_hour = impl.watermark == Time::min() || hour_of(watermark) > hour_of(impl.watermark);
  impl.watermark = watermark;
  if (next_hour) impl.sweep();
}

// The first value of a patient-hour speaks for it: values of one hour are as good as copies of one another.
void Monitor::observe(const Miss& miss) {
  Impl& impl = *impl_;
  if (miss.feature >= impl.coverage.size() || !impl.coverage[miss.feature]) return;
  Patient* const p = impl.find(miss.patient_id, miss.time);
  const std::int64_t hour = hour_of(miss.time);
  if (p == nullptr || hour < p->scored_hour) return;
  if (hour > p->scored_hour) {
    p->scored_hour = hour;
    std::fill(p->scored.begin(), p->scored.end(), 0);
  }
  const std::size_t f = miss.feature;
  if (test_bit(p->scored, f)) return;
  std::size_t cell = 0;
  if (test_bit(p->known, f)) cell = !test_bit(p->missed, f) ? 1 : test_bit(p->missed_before, f) ? 3 : 2;
  put_bit(p->scored, f, true);
  put_bit(p->known, f, true);
  put_bit(p->missed_before, f, test_bit(p->missed, f));
  put_bit(p->missed, f, miss.missed);
  impl.coverage[f]->update(miss.missed ? 1 : 0, cell, begin_of(hour), miss.time, p->site, impl.name_site, impl.pending);
}

std::vector<Alert> Monitor::take_alerts() { return std::exchange(impl_->pending, {}); }

Subject* Monitor::Impl::find_subject(std::string_view kind, std::string_view subject) {
  const auto matches = [&](const Subject& s) { return s.spec().kind == kind && s.spec().subject == subject; };
  for (Subject& s : arrivals) {
    if (matches(s)) return &s;
  }
  for (auto& s : coverage) {
    if (s && matches(*s)) return &*s;
  }
  return nullptr;
}

Status Monitor::accept(std::string_view kind, std::string_view subject, Time now) {
  Subject* const s = impl_->find_subject(kind, subject);
  if (s == nullptr) return {Code::not_found, "no such subject is watched"};
  s->accept(now, impl_->pending);
  return {};
}

Status Monitor::mute(std::string_view kind, std::string_view subject, Time until) {
  Subject* const s = impl_->find_subject(kind, subject);
  if (s == nullptr) return {Code::not_found, "no such subject is watched"};
  s->mute(until);
  return {};
}

std::vector<SubjectView> Monitor::subjects() const {
  std::vector<SubjectView> out;
  for (const Subject& s : impl_->arrivals) out.push_back(s.view());
  for (const auto& s : impl_->coverage) {
    if (s) out.push_back(s->view());
  }
  return out;
}

std::vector<Alert> Monitor::open_alerts() const {
  std::vector<Alert> out;
  for (const Subject& s : impl_->arrivals) {
    if (s.alert()) out.push_back(*s.alert());
  }
  for (const auto& s : impl_->coverage) {
    if (s && s->alert()) out.push_back(*s->alert());
  }
  return out;
}

std::string Monitor::Impl::save() const {
  ByteWriter out;
  out.put(kVersion);
  out.put(schema.fingerprint());
  out.put<std::int64_t>(watermark.time_since_epoch().count());
  for (const std::int64_t h : feed) out.put(h);
  out.put<std::uint32_t>(static_cast<std::uint32_t>(sites.size()));
  for (const std::string& s : sites) out.put_text(s);
  for (const Subject& s : arrivals) s.save(out);
  for (const auto& s : coverage) {
    if (s) s->save(out);
  }
  out.put<std::uint32_t>(static_cast<std::uint32_t>(pending.size()));
  for (const Alert& a : pending) save_alert(a, out);
  std::vector<std::uint64_t> keys;
  for (const auto& entry : patients) keys.push_back(entry.first);
  std::sort(keys.begin(), keys.end());  // equal states are equal bytes
  out.put<std::uint32_t>(static_cast<std::uint32_t>(keys.size()));
  for (const std::uint64_t key : keys) {
    const Patient& p = patients.at(key);
    out.put(key);
    out.put<std::int64_t>(p.newest.time_since_epoch().count());
    out.put(p.site);
    out.put(p.hours);
    out.put(p.open_hour);
    out.put_all(p.arrived);
    for (const Past& past : p.past) {
      out.put(past.last_hour);
      out.put(past.frequency);
    }
    out.put(p.scored_hour);
    for (const auto* set : {&p.scored, &p.known, &p.missed, &p.missed_before}) out.put_all(*set);
  }
  return out.take();
}

// Into a fresh object; what is half-read is thrown away with it.
Status Monitor::Impl::load(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.get<std::uint32_t>() != kVersion) return {Code::unsupported, "monitor: unknown format"};
  if (in.get<std::uint64_t>() != schema.fingerprint()) return {Code::unsupported, "monitor: made for another schema"};
  const Status corrupt(Code::corrupt, "monitor: not what was written");
  watermark = Time(Millis(in.get<std::int64_t>()));
  for (std::int64_t& h : feed) h = in.get<std::int64_t>();
  const auto site_count = in.get<std::uint32_t>();
  if (site_count < 1 || site_count > kSitesMax) return corrupt;
  sites.clear();
  for (std::uint32_t i = 0; i < site_count; ++i) sites.push_back(in.get_text());
  for (Subject& s : arrivals) s.load(in);
  for (auto& s : coverage) {
    if (s) s->load(in);
  }
  const auto pending_count = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < pending_count && in.ok(); ++i) pending.push_back(load_alert(in));
  const auto patient_count = in.get<std::uint32_t>();
  if (!in.ok() || patient_count > kPatientsMax) return corrupt;
  for (std::uint32_t i = 0; i < patient_count; ++i) {
    Patient& p = patients[in.get<std::uint64_t>()];
    p.newest = Time(Millis(in.get<std::int64_t>()));
    p.site = in.get<std::uint16_t>();
    p.hours = in.get<std::int64_t>();
    p.open_hour = in.get<std::int64_t>();
    p.arrived = in.get_all<std::uint64_t>();
    p.past.resize(schema.modality_count());
    for (Past& past : p.past) {
      past.last_hour = in.get<std::int32_t>();
      past.frequency = in.get<float>();
    }
    p.scored_hour = in.get<std::int64_t>();
    for (auto* set : {&p.scored, &p.known, &p.missed, &p.missed_before}) {
      *set = in.get_all<std::uint64_t>();
      if (set->size() != (schema.feature_count() + 63) / 64) return corrupt;
    }
    if (!in.ok() || p.arrived.size() > kOpenHoursMax) return corrupt;
  }
  return in.ok() && in.at_end() ? Status() : corrupt;
}

std::string Monitor::save() const { return impl_->save(); }

Status Monitor::load(std::string_view bytes) {
  auto fresh = std::make_unique<Impl>(impl_->schema, impl_->options);
  LACUNA_RETURN_IF_ERROR(fresh->load(bytes));
  impl_ = std::move(fresh);
  return {};
}

}  // namespace lacuna::drift
