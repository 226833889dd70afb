#include "model/drift/subject_registry.h"

#include <algorithm>
#include <cmath>

#include "state/records/subgroups.h"

namespace lacuna::drift {
namespace {

constexpr std::size_t kSubjectsMax = 10'000;
// First values that settle how a feature is standardised; where they err, the subject's own baseline makes up for it.
constexpr double kMomentsUpdates = 100;
constexpr std::array<std::uint8_t, kRecencies> kRecencyGroup = {0, 1, 1, 2, 2, 3, 3};
constexpr std::array<const char*, kStreamSubjects> kStream = {"late", "duplicate", "refused"};
constexpr double kGroupShare = 0.8;  // of a gap: it is told by the sites that have alerts of their own

// Design effects: outcomes of one patient are alike, those of different stays are nearly independent.
constexpr double kHourly = 2, kScored = 3, kByStay = 1.2;
// Log odds within which a rate may wander and still be normal. Arrivals: 0.67 to 2.2 times the odds; a fall is what an outage
// looks like, while busier hours and sicker patients are daily life. Misses and errors: up to 1.35 times.
constexpr Baseline::Slack kArrivalSlack = {0.25, 0.5}, kMeasuredSlack = {0.3, 0.5}, kMissSlack = {0, 0.2}, kStreamSlack = {0, 0.7};

Baseline::Options arrivals_baseline() {
  Baseline::Options o;
  o.groups.clear();
  for (std::size_t r = 0; r < kRecencies; ++r) o.groups.insert(o.groups.end(), kFrequencies, kRecencyGroup[r]);
  o.slack = kArrivalSlack;
  o.design_effect = kHourly;
  return o;
}

Baseline::Options cells(std::size_t count, Baseline::Slack slack, double floor, double design_effect) {
  return {std::vector<std::uint8_t>(count, 0), slack, floor, design_effect, false};
}

/// Where each of so many classes was; empty when they are not the same in another order.
std::optional<std::vector<std::size_t>> order_of(const CarriedField& field, std::size_t classes) {
  std::vector<std::size_t> from(classes);
  if (field.classes.size() != classes) return std::nullopt;
  for (std::size_t there = 0; there < classes; ++there) {
    if (!field.classes[there]) return std::nullopt;
    from[*field.classes[there]] = there;
  }
  return from;
}

/// Where each modality was; empty when they are not the same in another order, or others come to be watched in pairs.
std::optional<std::vector<std::size_t>> order_of_modalities(const SchemaMapping& grown) {
  std::vector<std::size_t> from;
  if (grown.modalities().size() != grown.from_modality_count()) return std::nullopt;
  for (const auto& there : grown.modalities()) {
    const bool in_pairs = from.size() < PatternSubject::kModalitiesMax;
    if (!there || (*there < PatternSubject::kModalitiesMax) != in_pairs) return std::nullopt;
    from.push_back(*there);
  }
  return from;
}

/// Can what is standardised by the moments of a feature's values go on? On a logarithm another unit is no other scale.
bool linear(Likelihood likelihood) { return likelihood == Likelihood::normal || likelihood == Likelihood::student_t; }

}  // namespace

SubjectRegistry::SubjectRegistry(const Schema& schema, MonitorContext& shared)
    : everybody_misses(cells(kMissCells, kMissSlack, 1 - shared.options.coverage_level, kHourly)),
      everybody_errors(cells(kErrorCells, kMissSlack, 0, kHourly)),
      schema_(schema),
      shared_(shared),
      moments_(schema.feature_count()),
      levels_(schema.feature_count()) {
  for (ModalityId m = 0; m < schema.modality_count(); ++m) arrivals_.push_back(make_arrivals(m, schema.modalities()[m].name));
  for (FeatureId f = 0; f < schema.feature_count(); ++f) make_feature_subjects(f);
  make_population_subjects();
  shared_.explained = [this](const Subject& s) { return explained(s); };
}

template <typename T, typename... Arguments>
T* SubjectRegistry::make(SubjectSpec spec, Arguments&&... arguments) {
  if (all_.size() >= kSubjectsMax || shared_.options.weights[static_cast<std::size_t>(spec.kind)] <= 0) return nullptr;
  auto subject = std::make_unique<T>(std::move(spec), shared_, std::forward<Arguments>(arguments)...);
  T* const raw = subject.get();
  by_name_[{std::string(to_string(raw->spec().kind)), raw->spec().subject}] = raw;
  all_.push_back(std::move(subject));
  return raw;
}

RateSubject* SubjectRegistry::make_arrivals(ModalityId modality, const std::string& name) {
  auto* const s = make<RateSubject>({Kind::missingness, name, Severity::info, kHourly}, Direction::both,
                                    RateSubject::Wording{"arrivals", "patient-hour"}, arrivals_baseline());
  if (s != nullptr) owners_[s] = {modality, 0, {}};
  return s;
}

RateSubject* SubjectRegistry::arrivals(ModalityId modality, std::uint16_t site) {
  if (site == 0 || site > kSiteSubjectsMax || shared_.sites.size() < 3) return nullptr;  // one is "no site"
  const auto [found, fresh] = by_site_.try_emplace({site, modality}, nullptr);
  if (fresh) {
    found->second = make_arrivals(modality, schema_.modalities()[modality].name + "@" + shared_.site_name(site));
    if (found->second != nullptr) owners_[found->second].site = site;
  }
  return found->second;
}

void SubjectRegistry::make_feature_subjects(FeatureId f) {
  const Feature& feature = schema_.features()[f];
  const std::string name = schema_.qualified_name(f);
  const auto own = [&](Subject* s) {
    if (s != nullptr) owners_[s] = {feature.modality, f, {}};
  };
  measured_.push_back(schema_.modality_of(f).feature_count < 2
                          ? nullptr
                          : make<RateSubject>({Kind::measured, name, Severity::info, kHourly}, Direction::both,
                                              RateSubject::Wording{"measured", "panel of its modality"},
                                              cells(4, kMeasuredSlack, 0, kHourly)));
  coverage_.push_back(nullptr), error_.push_back(nullptr), value_.push_back(nullptr), distribution_.push_back(nullptr);
  classes_.push_back(nullptr);
  if (is_discrete(feature.likelihood)) {
    std::vector<std::string> classes = feature.categories;
    if (classes.empty()) classes = {"no", "yes"};
    classes_.back() = make<MixSubject>({Kind::mix, name, Severity::info, kByStay}, "first values of a stay", std::move(classes));
  } else {
    coverage_.back() = make<RateSubject>({Kind::coverage, name, Severity::critical, kHourly, 0, true}, Direction::rise,
                                         RateSubject::Wording{"interval misses", "value"},
                                         cells(4, kMissSlack, 1 - shared_.options.coverage_level, kHourly));
    error_.back() =
        make<RateSubject>({Kind::error, name, Severity::critical, kHourly, 0, true}, Direction::rise,
                          RateSubject::Wording{"error (of 3 standard deviations)", "value"}, cells(kErrorCells, kMissSlack, 0, kHourly));
    value_.back() = make<ScoreSubject>({Kind::value, name, Severity::info, kScored, 0, true}, "given the rest of the patient", kScoreCells);
    distribution_.back() =
        make<ScoreSubject>({Kind::distribution, name, Severity::info, kByStay, 0, true}, "at first sight of a stay", std::size_t{1});
  }
  for (Subject* s : of_feature(f)) own(s);
  for (Subject* s : {static_cast<Subject*>(coverage_.back()), static_cast<Subject*>(error_.back()), static_cast<Subject*>(value_.back())}) {
    if (s != nullptr) s->follow(levels_[f]);
  }
}

std::array<Subject*, 6> SubjectRegistry::of_feature(FeatureId f) const {
  return {measured_[f], coverage_[f], error_[f], value_[f], distribution_[f], classes_[f]};
}

void SubjectRegistry::make_population_subjects() {
  std::vector<std::string> names;
  for (const Modality& m : schema_.modalities()) names.push_back(m.name);
  if (names.size() > 1) pattern_ = make<PatternSubject>({Kind::pattern, "together", Severity::info, kHourly}, std::move(names));
  for (const Attribute& a : schema_.attributes()) {
    admissions_.push_back(a.categories.empty() || a.outcome
                              ? nullptr
                              : make<MixSubject>({Kind::mix, a.name, Severity::info, kByStay}, "stays", a.categories));
    auto& groups = groups_.emplace_back();
    if (!a.subgroup || a.outcome) continue;  // what is watched is told apart by what is known at the time
    for (const std::string& part : parts_of(a)) {
      const std::string group = a.name + "=" + part;
      auto* const coverage = make<RateSubject>({Kind::subgroup, "coverage " + group, Severity::critical, kHourly}, Direction::rise,
                                               RateSubject::Wording{"interval misses", "value, against all patients'"}, Baseline::Options{},
                                               &everybody_misses);
      auto* const error = make<RateSubject>({Kind::subgroup, "error " + group, Severity::critical, kHourly}, Direction::rise,
                                            RateSubject::Wording{"error (of 3 standard deviations)", "value, against all patients'"},
                                            Baseline::Options{}, &everybody_errors);
      if (coverage != nullptr && error != nullptr) groups.emplace_back(coverage, error);
    }
  }
  for (const char* name : kStream) {
    stream_.push_back(make<RateSubject>({Kind::stream, name, Severity::info, kByStay}, Direction::rise,
                                        RateSubject::Wording{"share", "64 records"}, cells(1, kStreamSlack, 0.002, kHourly)));
  }
  if (shared_.options.latent_dimensions > 0) {
    latent_ = make<LatentSubject>({Kind::latent, "codes", Severity::info, kByStay, LatentSubject::kReference, true},
                                  shared_.options.latent_dimensions);
  }
}

void SubjectRegistry::first_value(FeatureId feature, double value, Time at, Time now, std::uint16_t site) {
  ScoreSubject* const subject = distribution_[feature];
  if (subject == nullptr) return;
  Moments& m = moments_[feature];
  if (m.count < kMomentsUpdates) {
    m.count += 1;
    const double from = value - m.mean;
    m.mean += from / m.count;
    m.squares += from * (value - m.mean);
    return;
  }
  const double sd = std::sqrt(std::max(m.squares / (m.count - 1), 1e-12));
  subject->update((value - m.mean) / sd, 0, at, now, site);
}

void SubjectRegistry::observe_value(FeatureId feature, double value, Time at) {
  double since_onset = 0;
  bool held = false;
  for (const Subject* s : predicted(feature)) {
    if (!alarmed(s)) continue;
    held = true;
    since_onset = std::max(since_onset, s->updates_since_onset());
  }
  levels_[feature].observe(value, at, held, since_onset);
}

bool SubjectRegistry::predicted_alarmed(FeatureId feature) const {
  const auto subjects = predicted(feature);
  return std::any_of(subjects.begin(), subjects.end(), [](const Subject* s) { return alarmed(s); });
}

std::optional<Time> SubjectRegistry::earliest_onset_of_predicted() const {
  std::optional<Time> out;
  for (FeatureId f = 0; f < value_.size(); ++f) {
    for (const Subject* s : predicted(f)) {
      if (alarmed(s)) out = std::min(out.value_or(Time::max()), s->alert()->earliest);
    }
  }
  return out;
}

void SubjectRegistry::learn_value(FeatureId feature, double value) {
  const auto subjects = predicted(feature);
  if (std::none_of(subjects.begin(), subjects.end(), [](const Subject* s) { return s != nullptr && s->suspicious(); })) {
    levels_[feature].learn(value);
  }
}

void SubjectRegistry::each_group(std::span<const std::optional<float>> attributes,
                                 const std::function<void(RateSubject&, RateSubject&)>& visit) {
  for (std::size_t a = 0; a < std::min(attributes.size(), groups_.size()); ++a) {
    if (!attributes[a]) continue;
    const std::optional<std::size_t> part = part_of(schema_.attributes()[a], *attributes[a]);
    if (part && *part < groups_[a].size()) visit(*groups_[a][*part].first, *groups_[a][*part].second);
  }
}

/// One change, one alert: what a narrower or graver alert says already is not said again.
bool SubjectRegistry::explained(const Subject& subject) const {
  const auto owned = owners_.find(&subject);
  if (owned == owners_.end()) {
    // Codes and the errors of groups are made of values: where one is off so are they; and other patients have other codes.
    const bool of_values = any_alarmed(value_) || any_alarmed(error_) || any_alarmed(coverage_);
    if (subject.spec().kind == Kind::subgroup) return of_values;
    return &subject == latent_ && (of_values || any_alarmed(distribution_) || any_alarmed(admissions_));
  }
  const auto& [modality, f, site] = owned->second;
  switch (subject.spec().kind) {
    case Kind::missingness: {
      if (site) return alarmed(arrivals_[modality]);
      double total = 0, told = 0;
      for (const auto& [index, gap] : subject.gap_by_site()) {
        const auto narrow = by_site_.find({index, modality});
        total += std::abs(gap);
        told += narrow != by_site_.end() && alarmed(narrow->second) ? std::abs(gap) : 0;
      }
      return told > kGroupShare * total;
    }
    case Kind::coverage: return alarmed(error_[f]);
    case Kind::error: return alarmed(coverage_[f]);
    case Kind::value: return alarmed(error_[f]) || alarmed(coverage_[f]);
    case Kind::distribution:
      return alarmed(error_[f]) || alarmed(coverage_[f]) || alarmed(value_[f]) || alarmed(latent_) || any_alarmed(admissions_);
    default: return false;
  }
}

Subject* SubjectRegistry::find(std::string_view kind, std::string_view subject) {
  for (const auto& s : all_) {
    if (to_string(s->spec().kind) == kind && s->spec().subject == subject) return s.get();
  }
  return nullptr;
}

void SubjectRegistry::accept(Subject& subject, Time now) {
  subject.accept(now);
  switch (subject.spec().kind) {
    case Kind::distribution: moments_[owners_.at(&subject).feature] = {}; break;
    case Kind::value:
    case Kind::error:
    case Kind::coverage: levels_[owners_.at(&subject).feature] = {}; break;
    default: break;
  }
}

void SubjectRegistry::each(const std::function<void(const Subject&)>& visit) const {
  for (const auto& s : all_) visit(*s);
}

void SubjectRegistry::save(PieceWriter& out) const {
  for (const Baseline* b : {&everybody_misses, &everybody_errors}) {
    out.cut();
    b->save(out.bytes());
  }
  for (const Moments& m : moments_) {
    out.cut();
    for (const double v : {m.count, m.mean, m.squares}) out.bytes().put(v);
  }
  for (const Level& level : levels_) {
    out.cut();
    level.save(out.bytes());
  }
  out.cut();
  // Which sites have subjects, so that they are made again.
  out.bytes().put<std::uint32_t>(static_cast<std::uint32_t>(by_site_.size()));
  for (const auto& [key, s] : by_site_) {
    out.bytes().put(key.first);
    out.bytes().put(key.second);
  }
  out.bytes().put<std::uint32_t>(static_cast<std::uint32_t>(by_name_.size()));
  out.cut();
  for (const auto& [name, s] : by_name_) out.add(s->piece());  // in an order that does not depend on which site came first
}

void SubjectRegistry::load_moments(ByteReader& in, const SchemaMapping* grown) {
  std::vector<Moments> stored(grown != nullptr ? grown->from_feature_count() : moments_.size());
  for (Moments& m : stored) {
    for (double* v : {&m.count, &m.mean, &m.squares}) *v = in.get<double>();
  }
  if (grown == nullptr) {
    moments_ = std::move(stored);
    return;
  }
  for (FeatureId f = 0; f < moments_.size(); ++f) {
    const auto& field = grown->features()[f];
    if (!field || (!field->same_unit() && !linear(schema_.features()[f].likelihood))) continue;
    const Moments& m = stored[field->from];
    const auto [factor, offset] = field->unit;
    moments_[f] = {m.count, factor * m.mean + offset, factor * factor * m.squares};
  }
}

void SubjectRegistry::load_levels(ByteReader& in, const SchemaMapping* grown) {
  std::vector<Level> stored(grown != nullptr ? grown->from_feature_count() : levels_.size());
  for (Level& level : stored) level.load(in);
  for (FeatureId f = 0; f < levels_.size(); ++f) {
    if (grown == nullptr) {
      levels_[f] = stored[f];
      continue;
    }
    const auto& field = grown->features()[f];
    if (!field || (!field->same_unit() && !linear(schema_.features()[f].likelihood))) continue;
    levels_[f] = stored[field->from];
    levels_[f].convert(field->unit.factor, field->unit.offset);
  }
}

/// Of features, classes and modalities that are new under the schema that has grown, of distributions over others than before, and of
/// what was standardised on a scale that no longer is one.
std::set<const Subject*> SubjectRegistry::begin_anew(const SchemaMapping& grown) const {
  std::set<const Subject*> out;
  for (FeatureId f = 0; f < schema_.feature_count(); ++f) {
    const auto& field = grown.features()[f];
    const Feature& feature = schema_.features()[f];
    if (!field) {
      for (const Subject* s : of_feature(f)) out.insert(s);
      continue;
    }
    if (!field->same_unit() && !linear(feature.likelihood)) out.insert(distribution_[f]);
    // Beside other classes a share means something else, and the bets are weighted otherwise.
    if (!field->classes.empty() && !order_of(*field, feature.categories.size())) out.insert(classes_[f]);
  }
  for (std::size_t a = 0; a < groups_.size(); ++a) {
    const auto& field = grown.attributes()[a];
    if (!field || (!field->classes.empty() && !order_of(*field, schema_.attributes()[a].categories.size()))) out.insert(admissions_[a]);
    if (field) continue;
    for (const auto& [coverage, error] : groups_[a]) out.insert({coverage, error});
  }
  if (!order_of_modalities(grown)) out.insert(pattern_);
  return out;
}

void SubjectRegistry::reorder(const SchemaMapping& grown, const std::set<const Subject*>& anew) {
  const auto by_class = [&](MixSubject* mix, const std::optional<CarriedField>& field, std::size_t classes) {
    if (mix != nullptr && !anew.contains(mix) && !field->classes.empty()) mix->reorder(*order_of(*field, classes));
  };
  for (FeatureId f = 0; f < classes_.size(); ++f) by_class(classes_[f], grown.features()[f], schema_.features()[f].categories.size());
  for (std::size_t a = 0; a < admissions_.size(); ++a) {
    by_class(admissions_[a], grown.attributes()[a], schema_.attributes()[a].categories.size());
  }
  if (pattern_ != nullptr && !anew.contains(pattern_)) pattern_->reorder(*order_of_modalities(grown));
}

bool SubjectRegistry::load(ByteReader& in, const SchemaMapping* grown, Time now, std::uint32_t version) {
  everybody_misses.load(in);
  everybody_errors.load(in);
  load_moments(in, grown);
  if (version >= 4) load_levels(in, grown);
  const auto sites = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < sites && in.ok(); ++i) {
    const auto site = in.get<std::uint16_t>();
    const auto there = in.get<ModalityId>();
    if (there >= (grown != nullptr ? grown->from_modality_count() : schema_.modality_count())) return false;
    if (const auto modality = grown != nullptr ? grown->modality_to(there) : there) arrivals(*modality, site);
  }
  const std::set<const Subject*> anew = grown != nullptr ? begin_anew(*grown) : std::set<const Subject*>();
  const auto count = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    std::string kind = in.get_text(), subject = in.get_text();
    const std::string bytes = in.get_text(), name = kind + "/" + subject;
    const auto found = by_name_.find({std::move(kind), std::move(subject)});
    if (found == by_name_.end() || anew.contains(found->second)) {
      const std::optional<SubjectRemains> left = remains_of(bytes, name, version);
      if (!left) return false;
      if (left->alert) shared_.pending.push_back(no_longer_watched(*left->alert, now));
      if (found != by_name_.end()) found->second->mute(left->muted_until);
      continue;
    }
    ByteReader own(bytes);
    found->second->load(own, version);
    if (!own.ok() || !own.at_end()) return false;
  }
  if (grown != nullptr) reorder(*grown, anew);
  return in.ok();
}

}  // namespace lacuna::drift
