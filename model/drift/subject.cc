#include "model/drift/subject.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace lacuna::drift {
namespace {

constexpr double kRecentUpdates = 200;     // time constant of the means shown
constexpr double kRecoveryEvidence = 1e4;  // that it returned, against its having stayed half-way
// The same, of a version from before the onset, which is asked of one moment in eight, and is not the only one that has to say so.
constexpr double kEarlierEvidence = 1e2;
constexpr double kLearnBelow = 3;  // log 20: what speaks for a change by more must not become normal meanwhile
constexpr double kSuspicious = 5;
constexpr double kReportChange = 0.5;  // of the distance last told: worth another message
constexpr Millis kTellEvery = std::chrono::hours(6);
constexpr std::uint64_t kTellUpdates = 200;  // and outcomes, since fewer say little new of subjects that have few
constexpr std::size_t kContributorsMax = 5;

}  // namespace

std::string_view to_string(SubjectState state) {
  switch (state) {
    case SubjectState::learning: return "learning";
    case SubjectState::armed: return "armed";
    case SubjectState::alarmed: return "alarmed";
  }
  return "unknown";
}

Subject::Subject(SubjectSpec spec, MonitorContext& shared, std::span<const double> weights)
    : spec_(std::move(spec)), shared_(shared), evidence_(weights) {
  shared_.budget.join(spec_.kind);
}

double Subject::threshold() const {
  const double hours = std::max(1.0, hours_between(first_, last_));
  return shared_.budget.threshold(spec_.kind, static_cast<double>(updates_) / hours * kHoursPerMonth);
}

bool Subject::suspicious() const {
  return state_ == SubjectState::alarmed || (state_ == SubjectState::armed && onset_.lead() >= kSuspicious);
}

bool Subject::observe(const Outcome& o) {
  changed();
  if (updates_ == 0) first_ = last_ = o.now;
  last_ = std::max(last_, o.now);
  updates_ += 1;
  const double pace = std::max(1 / kRecentUpdates, 1 / static_cast<double>(updates_));
  recent_ += pace * (o.x - recent_);
  recent_expected_ += pace * (o.expected - recent_expected_);
  if (state_ == SubjectState::learning) {
    const MonitorOptions& options = shared_.options;
    if (updates_ >= (spec_.learning_updates_min > 0 ? spec_.learning_updates_min : options.learning_updates_min) &&
        last_ - first_ >= options.learning)
      state_ = SubjectState::armed;
    return true;
  }
  newest_at_ = std::max(newest_at_, o.at);
  if (o.at < not_before_) return false;
  if (suppressed_) {
    if (shared_.explained(*this)) return false;
    suppressed_ = false;
    // What was told, and may stay, is not told again.
    if (spec_.relearns) {
      relearn();
      return true;
    }
  }
  const double log_gain = evidence_.update(o.gains);
  onset_.update(log_gain, o.x, o.expected, o.at);
  if (onset_.empty()) gap_by_site_.clear();
  else gap_by_site_[o.site] += o.x - o.expected;

  const double weighed = evidence_.value();
  if (state_ == SubjectState::armed) {
    if (onset_.lead() >= kSuspicious && shared_.explained(*this)) {
      // Neither evidence nor a new normal, for as long as another alert says why; then it starts anew.
      suppressed_ = true;
      restart();
      return false;
    }
    if (weighed >= threshold() && o.now >= muted_until_) raise(o);
    return onset_.lead() < kLearnBelow;
  }
  watch_return(o);
  return false;
}

/// While alarmed. That what is seen is as expected again ends the alert only where nothing has adapted to the change meanwhile.
void Subject::watch_return(const Outcome& o) {
  if (recovery_evidence_ <= 1) recovering_since_ = o.at;
  recovery_evidence_ = std::clamp(recovery_evidence_ * o.recovery, 1.0, kRecoveryEvidence);
  if (o.earlier_recovery) earlier_evidence_ = std::clamp(std::max(earlier_evidence_, 1.0) * *o.earlier_recovery, 1.0, kEarlierEvidence);
  const bool as_expected = recovery_evidence_ >= kRecoveryEvidence;
  const bool as_expected_before = !shared_.earlier_at_hand || earlier_evidence_ == 0 || earlier_evidence_ >= kEarlierEvidence;
  if (as_expected && as_expected_before && (level_ == nullptr || level_->back())) {
    not_before_ = level_ == nullptr ? recovering_since_ : std::max(recovering_since_, level_->recovering_since());
    resolve(Resolution::returned, o.now);
    return;
  }
  if (o.now < muted_until_) return;
  if (as_expected && !alert_->adapted) tell_adapted(o.now);
  else if (due(o.now)) update(o.now);
}

bool Subject::due(Time now) const { return now - last_reported_at_ >= kTellEvery && updates_ - last_reported_updates_ >= kTellUpdates; }

std::size_t Subject::leader() const {
  std::size_t best = 0;
  for (std::size_t k = 1; k < evidence_.size(); ++k) {
    if (evidence_.share(k) > evidence_.share(best)) best = k;
  }
  return best;
}

void Subject::raise(const Outcome& o) {
  state_ = SubjectState::alarmed;
  const Onset::Since since = onset_.estimate();
  not_before_ = newest_at_;
  recovery_evidence_ = 1;
  earlier_evidence_ = 0;
  raised_by_ = static_cast<std::uint8_t>(leader());
  Alert& a = alert_.emplace();
  a.kind = to_string(spec_.kind);
  a.subject = spec_.subject;
  a.alert_id = a.kind + "/" + a.subject + "@" + format_rfc3339(since.onset);
  a.since = since.onset;
  a.earliest = since.earliest;
  a.latest = since.latest;
  a.detected = a.told = o.now;
  a.evidence = evidence_.value();
  a.threshold = threshold();
  a.severity = spec_.severity;
  describe(a);
  last_reported_ = a.after - a.before;
  last_reported_at_ = o.now;
  last_reported_updates_ = updates_;
  shared_.pending.push_back(a);
}

/// How far the values are from what they were before the onset, whatever is predicted of them.
void Subject::describe_shift(Alert& a) const {
  if (level_ == nullptr || !level_->known()) return;
  a.effects.push_back({"shift_since_onset", level_->shift()});
  a.effects.push_back({"spread_since_onset", level_->spread()});
}

/// What is seen is as predicted again, and the values are not what they were, or a version from before the onset predicts as badly as when
/// it began: the model has learned the change.
void Subject::tell_adapted(Time now) {
  Alert a = *alert_;
  a.state = AlertState::updated;
  a.adapted = true;
  a.told = now;
  a.evidence = evidence_.value();
  describe_shift(a);
  char text[160] = ": still shifted for a model version from before the onset, the newer ones have adapted";
  if (level_ != nullptr && !level_->back()) {
    std::snprintf(text, sizeof text,
                  ": still shifted, the model has adapted (mean %+.2f, spread %.2f standard deviations of before the onset)",
                  level_->shift(), level_->spread());
  }
  a.summary = a.subject + text + " since " + format_rfc3339(a.since);
  last_reported_at_ = now;
  last_reported_updates_ = updates_;
  *alert_ = a;
  shared_.pending.push_back(std::move(a));
}

/// Said again only when it has become half as large again or half as small, or comes from somewhere else.
void Subject::update(Time now) {
  Alert a = *alert_;
  const bool adapted = a.adapted;
  describe(a);
  describe_shift(a);
  a.adapted = adapted && recovery_evidence_ > 1;
  last_reported_at_ = now;
  last_reported_updates_ = updates_;
  const double distance = a.after - a.before;
  const bool moved = std::abs(distance - last_reported_) > kReportChange * std::abs(last_reported_);
  const bool elsewhere = !a.contributors.empty() && !alert_->contributors.empty() &&
                         a.contributors.front().name != alert_->contributors.front().name && a.contributors.front().share > 0.5;
  if (a.adapted || (!moved && !elsewhere && !adapted)) return;
  a.state = AlertState::updated;
  a.told = now;
  a.evidence = evidence_.value();
  last_reported_ = distance;
  *alert_ = a;
  shared_.pending.push_back(std::move(a));
}

void Subject::resolve(Resolution why, Time now) {
  Alert a = *std::exchange(alert_, std::nullopt);
  a.state = AlertState::resolved;
  a.resolution = why;
  a.told = now;
  a.adapted = false;
  a.summary = a.subject + (why == Resolution::returned ? ": back to normal by " : ": taken as the new normal from ") + format_rfc3339(now) +
              "; it was: " + a.summary;
  shared_.pending.push_back(std::move(a));
  restart();
  state_ = SubjectState::armed;
}

void Subject::restart() {
  evidence_.reset();
  onset_.reset();
  gap_by_site_.clear();
}

void Subject::accept(Time now) {
  changed();
  if (alert_) resolve(Resolution::accepted, now);
  suppressed_ = false;
  relearn();
}

void Subject::relearn() {
  restart();
  forget_baseline();
  state_ = SubjectState::learning;
  updates_ = 0;
  recent_ = recent_expected_ = 0;
  not_before_ = newest_at_ = Time::min();
}

std::vector<Contributor> Subject::sites(double direction) const {
  std::vector<Contributor> out;
  double total = 0;
  for (const auto& [site, gap] : gap_by_site_) total += std::max(0.0, gap * direction);
  for (const auto& [site, gap] : gap_by_site_) {
    const double part = std::max(0.0, gap * direction);
    if (part > 0) out.push_back({shared_.site_name(site), part / total});
  }
  std::stable_sort(out.begin(), out.end(), [](const Contributor& a, const Contributor& b) { return a.share > b.share; });
  if (out.size() > kContributorsMax) out.resize(kContributorsMax);
  return out;
}

SubjectView Subject::view() const {
  SubjectView v;
  v.kind = to_string(spec_.kind);
  v.subject = spec_.subject;
  v.state = state_;
  v.updates = updates_;
  v.expected = recent_expected_;
  v.recent = recent_;
  v.log_evidence = evidence_.log_value();
  v.log_threshold = state_ == SubjectState::learning ? 0 : std::log(threshold());
  v.muted_until = muted_until_;
  if (alert_) v.since = alert_->since;
  if (state_ != SubjectState::learning) v.effects = effects();
  return v;
}

const Piece& Subject::piece() const {
  if (!piece_) {
    ByteWriter own, out;
    save(own);
    out.put_text(to_string(spec_.kind));
    out.put_text(spec_.subject);
    out.put_text(own.take());
    piece_ = std::make_shared<const std::string>(out.take());
  }
  return piece_;
}

void Subject::save(ByteWriter& out) const {
  save_baseline(out);
  evidence_.save(out);
  onset_.save(out);
  out.put<std::uint32_t>(static_cast<std::uint32_t>(gap_by_site_.size()));
  for (const auto& [site, gap] : gap_by_site_) {
    out.put(site);
    out.put(gap);
  }
  out.put(static_cast<std::uint8_t>(state_));
  out.put<std::uint8_t>(suppressed_ ? 1 : 0);
  out.put(updates_);
  out.put(last_reported_updates_);
  for (const double v : {recent_, recent_expected_, recovery_evidence_, last_reported_, earlier_evidence_}) out.put(v);
  out.put(raised_by_);
  for (const Time t : {first_, last_, muted_until_, not_before_, newest_at_, recovering_since_, last_reported_at_}) {
    out.put<std::int64_t>(t.time_since_epoch().count());
  }
  out.put<std::uint8_t>(alert_ ? 1 : 0);
  if (alert_) save_alert(*alert_, out);
}

void Subject::load(ByteReader& in, std::uint32_t version) {
  changed();
  load_baseline(in);
  evidence_.load(in);
  onset_.load(in);
  gap_by_site_.clear();
  const auto sites = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < sites && in.ok(); ++i) {
    const auto site = in.get<std::uint16_t>();
    gap_by_site_[site] = in.get<double>();
  }
  state_ = static_cast<SubjectState>(std::min<std::uint8_t>(in.get<std::uint8_t>(), 2));
  suppressed_ = in.get<std::uint8_t>() != 0;
  updates_ = in.get<std::uint64_t>();
  last_reported_updates_ = version < 4 ? updates_ : in.get<std::uint64_t>();
  for (double* v : {&recent_, &recent_expected_, &recovery_evidence_, &last_reported_}) *v = in.get<double>();
  earlier_evidence_ = version < 5 ? 0 : in.get<double>();
  raised_by_ = version < 5 ? static_cast<std::uint8_t>(leader()) : std::min<std::uint8_t>(in.get<std::uint8_t>(), evidence_.size() - 1);
  for (Time* t : {&first_, &last_, &muted_until_, &not_before_, &newest_at_, &recovering_since_, &last_reported_at_})
    *t = Time(Millis(in.get<std::int64_t>()));
  alert_.reset();
  if (in.get<std::uint8_t>() != 0) alert_ = load_alert(in, version);
  // An alarm without its alert could never be resolved.
  if (state_ == SubjectState::alarmed && !alert_) state_ = SubjectState::armed;
}

void save_alert(const Alert& alert, ByteWriter& out) {
  out.put_text(alert.alert_id);
  out.put(static_cast<std::uint8_t>(alert.state));
  out.put_text(alert.kind);
  out.put_text(alert.subject);
  out.put<std::int64_t>(alert.since.time_since_epoch().count());
  out.put<std::int64_t>(alert.detected.time_since_epoch().count());
  for (const Time t : {alert.earliest, alert.latest, alert.told}) out.put<std::int64_t>(t.time_since_epoch().count());
  for (const double v : {alert.evidence, alert.threshold, alert.before, alert.after}) out.put(v);
  out.put(static_cast<std::uint8_t>(alert.severity));
  out.put(static_cast<std::uint8_t>(alert.resolution));
  out.put<std::uint8_t>(alert.adapted ? 1 : 0);
  out.put_text(alert.summary);
  out.put_text(alert.action);
  out.put<std::uint32_t>(static_cast<std::uint32_t>(alert.effects.size()));
  for (const Effect& e : alert.effects) {
    out.put_text(e.name);
    out.put(e.value);
  }
  out.put<std::uint32_t>(static_cast<std::uint32_t>(alert.contributors.size()));
  for (const Contributor& c : alert.contributors) {
    out.put_text(c.name);
    out.put(c.share);
  }
  out.put_text(alert.model_version);
}

Alert load_alert(ByteReader& in, std::uint32_t version) {
  Alert a;
  a.alert_id = in.get_text();
  a.state = static_cast<AlertState>(std::min<std::uint8_t>(in.get<std::uint8_t>(), 2));
  a.kind = in.get_text();
  a.subject = in.get_text();
  a.since = Time(Millis(in.get<std::int64_t>()));
  a.detected = Time(Millis(in.get<std::int64_t>()));
  for (Time* t : {&a.earliest, &a.latest}) *t = Time(Millis(in.get<std::int64_t>()));
  if (version >= 4) a.told = Time(Millis(in.get<std::int64_t>()));
  for (double* v : {&a.evidence, &a.threshold, &a.before, &a.after}) *v = in.get<double>();
  a.severity = static_cast<Severity>(std::min<std::uint8_t>(in.get<std::uint8_t>(), 1));
  a.resolution = static_cast<Resolution>(std::min<std::uint8_t>(in.get<std::uint8_t>(), 2));
  a.adapted = version >= 4 && in.get<std::uint8_t>() != 0;
  a.summary = in.get_text();
  a.action = in.get_text();
  const auto effects = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < effects && in.ok(); ++i) {
    Effect e;
    e.name = in.get_text();
    e.value = in.get<double>();
    a.effects.push_back(std::move(e));
  }
  const auto contributors = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < contributors && in.ok(); ++i) {
    Contributor c;
    c.name = in.get_text();
    c.share = in.get<double>();
    a.contributors.push_back(std::move(c));
  }
  a.model_version = in.get_text();
  return a;
}

// The length of what comes first depends on what was watched, so this goes from the end: an alert, if there is one, begins with
// its id and is the last thing; before it come whether there is one, and the times.
std::optional<SubjectRemains> remains_of(std::string_view bytes, const std::string& name, std::uint32_t version) {
  constexpr std::size_t kFromMuted = 5 * sizeof(std::int64_t);  // to the end of the times
  const std::size_t id = bytes.find(name + "@");
  const bool open = id != std::string_view::npos;
  const std::size_t before = open ? sizeof(std::uint32_t) + 1 : 1, end = open ? id : bytes.size();
  if (end < before + kFromMuted) return std::nullopt;
  ByteReader in(bytes.substr(end - before - kFromMuted));
  SubjectRemains out;
  out.muted_until = Time(Millis(in.get<std::int64_t>()));
  for (std::size_t i = sizeof(std::int64_t); i < kFromMuted; i += sizeof(std::int64_t)) in.get<std::int64_t>();
  if (in.get<std::uint8_t>() != (open ? 1 : 0)) return std::nullopt;
  if (open) out.alert = load_alert(in, version);
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return out;
}

Alert no_longer_watched(Alert a, Time now) {
  a.state = AlertState::resolved;
  a.resolution = Resolution::accepted;
  a.told = now;
  a.adapted = false;
  a.summary = a.subject + ": no longer watched as before, from " + format_rfc3339(now) + "; it was: " + a.summary;
  return a;
}

}  // namespace lacuna::drift
