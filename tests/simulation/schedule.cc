#include "tests/simulation/schedule.h"

#include <unistd.h>

#include <deque>
#include <filesystem>
#include <iostream>
#include <optional>
#include <set>
#include <stdexcept>

#include "daemon/config/config.h"
#include "daemon/pipeline/pipeline.h"
#include "state/records/hash.h"
#include "tests/simulation/stream.h"
#include "tests/support/scratch_folder.h"

namespace lacuna::simulation {

namespace {

namespace fs = std::filesystem;
using daemon::Config;
using daemon::Pipeline;
using streaming::Fault;
using streaming::TopicPartition;

constexpr const char* kGroup = "lacuna";
constexpr Millis kNever = std::chrono::hours(24 * 365);
/// Calm turns after which a run that has not come to rest never will.
constexpr int kCalmTurnsMax = 3000;
constexpr int kQuietRounds = 3;
/// What a turn takes that waits for nothing.
constexpr Millis kTurnTime{20};

/// The process ends here. Not a std::exception: the loop must not take it for a fault of the batch.
struct Death {};

struct Instance {
  std::string name;
  fs::path folder, copy;
  std::unique_ptr<Pipeline> pipeline;
  std::set<SourcePosition> condemned;           ///< poison that this process met alone
  std::optional<SourcePosition> condemned_now;  ///< in this turn
  std::string dies_at;                          ///< a point; empty: not soon
  std::size_t dies_after = 0;
  bool wanted = true;
  bool impostor = false;  ///< has the name of another, and a folder of its own
};

class Simulation {
 public:
  Simulation(std::uint64_t seed, Statistics& statistics, bool aloud) : random_(seed), statistics_(statistics), aloud_(aloud) {
    log_.set_trace([this](const std::string& what) { say("  " + what); });
    schema_ = std::make_shared<Schema>(small_schema());
    partitions_ = static_cast<std::int32_t>(1 + below(3));
    topics_ = {"events-a"};
    if (chance(0.25)) topics_.emplace_back("events-b");
    const Config c = config("", "");
    for (const std::string& topic : topics_) make_topic(topic);
    for (const std::string& topic :
         {c.topics.imputations, c.topics.alerts, c.topics.dead_letters, c.topics.state, c.topics.model, c.topics.transfers}) {
      make_topic(topic);
    }
    log_.limit_records(c.topics.dead_letters, kDeadLetterBytesMax);
    stream_.emplace(random_, log_, topics_, partitions_, kGroup);
    const std::size_t count = chance(0.5) ? 1 : 2 + below(2);
    for (std::size_t i = 0; i < count; ++i) add_instance();
    draw_faults();
  }

  Report run() {
    try {
      disturbed();
      calm();
      if (report_.problems.empty()) {
        report_.outcome = outcome();
        report_.problems = check(*schema_, report_.outcome);
      }
    } catch (const std::exception& e) {
      problem(std::string("threw: ") + e.what());
    }
    for (Instance& i : instances_) end(i);
    for (std::size_t f = 0; f < streaming::kFaultCount; ++f) statistics_.faults[f] += log_.counts()[f];
    statistics_.seeds += 1;
    return std::move(report_);
  }

 private:
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }
  bool chance(double p) { return static_cast<double>(random_() >> 11) * 0x1.0p-53 < p; }
  void say(const std::string& what) {
    if (aloud_) std::cerr << what << "\n";
    statistics_.digest = hash64(what, statistics_.digest);
    report_.schedule.push_back(what);
  }
  void did(Deed deed, const std::string& to) {
    statistics_.deeds[static_cast<std::size_t>(deed)] += 1;
    say(std::string(to_string(deed)) + " " + to);
  }
  void problem(const std::string& what) {
    say("PROBLEM " + what);
    report_.problems.push_back(what);
  }
  void make_topic(const std::string& name) {
    if (const Status s = log_.ensure_topics({{name, partitions_, {}}}); !s.ok()) throw std::runtime_error(s.to_string());
  }

  /// Every schedule has its own mixture: what is rare everywhere would never meet what is rare elsewhere.
  void draw_faults() {
    for (std::size_t f = 0; f <= static_cast<std::size_t>(Fault::news_delayed); ++f) {
      const auto fault = static_cast<Fault>(f);
      if (chance(0.5)) continue;
      const bool often =
          fault == Fault::commit_delayed || fault == Fault::short_poll || fault == Fault::short_read || fault == Fault::news_delayed;
      const bool grave = fault == Fault::fenced || fault == Fault::member_put_out || fault == Fault::commit_unknown_applied ||
                         fault == Fault::commit_unknown_lost;
      log_.set_probability(fault, to_unit() * (often ? 0.8 : grave ? 0.05 : 0.2));
    }
  }
  double to_unit() { return static_cast<double>(below(1000)) / 1000; }

  Config config(const std::string& name, const fs::path& folder) const {
    Config c;
    c.instance = name;
    c.data_dir = folder.string();
    c.store.path = c.data_dir + "/state";
    c.schema = schema_;
    c.log.group = kGroup;
    c.log.partitions = partitions_;
    c.topics.events = topics_;
    c.batch.max_events = 12;
    c.late_max = kLateMax;
    c.model.latent_dim = 2;
    c.model.hidden_dim = 8;
    c.train.batch_size = 4;
    c.train.examples_per_step = 1'000'000;  // the learner's thread changes nothing that a schedule depends on
    c.predict.samples = 1;
    c.store.memory_bytes_max = 8u << 20;
    c.store.replay_capacity = 50;
    c.http.enabled = false;
    c.checkpoint_every = c.checkpoint_publish_every = kNever;
    return c;
  }

  Instance& add_instance() {
    Instance i;
    i.name = "i" + std::to_string(instances_.size());
    i.folder = scratch_ / i.name;
    i.copy = scratch_ / (i.name + "-copy");
    instances_.push_back(std::move(i));
    return instances_.back();
  }

  std::vector<Instance*> those(bool alive) {
    std::vector<Instance*> out;
    for (Instance& i : instances_) {
      if (i.wanted && (i.pipeline != nullptr) == alive) out.push_back(&i);
    }
    return out;
  }

  // --- what happens to an instance ---

  /// The process is gone.
  void end(Instance& i) {
    if (!i.pipeline) return;
    const daemon::Recovery recovery = i.pipeline->progress().recovery;
    statistics_.rejoins += recovery.rejoins;
    statistics_.restored += recovery.records_restored;
    statistics_.wiped += recovery.wiped_too_old;
    // Nobody else writes there.
    const daemon::ChangelogFindings changelog = i.pipeline->progress().changelog;
    statistics_.reviewed += changelog.reviewed_records;
    if (changelog.foreign_records + changelog.rewritten_records > 0) {
      problem(i.name + " says that " + std::to_string(changelog.foreign_records) + " records of the changelog are not the daemon's");
    }
    i.pipeline.reset();
  }

  void start(Instance& i) {
    if (fs::exists(i.folder) && chance(0.5)) {
      say("copy " + i.name);
      fs::remove_all(i.copy);
      fs::copy(i.folder, i.copy, fs::copy_options::recursive);
    }
    Config c = config(i.name, i.folder);
    if (chance(0.1)) c.checkpoint_every = Millis(0);
    if (chance(0.1)) c.checkpoint_publish_every = Millis(0);
    fs::create_directories(i.folder);
    i.condemned.clear();
    i.dies_at.clear();
    Pipeline::Hooks hooks;
    hooks.sleep = [this](Millis pause) { clock_.advance(pause); };
    hooks.steady = [this] { return clock_.steady(); };
    hooks.at_point = [this, &i](std::string_view point, std::span<const streaming::Record> batch) { at_point(i, point, batch); };
    say("start " + i.name);
    statistics_.starts += 1;
    auto made = Pipeline::make(
        c, log_, [this] { return clock_.now(); }, hooks);
    if (!made.ok()) throw std::runtime_error(i.name + " does not start: " + made.status().to_string());
    i.pipeline = std::move(*made);
  }

  void at_point(Instance& i, std::string_view point, std::span<const streaming::Record> batch) {
    statistics_.points[std::string(point)] += 1;
    if (i.dies_at == point && i.dies_after-- == 0) throw Death{};
    if (calm_ && ++calm_points_ > 20 * kCalmTurnsMax) throw Death{};
    const std::string mark = std::string(kPoison) + std::string(point);
    for (const streaming::Record& r : batch) {
      if (!r.value || r.value->find(mark) == std::string::npos || i.condemned.contains(r.position)) continue;
      // Alone it is found out; from then on the daemon refuses it without looking.
      if (batch.size() == 1) {
        i.condemned.insert(r.position);
        i.condemned_now = r.position;
      }
      statistics_.poisoned[std::string(point)] += 1;
      say("  poison at " + std::string(point) + ", " + std::to_string(batch.size()) + " records");
      throw std::runtime_error("poison");
    }
  }

  void turn(Instance& i) {
    statistics_.turns += 1;
    say("turn " + i.name);
    clock_.advance(kTurnTime);
    const std::uint64_t failed_before = log_.failed_commits();
    i.condemned_now.reset();
    try {
      const auto worked = i.pipeline->turn();
      // The batch before was not committed: everything since is forgotten, and so is what was found out.
      if (i.condemned_now && log_.failed_commits() != failed_before) i.condemned.erase(*i.condemned_now);
      if (worked.ok()) {
        worked_ = *worked;
        return;
      }
      // Replaced too often, so it leaves; nothing else may end the loop.
      if (worked.code() != Code::fenced) problem(i.name + " ended: " + worked.status().to_string());
      say("exit " + i.name);
      statistics_.exits += 1;
      end(i);
    } catch (const Death&) {
      die(i);
    }
  }

  void die(Instance& i) {
    statistics_.deaths[i.dies_at] += 1;
    const bool silent = chance(0.5);
    did(silent ? Deed::silent_death : Deed::death, i.name + " at " + i.dies_at);
    log_.set_crashing(silent);
    end(i);
    log_.set_crashing(false);
    const std::size_t fate = below(10);
    if (fate < 2) {
      did(Deed::disk_lost, i.name);
      fs::remove_all(i.folder);
    } else if (fate < 5 && fs::exists(i.copy)) {
      did(Deed::power_lost, i.name);
      fs::remove_all(i.folder);
      fs::copy(i.copy, i.folder, fs::copy_options::recursive);
    }
  }

  void stop(Instance& i) {
    did(Deed::stop, i.name);
    try {
      i.pipeline->stop();
      // A fault on the way out is no problem: what is not committed comes again.
      if (const Status s = i.pipeline->run(false); !s.ok()) say("  ended: " + s.to_string());
      end(i);
    } catch (const Death&) {
      die(i);
    }
  }

  // --- the schedule ---

  void disturbed() {
    int to_send = static_cast<int>(20 + below(60));
    const int actions = static_cast<int>(20 + below(80));
    for (int action = 0; (action < actions || to_send > 0) && report_.problems.empty(); ++action) {
      const auto alive = those(true), down = those(false);
      const std::size_t kind = below(1000);
      if (alive.empty() || (!down.empty() && kind < 150)) {
        if (!down.empty()) start(*down[below(down.size())]);
        else recruit();
      } else if (kind < 300) {
        const int records = std::min(to_send, static_cast<int>(1 + below(15)));
        stream_->send(records);
        to_send -= records;
        statistics_.records += static_cast<std::uint64_t>(records);
      } else if (kind < 400) {
        arm(*alive[below(alive.size())]);
      } else if (kind < 410 && below(2) == 0) {
        impostor(alive[below(alive.size())]->name);
      } else if (kind < 415) {
        stop(*alive[below(alive.size())]);
      } else if (kind < 425) {
        Instance& i = *alive[below(alive.size())];
        did(Deed::id_taken, i.name);
        (void)log_.open(kGroup, i.name);
      } else if (kind < 435) {
        did(Deed::compaction, "");
        log_.compact(config("", "").topics.state);
        log_.compact(config("", "").topics.model);
      } else if (kind < 438) {
        did(Deed::long_sleep, "");
        clock_.advance(std::chrono::hours(25));
      } else if (kind < 446) {
        recruit();
      } else if (kind < 452 && alive.size() > 1) {
        Instance& i = *alive[below(alive.size())];
        did(Deed::instance_removed, i.name);
        stop(i);
        i.wanted = false;
      } else {
        turn(*alive[below(alive.size())]);
      }
    }
    stream_->close();
  }

  void arm(Instance& i) {
    if (!i.dies_at.empty()) return;
    i.dies_at = Pipeline::kPoints[below(Pipeline::kPoints.size())];
    i.dies_after = below(3);
    say(i.name + " is to die at " + i.dies_at + " after " + std::to_string(i.dies_after));
  }

  /// A new instance, or one that had been removed.
  void recruit() {
    for (Instance& i : instances_) {
      if (i.wanted || i.impostor) continue;
      i.wanted = true;
      did(Deed::instance_added, i.name + " again");
      return start(i);
    }
    if (instances_.size() >= kInstancesMax) return;
    Instance& i = add_instance();
    did(Deed::instance_added, i.name);
    start(i);
  }

  /// The same name runs twice: on a machine that was given up for dead, say.
  void impostor(const std::string& name) {
    if (instances_.size() >= kInstancesMax) return;
    Instance& i = add_instance();
    i.name = name;
    i.impostor = true;
    did(Deed::name_doubled, name);
    start(i);
  }

  /// No faults any more: whoever is wanted runs until nothing is left to do.
  void calm() {
    say("calm");
    log_.calm();
    calm_ = true;
    for (Instance& i : instances_) {
      i.dies_at.clear();
      if (!i.impostor) continue;
      end(i);
      i.wanted = false;
    }
    if (those(true).empty() && those(false).empty()) instances_.front().wanted = true;
    int quiet = 0;
    for (int round = 0; quiet < kQuietRounds && report_.problems.empty(); ++round) {
      if (round > kCalmTurnsMax) return problem("does not come to rest: " + unfinished());
      bool worked = false;
      for (Instance& i : instances_) {
        if (!i.wanted) continue;
        if (!i.pipeline) start(i);
        worked_ = true;
        turn(i);
        worked = worked || worked_;
      }
      quiet = !worked && unfinished().empty() ? quiet + 1 : 0;
    }
  }

  std::map<TopicPartition, std::int64_t> ends() {
    std::map<TopicPartition, std::int64_t> out;
    auto reader = log_.reader();
    for (const std::string& topic : topics_) {
      for (std::int32_t p = 0; p < partitions_; ++p) out[{topic, p}] = (*reader)->bounds({topic, p})->second;
    }
    return out;
  }

  std::string unfinished() {
    std::string out;
    auto auditor = log_.open(kGroup, "auditor");
    for (const auto& [p, end] : ends()) {
      const std::int64_t next = (*auditor)->committed(p, Millis(0))->next_offset;
      if (log_.owner(kGroup, p).empty()) out += p.topic + "/" + std::to_string(p.partition) + " is on its way; ";
      if (next != end)
        out += p.topic + "/" + std::to_string(p.partition) + " is at " + std::to_string(next) + " of " + std::to_string(end) + "; ";
    }
    return out;
  }

  // --- what came out ---

  std::vector<streaming::Record> read_all(const std::string& topic) {
    std::vector<streaming::Record> all;
    auto reader = log_.reader();
    for (std::int32_t p = 0; p < partitions_; ++p) {
      auto records = (*reader)->read({topic, p}, 0, std::size_t{1} << 20, Millis(0));
      for (streaming::Record& r : *records) all.push_back(std::move(r));
    }
    return all;
  }

  Outcome outcome() {
    const Config c = config("", "");
    Outcome out;
    for (const std::string& topic : topics_) {
      for (streaming::Record& r : read_all(topic)) out.input.push_back(std::move(r));
    }
    out.imputations = read_all(c.topics.imputations);
    out.dead_letters = read_all(c.topics.dead_letters);
    out.changelog = read_all(c.topics.state);
    out.ends = ends();
    auto auditor = log_.open(kGroup, "auditor");
    std::map<std::string, std::vector<TopicPartition>> owned;
    for (const auto& [p, end] : out.ends) {
      out.committed[p] = *(*auditor)->committed(p, Millis(0));
      owned[log_.owner(kGroup, p)].push_back(p);
    }
    for (Instance& i : instances_) end(i);
    for (const auto& [name, partitions] : owned) {
      if (!name.empty()) read_store(name, partitions, out);
    }
    return out;
  }

  void read_store(const std::string& name, const std::vector<TopicPartition>& partitions, Outcome& out) {
    state::StoreOptions options = config("", "").store;
    options.path = scratch_ / (name + "/state");
    auto store = state::Store::open(*schema_, options);
    if (!store.ok()) throw std::runtime_error("store of " + name + ": " + store.status().to_string());
    Outcome::Held held;
    const Status read = (*store)->for_each_snapshot([&](Snapshot s) { held.patients.emplace(s.patient_id, std::move(s)); });
    if (!read.ok()) throw std::runtime_error("store of " + name + ": " + read.to_string());
    auto positions = (*store)->positions();
    if (!positions.ok()) throw std::runtime_error("store of " + name + ": " + positions.status().to_string());
    for (const TopicPartition& p : partitions) {
      held.position = (*positions)[{p.topic, p.partition}];
      out.held[p] = held;
    }
  }

  static constexpr std::size_t kInstancesMax = 3;

  std::mt19937_64 random_;
  Statistics& statistics_;
  const bool aloud_;
  Report report_;
  lacuna::testing::ScratchFolder scratch_{true};
  streaming::SimulatedClock clock_{*parse_rfc3339("2026-03-01T00:00:00Z")};
  streaming::SimulatedLog log_{clock_, random_};
  std::shared_ptr<const Schema> schema_;
  std::int32_t partitions_ = 1;
  std::vector<std::string> topics_;
  std::optional<Stream> stream_;
  std::deque<Instance> instances_;  ///< a deque: hooks refer to them
  bool worked_ = false;
  bool calm_ = false;
  int calm_points_ = 0;
};

}  // namespace

std::string_view to_string(Deed deed) {
  static constexpr std::array<std::string_view, kDeedCount> kNames{
      "death",        "silent_death", "stop",       "disk_lost",      "power_lost",      "id_taken",
      "name_doubled", "long_sleep",   "compaction", "instance_added", "instance_removed"};
  return kNames[static_cast<std::size_t>(deed)];
}

Report simulate(std::uint64_t seed, Statistics& statistics, bool aloud) { return Simulation(seed, statistics, aloud).run(); }

}  // namespace lacuna::simulation
