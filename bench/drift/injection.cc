// Real stays with known changes put in: what is found, how soon, and whether the alert names the right thing.
//
// The stream of PhysioNet 2012 (set-a through configs/physionet2012.yaml; a stay's ICU type is its site) is learned from as the
// daemon does it, batch by batch, up to a day. From there it goes on once for each change and strength, from the same state,
// learning on. Everything is the daemon's own: Batch, Learner, Monitor, Store; only the event log is left out.
//
//   injection prepare CONFIG SET-A FOLDER          learn up to the day, and keep the state
//   injection shuffled CONFIG SET-A FOLDER SEED BUDGET   stays in another order, up to the day, with so many false alerts a month
//                                                  accepted: how many are raised, although nothing was changed?
//   injection run CONFIG SET-A FOLDER I/N [TEXT]   every N-th case from the I-th on (0-based), one line of JSON each; only those
//                                                  whose kind, target or strength holds TEXT. Alerts go to stderr.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "daemon/commands/replay.h"
#include "daemon/config/config.h"
#include "daemon/pipeline/batch.h"
#include "state/records/hash.h"
#include "streaming/messages/encoders.h"
#include "streaming/messages/event_decoder.h"

namespace lacuna::daemon {
namespace {

constexpr Millis kHour = std::chrono::hours(1);
constexpr Millis kPrefix = kHour * 24 * 18;
constexpr std::size_t kBatch = 400;

void require(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "injection: %s\n", status.to_string().c_str());
  std::exit(1);
}

/// Takes what replay would send.
class Collector final : public streaming::Appender {
 public:
  Status append(streaming::OutputRecord record) override {
    messages.push_back(std::move(*record.value));
    return {};
  }
  Status flush() override { return {}; }
  std::vector<std::string> messages;
};

/// All events in order of time; the ICU type is the site.
std::vector<Event> read_events(const Config& config, const std::string& folder) {
  ReplayOptions options;
  options.paths = {folder};
  options.topic = config.topics.events.front();
  options.mapping = *config.mapping;
  Collector collector;
  ReplayReport report;
  ReplayWorld world = real_replay_world();
  world.progress = [](const char*, std::uint64_t, std::uint64_t) {};
  require(replay(*config.schema, options, &collector, world, report));
  const std::size_t icu = *config.schema->find_attribute("icu_type");
  streaming::EventDecoder decoder(*config.schema, config.limits);
  std::vector<Event> events;
  std::map<std::string, std::string> sites;
  for (const std::string& message : collector.messages) {
    auto decoded = decoder.decode(message, system_clock()());
    if (!decoded.decoded) continue;
    Event event = std::move(decoded.decoded->event);
    for (const AttributeValue& a : event.attributes) {
      if (a.attribute == icu) sites[event.patient_id] = config.schema->attributes()[icu].categories[static_cast<std::size_t>(a.value)];
    }
    event.site = sites[event.patient_id];
    events.push_back(std::move(event));
  }
  return events;
}

/// One daemon without a log.
class Daemon {
 public:
  Daemon(const Config& config, const std::string& folder, std::string_view checkpoint)
      : config_(config), state_(config_), decoder_(config_) {
    config_.store.path = folder + "/state";
    auto store = state::Store::open(*config_.schema, config_.store);
    require(store.status());
    store_ = std::move(*store);
    auto learner = model::Learner::make(
        *config_.schema, config_.model, config_.train, config_.predict,
        [this](std::size_t n, std::uint64_t seed) {
          auto drawn = store_->draw(n, seed);
          return drawn.ok() ? std::move(*drawn) : std::vector<Example>();
        },
        checkpoint);
    require(learner.status());
    learner_ = std::move(*learner);
    require(state_.load(config_, *store_));
  }

  void consume(const std::vector<Event>& events, std::size_t begin, std::size_t end, std::vector<Alert>& alerts) {
    std::vector<streaming::Record> records;
    for (std::size_t i = begin; i < end; ++i) {
      streaming::Record& record = records.emplace_back();
      record.position = {"events", 0, offset_++};
      record.key = events[i].patient_id;
      record.value = streaming::encode_event(*config_.schema, events[i]);
    }
    Batch batch(config_, std::move(records));
    const auto version = learner_->current();
    batch.decode(decoder_, system_clock()(), {});
    require(batch.load(*store_, nullptr));
    batch.advance(state_.monitor);
    state_.monitor.advance(events[end - 1].time);
    batch.score(*version, state_);
    for (Alert& a : state_.monitor.take_alerts()) alerts.push_back(std::move(a));
    batch.encode({}, tallies_, store_->schemas(), {});
    require(store_->apply(batch.change(state_, tallies_, system_clock()())));
    learner_->submit(batch.take_examples());
  }

  std::string checkpoint() {
    learner_->drain();
    require(store_->sync());
    return learner_->checkpoint();
  }
  std::vector<drift::SubjectView> subjects() const { return state_.monitor.subjects(); }
  double sd(FeatureId f) const { return learner_->current()->moments(f).second; }

 private:
  Config config_;
  StreamState state_;
  RecordDecoder decoder_;
  std::unique_ptr<state::Store> store_;
  std::unique_ptr<model::Learner> learner_;  // reads the store from its thread: goes first
  Tallies tallies_;
  std::int64_t offset_ = 0;
};

/// One change: what it does to the events from `onset` on, and which alerts name it.
struct Case {
  std::string kind, target, strength;
  Time onset{};
  Millis horizon{};
  std::function<void(std::vector<Event>&)> inject;  ///< of the events from the prefix on
  std::function<bool(const Alert&)> names_it;
};

double uniform(std::string_view id, std::uint64_t salt) { return to_unit(hash64(id, salt)); }

Case outage(Time onset, const Schema& schema, const std::string& modality, const std::string& site, double share) {
  Case c{"outage of an analyser in one ICU type",
         modality + "@" + site,
         std::to_string(static_cast<int>(100 * share)) + " %",
         onset,
         kHour * 48,
         {},
         {}};
  const ModalityId m = schema.find_modality(modality);
  c.inject = [=](std::vector<Event>& events) {
    std::erase_if(events, [&](const Event& e) {
      return e.time >= onset && e.time < onset + kHour * 24 && e.modality == m && e.site == site && uniform(e.event_id, 1) < share;
    });
  };
  c.names_it = [=](const Alert& a) {
    return a.kind == "missingness" && (a.subject == modality + "@" + site ||
                                       (a.subject == modality && !a.contributors.empty() && a.contributors.front().name == site));
  };
  return c;
}

/// A feature's value through `change`, in the share of patients that one analyser serves.
Case of_values(const std::string& kind, const std::string& strength, Time onset, Millis horizon, const Schema& schema,
               const std::string& modality, const std::string& feature, double share, std::function<double(double, Time)> change) {
  const FeatureId f = *schema.find_feature(schema.find_modality(modality), feature);
  Case c{kind, modality + "." + feature, strength, onset, horizon, {}, {}};
  c.inject = [=](std::vector<Event>& events) {
    for (Event& e : events) {
      if (e.time < onset || uniform(e.patient_id, 2) >= share) continue;
      for (FeatureValue& v : e.values) {
        if (v.feature == f) v.value = change(v.value, e.time);
      }
    }
  };
  c.names_it = [=](const Alert& a) {
    return a.subject == modality + "." + feature &&
           (a.kind == "value" || a.kind == "distribution" || a.kind == "error" || a.kind == "coverage" || a.kind == "measured");
  };
  return c;
}

/// Panels that came together come hours apart, in a share of the patients; as many of each as before.
Case habit(Time onset, const Schema& schema, const std::string& stays, const std::string& moves, double share) {
  Case c{
      "a new ordering habit", stays + " and " + moves, std::to_string(static_cast<int>(100 * share)) + " %", onset, kHour * 24 * 5, {}, {}};
  const ModalityId m = schema.find_modality(moves);
  c.inject = [=](std::vector<Event>& events) {
    // Within the stay: what nobody is there for is not ordered.
    std::map<std::string, Time> first, last;
    for (const Event& e : events) {
      first.try_emplace(e.patient_id, e.time);
      last[e.patient_id] = std::max(last[e.patient_id], e.time);
    }
    for (Event& e : events) {
      if (e.time < onset || e.modality != m || uniform(e.patient_id, 3) >= share) continue;
      const double by = (uniform(e.event_id, 6) < 0.5 ? -1 : 1) * (3 + 3 * uniform(e.event_id, 4));
      e.time =
          std::clamp(e.time + Millis(static_cast<std::int64_t>(by * 3'600'000)), std::max(onset, first[e.patient_id]), last[e.patient_id]);
    }
    std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
  };
  c.names_it = [=](const Alert& a) {
    if (a.kind != "pattern" || a.contributors.empty()) return false;
    const std::string& top = a.contributors.front().name;
    return top.find(stays) != std::string::npos && top.find(moves) != std::string::npos;
  };
  return c;
}

/// New stays of other ICU types go elsewhere.
Case case_mix(Time onset, const std::string& type, double turned_away) {
  Case c{"a change of case mix (ICU type)",
         "more " + type,
         std::to_string(static_cast<int>(100 * turned_away)) + " %",
         onset,
         kHour * 24 * 6,
         {},
         {}};
  c.inject = [=](std::vector<Event>& events) {
    std::map<std::string, Time> first;
    for (const Event& e : events) first.try_emplace(e.patient_id, e.time);
    std::erase_if(events,
                  [&](const Event& e) { return first[e.patient_id] >= onset && e.site != type && uniform(e.patient_id, 5) < turned_away; });
  };
  c.names_it = [=](const Alert& a) {
    return a.kind == "mix" && a.subject == "icu_type" &&
           std::any_of(a.contributors.begin(),
                       a.contributors.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(2, a.contributors.size())),
                       [&](const Contributor& k) { return k.name == type; });
  };
  return c;
}

std::vector<Case> make_cases(const Schema& schema, Time begin, const std::function<double(FeatureId)>& sd) {
  std::vector<Case> out;
  // Onsets at different hours of the day.
  const std::array<Time, 4> onsets = {begin + kHour * 3, begin + kHour * 8, begin + kHour * 14, begin + kHour * 21};
  const auto percent = [](double share) { return std::to_string(static_cast<int>(100 * share)) + " %"; };
  // Nothing put in: what is raised all the same.
  out.push_back({"nothing", "-", "-", begin, kHour * 24 * 6, [](std::vector<Event>&) {}, [](const Alert&) { return false; }});
  const std::array<std::pair<const char*, const char*>, 4> analysers = {
      {{"blood_gas", "medical"}, {"chemistry", "surgical"}, {"neuro", "cardiac_surgery"}, {"haematology", "medical"}}};
  for (const double share : {1.0, 0.75, 0.5}) {
    for (std::size_t i = 0; i < 4; ++i) out.push_back(outage(onsets[i], schema, analysers[i].first, analysers[i].second, share));
  }
  struct Unit {
    const char *modality, *feature;
    double factor;
  };
  const std::array<Unit, 4> units = {
      {{"chemistry", "bun", 0.357}, {"blood_gas", "paco2", 0.1333}, {"chemistry", "glucose", 0.0555}, {"support", "weight", 2.205}}};
  for (const double share : {1.0, 0.5, 0.2}) {
    for (std::size_t i = 0; i < 4; ++i) {
      const Unit u = units[i];
      out.push_back(of_values("a mix-up of units", percent(share), onsets[i], kHour * 24 * 4, schema, u.modality, u.feature, share,
                              [u](double v, Time) { return v * u.factor; }));
    }
  }
  const std::array<std::pair<const char*, const char*>, 4> drifting = {
      {{"chemistry", "na"}, {"chemistry", "hco3"}, {"vitals", "temp"}, {"haematology", "hct"}}};
  for (const double size : {1.0, 0.5, 0.25}) {
    for (std::size_t i = 0; i < 4; ++i) {
      const auto [modality, feature] = drifting[i];
      const double amount = size * sd(*schema.find_feature(schema.find_modality(modality), feature));
      char strength[32];
      std::snprintf(strength, sizeof strength, "%.2f sd in 4 days", size);
      const Time onset = onsets[i];
      out.push_back(of_values("a slow drift of calibration", strength, onset, kHour * 24 * 7, schema, modality, feature, 1,
                              [=](double v, Time t) { return v + amount * std::min(1.0, hours_between(onset, t) / 96); }));
    }
  }
  const std::array<std::pair<const char*, const char*>, 4> pairs = {
      {{"chemistry", "haematology"}, {"haematology", "chemistry"}, {"chemistry", "liver"}, {"chemistry", "haematology"}}};
  for (const double share : {1.0, 0.6, 0.3}) {
    for (std::size_t i = 0; i < 4; ++i) out.push_back(habit(onsets[i], schema, pairs[i].first, pairs[i].second, share));
  }
  const std::array<const char*, 4> types = {"coronary", "cardiac_surgery", "medical", "surgical"};
  for (const double away : {1.0, 0.7, 0.5}) {
    for (std::size_t i = 0; i < 4; ++i) out.push_back(case_mix(onsets[i], types[i], away));
  }
  return out;
}

/// How close to its threshold each subject came, as a logarithm.
class Closest {
 public:
  void look(const Daemon& daemon) {
    for (const drift::SubjectView& v : daemon.subjects()) {
      if (v.state == drift::SubjectState::learning) continue;
      double& most = most_.try_emplace(v.kind + "/" + v.subject, -1e9).first->second;
      most = std::max(most, v.log_evidence - v.log_threshold);
    }
  }
  void print() const {
    std::vector<std::pair<double, std::string>> order;
    for (const auto& [name, most] : most_) order.emplace_back(-most, name);
    std::sort(order.begin(), order.end());
    for (std::size_t k = 0; k < std::min<std::size_t>(12, order.size()); ++k) {
      std::fprintf(stderr, "  %6.2f %s\n", -order[k].first, order[k].second.c_str());
    }
  }

 private:
  std::map<std::string, double> most_;
};

void report(const Case& c, const std::vector<Alert>& alerts) {
  nlohmann::ordered_json line{{"kind", c.kind}, {"target", c.target}, {"strength", c.strength}, {"onset", format_rfc3339(c.onset)}};
  int raised = 0, right = 0;
  double delay = -1, first_delay = -1, since_error = 0;
  bool first_right = false, since_in = false;
  nlohmann::ordered_json others = nlohmann::ordered_json::array();
  for (const Alert& a : alerts) {
    if (a.state != AlertState::raised) continue;
    const bool it = c.names_it(a);
    raised += 1;
    right += it;
    if (raised == 1) {
      first_right = it;
      first_delay = hours_between(c.onset, a.detected);
    }
    if (it && right == 1) {
      delay = hours_between(c.onset, a.detected);
      since_error = hours_between(c.onset, a.since);
      since_in = a.earliest - kHour <= c.onset && c.onset <= a.latest + kHour;
    }
    if (!it) others.push_back(a.kind + "/" + a.subject);
  }
  line.update({{"raised", raised},
               {"right", right},
               {"delay_h", delay},
               {"first_right", first_right},
               {"first_delay_h", first_delay},
               {"since_error_h", since_error},
               {"since_in_interval", since_in},
               {"messages", alerts.size()},
               {"others", others}});
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

int prepare(const Config& config, const std::vector<Event>& events, const std::string& folder) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const Time end = config.mapping->start + kPrefix;
  std::vector<Alert> alerts;
  std::string checkpoint;
  std::size_t count = 0;
  Closest closest;
  {
    Daemon daemon(config, folder, "");
    while (count < events.size() && events[count].time < end) {
      std::size_t to = std::min(count + kBatch, events.size());
      while (to > count && events[to - 1].time >= end) --to;
      daemon.consume(events, count, to, alerts);
      closest.look(daemon);
      count = to;
      if (count / kBatch % 50 == 0) std::fprintf(stderr, "\r%zu events", count);
    }
    checkpoint = daemon.checkpoint();
  }
  std::ofstream(folder + "/learner", std::ios::binary) << checkpoint;
  std::fprintf(stderr, "\r%zu events learned from; alerts on the way: %zu\n", count, alerts.size());
  for (const Alert& a : alerts) std::fprintf(stderr, "  %s %s\n", std::string(to_string(a.state)).c_str(), a.summary.c_str());
  closest.print();
  return 0;
}

/// Another stay begins at each beginning.
std::vector<Event> shuffled(std::vector<Event> events, std::uint64_t seed) {
  std::map<std::string, Time> first;
  for (const Event& e : events) first.try_emplace(e.patient_id, e.time);
  std::vector<std::pair<double, std::string>> order;
  std::vector<Time> beginnings;
  for (const auto& [patient, time] : first) {
    order.emplace_back(uniform(patient, seed), patient);
    beginnings.push_back(std::chrono::floor<std::chrono::minutes>(time));
  }
  std::sort(order.begin(), order.end());
  std::sort(beginnings.begin(), beginnings.end());
  std::map<std::string, Millis> moved;
  for (std::size_t i = 0; i < order.size(); ++i) moved[order[i].second] = beginnings[i] - first[order[i].second];
  for (Event& e : events) e.time += moved[e.patient_id];
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
  return events;
}

int run(const Config& config, const std::vector<Event>& events, const std::string& folder, std::size_t part, std::size_t parts,
        const std::string& text) {
  std::ifstream in(folder + "/learner", std::ios::binary);
  const std::string checkpoint{std::istreambuf_iterator<char>(in), {}};
  const Time begin = config.mapping->start + kPrefix;
  const std::string copy = folder + "-" + std::to_string(part);
  const auto start_from = [&] {
    std::filesystem::remove_all(copy);
    std::filesystem::copy(folder, copy, std::filesystem::copy_options::recursive);
  };
  start_from();
  std::vector<Case> cases;
  {
    const Daemon daemon(config, copy, checkpoint);
    cases = make_cases(*config.schema, begin, [&](FeatureId f) { return daemon.sd(f); });
  }
  for (std::size_t i = part; i < cases.size(); i += parts) {
    const Case& c = cases[i];
    if ((c.kind + "|" + c.target + "|" + c.strength).find(text) == std::string::npos) continue;
    std::vector<Event> rest;
    for (const Event& e : events) {
      if (e.time >= begin && e.time < c.onset + c.horizon) rest.push_back(e);
    }
    c.inject(rest);
    start_from();
    std::vector<Alert> alerts;
    Daemon daemon(config, copy, checkpoint);
    Closest closest;
    for (std::size_t at = 0; at < rest.size(); at += kBatch) {
      daemon.consume(rest, at, std::min(at + kBatch, rest.size()), alerts);
      closest.look(daemon);
    }
    report(c, alerts);
    std::fprintf(stderr, "%s, %s, %s\n", c.kind.c_str(), c.target.c_str(), c.strength.c_str());
    for (const Alert& a : alerts) {
      std::fprintf(stderr, "  %s %s/%s at %s: %s\n", std::string(to_string(a.state)).c_str(), a.kind.c_str(), a.subject.c_str(),
                   format_rfc3339(a.detected).c_str(), a.summary.c_str());
    }
    closest.print();
  }
  std::filesystem::remove_all(copy);
  return 0;
}

int main_(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (!(command == "prepare" && argc == 5) && !(command == "shuffled" && argc == 7) && !(command == "run" && (argc == 6 || argc == 7))) {
    std::fprintf(stderr,
                 "usage: %s prepare CONFIG SET-A FOLDER | shuffled CONFIG SET-A FOLDER SEED BUDGET | run CONFIG SET-A FOLDER I/N [TEXT]\n",
                 argv[0]);
    return 2;
  }
  auto loaded = load_config(argv[2], {});
  if (!loaded.config) {
    std::fprintf(stderr, "injection: %s cannot be read\n", argv[2]);
    return 2;
  }
  const std::vector<Event> events = read_events(*loaded.config, argv[3]);
  if (command == "prepare") return prepare(*loaded.config, events, argv[4]);
  if (command == "shuffled") {
    Config other = *loaded.config;
    other.alerts.false_per_month = std::atof(argv[6]);
    std::fprintf(stderr, "seed %s, %s false alerts a month accepted\n", argv[5], argv[6]);
    return prepare(other, shuffled(events, static_cast<std::uint64_t>(std::atoll(argv[5]))), argv[4]);
  }
  std::size_t part = 0, parts = 1;
  if (std::sscanf(argv[5], "%zu/%zu", &part, &parts) != 2 || parts == 0) return 2;
  return run(*loaded.config, events, argv[4], part, parts, argc == 7 ? argv[6] : "");
}

}  // namespace
}  // namespace lacuna::daemon

int main(int argc, char** argv) { return lacuna::daemon::main_(argc, argv); }
