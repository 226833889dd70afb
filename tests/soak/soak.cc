// The soak: the real binary, several instances of it in one consumer group, on a real Apache Kafka, under
// load, while every kind of fault is injected in turn; then a verifier that knows what was sent reads what a
// read_committed consumer sees. docs/exactly-once.md says what is injected and what is verified.

#include <CLI/CLI.hpp>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "daemon/config/config.h"
#include "streaming/log/log_sink.h"
#include "tests/soak/broker.h"
#include "tests/soak/faults.h"
#include "tests/soak/fleet.h"
#include "tests/soak/observer.h"
#include "tests/soak/producer.h"
#include "tests/soak/report.h"
#include "tests/soak/verifier.h"

namespace lacuna::soak {

namespace {

constexpr int kExitSkip = 77;
constexpr std::int64_t kLagSeconds = 30;  // of load: more behind than this, nothing more is sent
constexpr std::chrono::seconds kStartLimit{120}, kDrainLimit{180}, kStopLimit{60}, kProgressEvery{10};
constexpr Millis kTick{100};

struct Options {
  std::string binary, config, kafka, folder;
  double minutes = 1;
  int instances = 3;
  std::uint32_t patients = 240;
  double rate = 500;
  double gap = 6;
  std::uint64_t seed = 1;
};

int fail(const std::string& what) {
  std::printf("soak: %s\n", what.c_str());
  return 1;
}

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int one : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, one);
  return set;
}

class Soak {
 public:
  explicit Soak(Options options) : options_(std::move(options)), broker_(options_.kafka, options_.folder + "/broker") {}

  int run() {
    // librdkafka's complaints about a broker that was killed are no news here.
    const auto lines = std::make_shared<std::ofstream>(options_.folder + "/soak.log");
    streaming::set_log_sink([lines, mutex = std::make_shared<std::mutex>()](int, const std::string& line) {
      const std::lock_guard lock(*mutex);
      *lines << line << std::endl;
    });
    if (const int code = broker_.start(true); code != 0) {
      fail("no broker (" + options_.folder + "/broker.log)");
      return code == kExitSkip ? kExitSkip : 1;
    }
    overrides_ = {"log.kafka.bootstrap_servers=" + broker_.bootstrap()};
    auto loaded = daemon::load_config(options_.config, overrides_);
    for (const auto& problem : loaded.problems) fail(format_problem(problem));
    if (!loaded.config) return 1;
    config_ = std::move(*loaded.config);
    auto log = streaming::make_kafka_log(config_.log.kafka);
    if (!log.ok()) return fail(log.status().to_string());
    log_ = std::move(*log);
    const Status made = log_->ensure_topics({{events(), config_.log.partitions, {}}});
    if (!made.ok()) return fail(made.to_string());
    return load();
  }

 private:
  const std::string& events() const { return config_.topics.events.front(); }

  int load() {
    auto appender = log_->appender();
    auto reader = log_->reader();
    if (!appender.ok() || !reader.ok()) return fail("no client");
    Journal journal(config_.log.partitions);
    Traffic traffic(*config_.schema, events(), config_.log.partitions, options_.patients, options_.seed);
    Producer producer(**appender, traffic, journal);
    Observer observer(**reader, journal, config_.topics.imputations, config_.log.partitions);
    Fleet fleet({options_.binary, options_.config, overrides_, options_.folder, config_.shutdown_timeout});
    fleet_ = &fleet;
    const std::jthread watching([&](const std::stop_token& stop) { observer.run(stop); });

    for (int i = 0; i < options_.instances; ++i) fleet.add(i);
    if (Status s = producer.send_one_each(); !s.ok()) return fail(s.to_string());
    if (!tick_until([&] { return observer.caught_up(); }, kStartLimit)) return fail("the instances did not start to consume");

    const std::string session = config_.log.kafka.properties.at("session.timeout.ms");
    Faults faults(fleet, broker_,
                  {Millis(std::stoll(session)), config_.log.kafka.transaction_timeout, Millis(std::llround(options_.gap * 1'000)),
                   options_.instances},
                  options_.seed, interrupted_.get_token());
    Status sent;
    std::atomic<bool> sending = true, disturbing = true;
    std::jthread sender([&](const std::stop_token& stop) {
      const auto lag_max = static_cast<std::int64_t>(options_.rate * kLagSeconds);
      sent = producer.run(stop, {options_.rate, lag_max}, [&] { return observer.lag(); });
      sending = false;
    });
    std::jthread disturber([&](const std::stop_token& stop) {
      faults.run(stop);
      disturbing = false;
    });
    start_ = std::chrono::steady_clock::now();
    say_ = [&] { print_progress(journal, observer, faults, fleet); };
    tick_until([&] { return !sending; },
               std::chrono::duration_cast<std::chrono::seconds>(std::chrono::duration<double, std::ratio<60>>(options_.minutes)));
    disturber.request_stop();
    tick_until([&] { return !disturbing; }, std::chrono::hours(1));
    sender.request_stop();
    tick_until([&] { return !sending; }, std::chrono::hours(1));
    disturber.join();
    sender.join();
    if (interrupted_.stop_requested()) return 130;
    if (!sent.ok()) return fail("sending: " + sent.to_string());
    if (Status s = producer.send_one_each(); !s.ok()) return fail(s.to_string());
    if (!tick_until([&] { return observer.caught_up(); }, kDrainLimit)) fail("not all was consumed in time");
    const auto stalls = observer.stalls();
    fleet.stop_all();
    tick_until([&] { return fleet.all_gone(); }, kStopLimit);
    if (interrupted_.stop_requested()) return 130;

    auto verdict = verify(journal);
    if (!verdict.ok()) return fail("reading back: " + verdict.status().to_string());
    print_report(*verdict, faults.injected(), stalls, fleet.exits(), fleet.bad_stops(), start_);
    return verdict->clean() && fleet.bad_stops().empty() ? 0 : 1;
  }

  Result<Verdict> verify(const Journal& journal) {
    auto reader = log_->reader();
    if (!reader.ok()) return reader.status();
    Verifier verifier(*config_.schema, journal, events());
    const auto& topics = config_.topics;
    using streaming::Record;
    LACUNA_RETURN_IF_ERROR(read_all(**reader, events(), [&](const Record& r) { verifier.input(r); }));
    LACUNA_RETURN_IF_ERROR(read_all(**reader, topics.dead_letters, [&](const Record& r) { verifier.dead_letter(r); }));
    LACUNA_RETURN_IF_ERROR(read_all(**reader, topics.imputations, [&](const Record& r) { verifier.imputation(r); }));
    LACUNA_RETURN_IF_ERROR(read_all(**reader, topics.state, [&](const Record& r) { verifier.changelog(r); }));
    // It joins no group: it only asks what this one has committed.
    auto member = log_->open(config_.log.group, "soak-verifier");
    if (!member.ok()) return member.status();
    for (std::int32_t p = 0; p < config_.log.partitions; ++p) {
      const auto committed = (*member)->committed({events(), p}, Millis(30'000));
      if (!committed.ok()) return committed.status();
      verifier.committed(p, committed->next_offset);
    }
    return verifier.verdict();
  }

  /// Looks after the instances until `done`, the limit or a signal; whether `done`.
  bool tick_until(const std::function<bool()>& done, std::chrono::seconds limit) {
    const sigset_t set = stop_signals();
    const timespec pause{0, std::chrono::nanoseconds(kTick).count()};
    for (const auto end = std::chrono::steady_clock::now() + limit; !done();) {
      if (interrupted_.stop_requested() || std::chrono::steady_clock::now() > end) return false;
      fleet_->tick();
      const auto now = std::chrono::steady_clock::now();
      if (say_ && now - said_ > kProgressEvery) say_(), said_ = now;
      if (sigtimedwait(&set, nullptr, &pause) > 0) interrupted_.request_stop();
    }
    return true;
  }

  void print_progress(const Journal& journal, const Observer& observer, const Faults& faults, const Fleet& fleet) {
    using Seconds = std::chrono::duration<double>;
    const auto injected = faults.injected();
    for (; told_ < injected.size(); ++told_) {
      std::printf("%5.0f s  %s\n", Seconds(injected[told_].begin - start_).count(), std::string(to_string(injected[told_].fault)).c_str());
    }
    std::printf("%5.0f s  sent %8llu  lag %6lld  imputations %8llu  instances %zu  exits %zu  faults %3zu\n",
                Seconds(std::chrono::steady_clock::now() - start_).count(), static_cast<unsigned long long>(journal.size()),
                static_cast<long long>(observer.lag()), static_cast<unsigned long long>(observer.imputations()), fleet.running().size(),
                fleet.exits().size(), injected.size());
    std::fflush(stdout);
  }

  const Options options_;
  Broker broker_;
  daemon::Config config_;
  std::vector<std::string> overrides_;
  std::unique_ptr<streaming::LogFactory> log_;
  Fleet* fleet_ = nullptr;
  std::stop_source interrupted_;
  std::function<void()> say_;
  Moment start_{}, said_{};
  std::size_t told_ = 0;  ///< faults printed
};

}  // namespace

}  // namespace lacuna::soak

int main(int argc, char** argv) {
  lacuna::soak::Options options;
  CLI::App app{"Faults in turn on a real broker under load, and a verifier"};
  app.add_option("--lacuna", options.binary, "The binary")->required()->check(CLI::ExistingFile);
  app.add_option("--config", options.config, "What the instances run")->required()->check(CLI::ExistingFile);
  app.add_option("--kafka", options.kafka, "tests/support/kafka.sh")->required()->check(CLI::ExistingFile);
  app.add_option("--dir", options.folder, "Everything lies here; wiped at the start")->required();
  app.add_option("--minutes", options.minutes, "How long faults are injected; at least once around all kinds");
  app.add_option("--instances", options.instances, "Instances of the group")->check(CLI::Range(2, 16));
  app.add_option("--patients", options.patients, "Patients")->check(CLI::Range(12, 100'000));
  app.add_option("--rate", options.rate, "Events per second")->check(CLI::Range(1.0, 1e5));
  app.add_option("--gap", options.gap, "Seconds between two faults, at most")->check(CLI::Range(0.5, 3600.0));
  app.add_option("--seed", options.seed, "Of the traffic, the faults and their moments");
  CLI11_PARSE(app, argc, argv);
  const sigset_t set = lacuna::soak::stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);  // in all threads: tick_until() waits for them
  std::filesystem::remove_all(options.folder);
  std::filesystem::create_directories(options.folder);
  std::printf("soak: seed %llu, everything in %s\n", static_cast<unsigned long long>(options.seed), options.folder.c_str());
  std::fflush(stdout);
  const int code = lacuna::soak::Soak(options).run();
  if (code == 0) std::filesystem::remove_all(options.folder + "/broker");  // gigabytes after a long one
  return code;
}
