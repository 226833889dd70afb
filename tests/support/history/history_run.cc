#include "tests/support/history/history_run.h"

#include <algorithm>
#include <iostream>
#include <stdexcept>
#include <thread>

#include "state/records/hash.h"

namespace lacuna::history {

namespace {

namespace fs = std::filesystem;
using daemon::Config;
using daemon::Pipeline;

constexpr std::int32_t kPartitions = 2;
constexpr int kTurnsMax = 20'000;
constexpr int kTriesMax = 100;  // the simulated log may be out of reach now and then
constexpr Millis kNever = std::chrono::hours(24 * 365);

Config config(House& house, const std::string& folder, const Options& options) {
  Config c;
  c.data_dir = folder;
  c.store.path = folder + "/state";
  c.log.partitions = kPartitions;
  c.batch.max_delay = options.poll_wait;
  c.late_max = kLateMax;
  c.identity_horizon = std::chrono::hours(24 * 365 * 10);
  c.state_history = c.state_payloads = options.history;
  c.model.latent_dim = 2;
  c.model.hidden_dim = 8;
  c.train.batch_size = 4;
  c.train.queue_examples_max = 1'000'000;  // the loop never waits for the learner's thread
  c.train.examples_per_step = 1'000'000;   // nothing is learned: what is held against the model is what would be learned from
  c.predict.samples = 1;
  c.store.memory_bytes_max = 8U << 20;
  c.store.replay_capacity = 2000;
  c.http.enabled = false;
  c.checkpoint_every = c.checkpoint_publish_every = kNever;
  c.rebuild_after = kNever;
  house.name_topics(c);
  return c;
}

}  // namespace

Run::Run(House& house, const Options& options, Statistics& statistics)
    : house_(house),
      options_(options),
      statistics_(statistics),
      random_(options.seed),
      schemas_(random_),
      generator_(random_, 60 + static_cast<int>(options.seed % 90), schemas_),
      config_(config(house, scratch_ / "data", options)),
      model_(schemas_.current(), kLateMax, options.history, config_.topics.transfers),
      check_(model_, config_.topics, kPartitions, options.aloud) {
  // The loop never waits for the learner: what it reads next would depend on how fast that one is.
  config_.train.serve_after = 1'000'000;
  config_.observations_min = 0;  // what is missing is told, also by a model that has learned nothing
  config_.schema = std::make_shared<Schema>(schemas_.current());
}

void Run::did(const std::string& deed) {
  statistics_.deeds[deed] += 1;
  statistics_.trace = hash64(deed, statistics_.trace);
  if (options_.aloud) std::cerr << sent_ << " sent: " << deed << "\n";
}

std::string Run::run() {
  try {
    Status made;
    for (int tries = 0; tries == 0 || (made.code() == Code::unavailable && tries < kTriesMax); ++tries) {
      made = house_.log().ensure_topics({{config_.topics.events.front(), kPartitions, {}}});
    }
    if (!made.ok()) throw std::runtime_error(made.to_string());
    start();
    disturbed();
    if (!failed()) final_state();
    if (!failed() && options_.delivered_twice) second_delivery();
    end();
  } catch (const std::exception& e) {
    check_.found(std::string("threw: ") + e.what());
  }
  pipeline_.reset();
  statistics_.seeds += 1;
  statistics_.events += static_cast<std::uint64_t>(sent_);
  statistics_.batches += check_.batches;
  statistics_.snapshots += check_.snapshots;
  statistics_.imputations += check_.imputations;
  statistics_.letters += check_.letters;
  statistics_.examples += check_.examples;
  statistics_.moved += check_.moved;
  for (const auto& [partition, trace] : check_.traces) statistics_.trace = hash64(partition.first, statistics_.trace ^ trace);
  for (const auto& [partition, counts] : model_.counts()) statistics_.counts += counts;
  return check_.problem();
}

// --- what is done ---

void Run::start() {
  config_.batch.max_events = chance(0.3) ? 3 + below(60) : 40 + below(200);
  if (options_.batch_max > 0) config_.batch.max_events = options_.batch_max;
  config_.checkpoint_every = chance(0.2) ? Millis(0) : kNever;
  dies_at_.clear();
  Pipeline::Hooks hooks;
  hooks.sleep = [this](Millis pause) { house_.sleep(pause); };
  hooks.steady = [this] { return house_.steady(); };
  hooks.at_point = [this](std::string_view point, std::span<const streaming::Record> batch) {
    if (point == "encoded") check_.prepared(batch);
    if (dies_at_ == point && dies_after_-- == 0) throw Death{};
  };
  auto made = Pipeline::make(
      config_, house_.log(), [this] { return house_.now(); }, hooks);
  if (!made.ok()) throw std::runtime_error("does not start: " + made.status().to_string());
  pipeline_ = std::move(*made);
}

void Run::end() {
  if (!pipeline_) return;
  const std::uint64_t late = pipeline_->progress().counts.late_corrections;
  statistics_.late_corrections += late;
  if (late > 0 && options_.history >= 1000) check_.found("a correction came too late for a history that holds everything");
  pipeline_.reset();
}

void Run::turn() {
  house_.sleep(Millis(20));
  if (house_.slow_down() > Millis(0)) std::this_thread::sleep_for(house_.slow_down());
  try {
    const auto worked = pipeline_->turn();
    if (worked.ok()) return;
    if (worked.code() != Code::fenced) return check_.found("ended: " + worked.status().to_string());
    did("left");
    end();
    start();
  } catch (const Death&) {
    die();
  }
}

void Run::die() {
  const bool silent = chance(0.5);
  did("death at " + dies_at_);
  house_.set_crashing(silent);
  end();
  house_.set_crashing(false);
  house_.reopen();
  if (chance(0.2)) compact();
  if (chance(0.25)) lose_disk();
  start();
}

void Run::lose_disk() {
  did("disk lost");
  fs::remove_all(config_.store.path);
}

/// As on SIGTERM; leaves no pipeline.
void Run::stop() {
  try {
    pipeline_->stop();
    (void)pipeline_->run(false);
    end();
  } catch (const Death&) {
    house_.set_crashing(chance(0.5));
    end();
    house_.set_crashing(false);
  }
  house_.reopen();
}

void Run::grow() {
  drain();
  if (failed()) return;
  if (chance(0.5)) stop();
  else end();
  house_.reopen();
  check_.catch_up(house_.log());
  if (schemas_.grow()) {
    did("schema grown");
    config_.schema = std::make_shared<Schema>(schemas_.current());
    model_.grow(schemas_.current());
  }
  if (chance(0.3)) lose_disk();
  start();
}

void Run::compact() {
  check_.catch_up(house_.log());
  house_.compact(config_.topics.state);
  house_.compact(config_.topics.model);
}

void Run::drain() {
  dies_at_.clear();
  for (int turns = 0; !failed(); ++turns) {
    if (turns > kTurnsMax) return check_.found("does not come to rest");
    turn();
    if (turns % 8 != 7) continue;
    check_.catch_up(house_.log());
    if (check_.consumed() == sent_ && check_.arrived() && pipeline_->progress().ready) return;
  }
}

void Run::send(const std::vector<Message>& messages) {
  auto appender = house_.log().appender();
  if (!appender.ok()) throw std::runtime_error(appender.status().to_string());
  for (const Message& message : messages) {
    const Status appended = (*appender)->append({config_.topics.events.front(), std::nullopt, message.patient_id, message.text, {}});
    if (!appended.ok()) throw std::runtime_error(appended.to_string());
    sent_ += 1;
  }
  if (const Status flushed = (*appender)->flush(); !flushed.ok()) throw std::runtime_error(flushed.to_string());
}

void Run::disturbed() {
  while (sent_ < options_.events && !failed()) {
    const std::size_t kind = below(1000);
    if (kind < 400) {
      const std::size_t most = std::min(options_.sent_at_once, static_cast<std::size_t>(options_.events - sent_));
      std::vector<Message> messages(1 + below(most));
      for (Message& message : messages) message = generator_.next();
      send(messages);
    } else if (kind < 425) {
      if (!dies_at_.empty()) continue;
      dies_at_ = Pipeline::kPoints[below(Pipeline::kPoints.size())];
      dies_after_ = below(6);
    } else if (kind < 435) {
      did("stop");
      stop();
      if (chance(0.2)) lose_disk();
      start();
    } else if (kind < 444) {
      grow();
    } else if (kind < 454) {
      compact();
    } else {
      turn();
    }
  }
}

// --- what is left ---

std::map<std::string, Snapshot> Run::read_store(const std::string& where) {
  std::map<std::string, Snapshot> out;
  state::StoreOptions options = config_.store;
  auto store = state::Store::open(*config_.schema, options);
  if (!store.ok()) throw std::runtime_error(where + ": " + store.status().to_string());
  check_.store(**store, where);
  const Status read = (*store)->for_each_snapshot([&out](Snapshot s) { out.emplace(s.patient_id, std::move(s)); });
  if (!read.ok()) throw std::runtime_error(where + ": " + read.to_string());
  return out;
}

void Run::final_state() {
  house_.calm();
  drain();
  if (failed()) return;
  check_.no_more(house_.log());
  stop();
  const auto kept = read_store("the store");
  fs::remove_all(config_.store.path);
  start();
  drain();
  if (failed()) return;
  stop();
  if (read_store("the store made anew from the changelog") != kept) check_.found("the store made anew is another one");
}

/// All that still counts once more, on a store that was made anew: nothing changes.
void Run::second_delivery() {
  const std::map<std::string, Snapshot> kept = read_store("before the second delivery");
  start();
  std::vector<Message> again;
  for (const auto& [patient, message] : generator_.sent()) again.push_back(message);
  if (options_.aloud) std::cerr << "second delivery\n";
  send(again);
  drain();
  if (failed()) return;
  check_.no_more(house_.log());
  stop();
  const std::map<std::string, Snapshot> now = read_store("after the second delivery");
  const std::set<std::string> exempt = model_.order_matters();
  statistics_.unchanged += model_.persons().size() - exempt.size();
  for (const auto& [key, snapshot] : kept) {
    if (failed() || exempt.contains(key)) continue;
    if (!now.contains(key) || now.at(key) != snapshot) check_.found("the second delivery changes " + key);
  }
}

}  // namespace lacuna::history
