// `lacuna run` as its supervisor sees it: a process with signals, a notify socket, HTTP probes and a disk that fails.
//
// Goal: readiness and watchdog come from the loop; a stop is quick and complete whatever is out of reach; a damaged store is
// set aside and rebuilt. Method: the real binary on the embedded log, a datagram socket in systemd's place, bytes flipped in
// the store's files. Waits end when what is waited for is there; their limits are far beyond what a slow machine needs.

#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <thread>

#include "daemon/simulator/ward.h"
#include "daemon/simulator/ward_schema.h"
#include "state/store.h"
#include "tests/support/daemon_process.h"
#include "tests/support/scratch_folder.h"
#include "tests/support/small_disk.h"

namespace lacuna::daemon {
namespace {

namespace fs = std::filesystem;
using lacuna::testing::DaemonProcess;
using std::chrono::seconds;

constexpr seconds kPatience{60};

/// While the daemon lives.
bool eventually(DaemonProcess& daemon, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end || daemon.wait(std::chrono::milliseconds(0))) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

class RunCommand : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  std::vector<std::string> run(std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"run",         "--config", "configs/simulated-ward.yaml", "--set", "data_dir=" + path("data"), "--set",
                                 "http.port=0", "--set",    "train.examples_per_step=500"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  void simulate(const std::string& duration) const {
    DaemonProcess simulate({"simulate", "--config", "configs/simulated-ward.yaml", "--set", "data_dir=" + path("data"), "--beds", "20",
                            "--duration", duration},
                           path("simulate.log"));
    ASSERT_EQ(simulate.wait(kPatience), 0) << simulate.output();
  }
  /// "consumed 4711 = ..." of the last run in this output; -1: not there.
  static long consumed(const std::string& output) {
    const std::regex line("stopped: consumed ([0-9]+)");
    long last = -1;
    for (std::sregex_iterator it(output.begin(), output.end(), line), end; it != end; ++it) last = std::stol((*it)[1]);
    return last;
  }
  static int port(const std::string& output) {
    std::smatch found;
    return std::regex_search(output, found, std::regex("http://127.0.0.1:([0-9]+)/")) ? std::stoi(found[1]) : 0;
  }
  std::size_t patients() const { return patient_ids().size(); }
  std::vector<std::string> patient_ids() const {
    const Schema schema = ward_schema();
    state::StoreOptions options;
    options.path = path("data/state");
    auto store = state::Store::open(schema, options);
    EXPECT_TRUE(store.ok()) << store.status().to_string();
    std::vector<std::string> ids;
    if (store.ok()) {
      EXPECT_TRUE((*store)->for_each_snapshot([&](const Snapshot& s) { ids.push_back(s.patient_id); }).ok());
    }
    return ids;
  }

 private:
  lacuna::testing::ScratchFolder folder_;
};

/// In systemd's place.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& path) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::abort();
  }
  ~NotifySocket() { close(fd_); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  std::size_t count(const std::string& line) {
    char buffer[4096];
    for (ssize_t n; (n = recv(fd_, buffer, sizeof buffer, 0)) > 0;) all_ += "\n" + std::string(buffer, static_cast<std::size_t>(n));
    std::size_t found = 0;
    for (std::size_t at = 0; (at = all_.find("\n" + line, at)) != std::string::npos; ++at) ++found;
    return found;
  }

 private:
  int fd_;
  std::string all_;
};

// Protects: the unit's Type=notify and WatchdogSec. A stop is answered, everything read is accounted for, and exit is 0.
TEST_F(RunCommand, TellsTheServiceManagerAndStopsOnSigterm) {
  simulate("12h");
  NotifySocket notify(path("notify"));
  DaemonProcess daemon(run(), path("run.log"), {"NOTIFY_SOCKET=" + path("notify"), "WATCHDOG_USEC=400000"});
  ASSERT_TRUE(eventually(daemon, [&] { return notify.count("READY=1") == 1; })) << daemon.output();
  ASSERT_TRUE(eventually(daemon, [&] { return notify.count("STATUS=ready") > 0; })) << daemon.output();
  const std::size_t beats = notify.count("WATCHDOG=1");
  ASSERT_TRUE(eventually(daemon, [&] { return notify.count("WATCHDOG=1") > beats + 3; })) << "an idle loop moves too";
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kPatience), 0) << daemon.output();
  EXPECT_EQ(notify.count("STOPPING=1"), 1u);
  EXPECT_EQ(notify.count("READY=1"), 1u);
  EXPECT_GE(consumed(daemon.output()), 0) << daemon.output();
}

// Protects: a broker that is not there is waited for, visibly, and does not hold up a stop.
TEST_F(RunCommand, WaitsForTheLogVisiblyAndStopsAllTheSame) {
  // Port 1 (tcpmux) is never listened on.
  DaemonProcess daemon(
      run({"--set", "log.kind=kafka", "--set", "log.kafka.bootstrap_servers=127.0.0.1:1", "--set", "log.kafka.request_timeout=1s"}),
      path("run.log"));
  ASSERT_TRUE(eventually(daemon, [&] { return port(daemon.output()) != 0; })) << daemon.output();
  httplib::Client http("127.0.0.1", port(daemon.output()));
  ASSERT_TRUE(eventually(daemon, [&] {
    const auto metrics = http.Get("/metrics");
    return metrics && std::regex_search(metrics->body, std::regex("recovery_unavailable_seconds_total (0\\.0*[1-9]|[1-9])"));
  })) << daemon.output();
  const auto ready = http.Get("/readyz");
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->status, 503);
  const auto live = http.Get("/livez");
  ASSERT_TRUE(live);
  EXPECT_EQ(live->status, 200);
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kPatience), 0) << daemon.output();
}

// Protects: the commands find the daemon and its token, a decision survives a SIGKILL right after it was answered, and what goes
// wrong on the way has a reason and an exit code.
TEST_F(RunCommand, OperatorsDecideFromTheCommandLine) {
  simulate("12h");
  std::ofstream(path("token")) << "a-token-of-more-than-16\n";
  const std::vector<std::string> token{"--set", "http.token_file=" + path("token")};
  const auto command = [&](std::vector<std::string> arguments, int expected) {
    fs::remove(path("command.log"));
    DaemonProcess process(std::move(arguments), path("command.log"));
    EXPECT_EQ(process.wait(kPatience), expected) << process.output();
    return process.output();
  };
  for (const bool again : {false, true}) {
    DaemonProcess daemon(run(token), path(again ? "second.log" : "first.log"));
    ASSERT_TRUE(eventually(daemon, [&] { return port(daemon.output()) != 0; })) << daemon.output();
    const std::string url = "http://127.0.0.1:" + std::to_string(port(daemon.output()));
    httplib::Client http(url);
    ASSERT_TRUE(eventually(daemon, [&] {
      const auto ready = http.Get("/readyz");
      const auto metrics = http.Get("/metrics");
      return ready && ready->status == 200 && metrics && metrics->body.find("lacuna_pipeline_lag_records 0") != std::string::npos;
    })) << daemon.output();
    if (again) {
      EXPECT_NE(command({"inspect", "drift", "--url", url, "--state", "muted"}, 0).find("blood_gas"), std::string::npos);
      command({"alerts", "unmute", "missingness/blood_gas", "--url", url, "--token-file", path("token")}, 0);
      EXPECT_NE(command({"inspect", "drift", "--url", url, "--state", "muted"}, 0).find("no such subject"), std::string::npos);
      continue;
    }
    const std::string table = command({"inspect", "drift", "--url", url + "/", "--all"}, 0);
    for (const char* part : {"missingness", "coverage", "vitals.temp", "learning"}) EXPECT_NE(table.find(part), std::string::npos) << table;
    EXPECT_NE(command({"inspect", "missingness", "--url", url, "--svg", path("map.svg")}, 0), "");
    EXPECT_TRUE(fs::exists(path("map.svg")));
    const std::string muted =
        command({"alerts", "mute", "missingness/blood_gas", "--for", "48h", "--url", url, "--token-file", path("token")}, 0);
    EXPECT_NE(muted.find("muted until 2026-01-03T"), std::string::npos) << muted;
    daemon.signal(SIGKILL);
    command({"alerts", "accept", "missingness/nothing", "--url", url, "--token-file", path("token")}, 1);
  }
  command({"inspect", "drift", "--url", "http://127.0.0.1:1"}, 1);
  command({"inspect", "drift"}, 2);
  command({"alerts", "mute", "blood_gas", "--url", "http://127.0.0.1:1"}, 2);
  command({"alerts"}, 2);
}

// Protects: a person is shown, merged and forgotten from the command line, nothing is done that was not said twice, and no output but
// what was asked for names anybody.
TEST_F(RunCommand, OperatorsMergeAndForgetAPersonFromTheCommandLine) {
  simulate("12h");
  DaemonProcess first(run({"--until-idle"}), path("first.log"));
  ASSERT_EQ(first.wait(kPatience), 0) << first.output();
  const std::vector<std::string> ids = patient_ids();
  ASSERT_GE(ids.size(), 3u);
  const std::string &a = ids[0], &b = ids[1];
  std::ofstream(path("token")) << "a-token-of-more-than-16\n";
  DaemonProcess daemon(run({"--set", "http.token_file=" + path("token")}), path("run.log"));
  ASSERT_TRUE(eventually(daemon, [&] { return port(daemon.output()) != 0; })) << daemon.output();
  const std::string url = "http://127.0.0.1:" + std::to_string(port(daemon.output()));
  httplib::Client http(url);
  const auto gives = [&](const std::string& target, int status, const std::string& part) {
    const auto answer = http.Get(target);
    return answer && answer->status == status && answer->body.find(part) != std::string::npos;
  };
  ASSERT_TRUE(eventually(daemon, [&] { return gives("/readyz", 200, "ok"); })) << daemon.output();
  const auto patient = [&](std::vector<std::string> arguments, int expected) {
    arguments.insert(arguments.begin(), "patient");
    arguments.insert(arguments.end(), {"--url", url});
    if (arguments[1] != "show") arguments.insert(arguments.end(), {"--token-file", path("token")});
    fs::remove(path("command.log"));
    DaemonProcess process(std::move(arguments), path("command.log"));
    EXPECT_EQ(process.wait(kPatience), expected) << process.output();
    return process.output();
  };
  const auto holds = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };

  EXPECT_TRUE(holds(patient({"show", a}, 0), "vitals.hr")) << patient({"show", a}, 0);
  EXPECT_TRUE(holds(patient({"show", a, "--format", "json"}, 0), "\"kept\":{\"ids\":"));
  EXPECT_TRUE(holds(patient({"show", "nobody"}, 1), "no such patient"));
  for (const char* what : {"forget", "merge"}) {
    std::vector<std::string> asked{what, a};
    if (what == std::string("merge")) asked.insert(asked.end(), {"--into", b});
    const auto with = [&](std::vector<std::string> more) {
      std::vector<std::string> all = asked;
      all.insert(all.end(), more.begin(), more.end());
      return all;
    };
    const std::string dry = patient(with({"--dry-run"}), 0);
    EXPECT_TRUE(holds(dry, "records in the changelog") && holds(dry, "Nothing was done")) << dry;
    EXPECT_EQ(holds(dry, "does not reach"), what == std::string("forget")) << dry;
    EXPECT_TRUE(holds(patient(asked, 2), "--confirm"));
    EXPECT_TRUE(holds(patient(with({"--confirm", b}), 2), "nothing was done"));
  }
  EXPECT_TRUE(gives("/v1/patients/" + a, 200, "vitals"));

  EXPECT_TRUE(holds(patient({"merge", a, "--into", b, "--confirm", a}, 0), "published"));
  EXPECT_TRUE(eventually(daemon, [&] { return gives("/v1/patients/" + a, 200, "\"merged_into\":\"" + b + "\""); })) << daemon.output();
  EXPECT_TRUE(eventually(daemon, [&] { return gives("/v1/patients/" + b, 200, "\"merged_from\":[\"" + a + "\"]"); })) << daemon.output();
  EXPECT_TRUE(holds(patient({"show", a}, 0), "merged into"));
  EXPECT_TRUE(holds(patient({"forget", a, "--confirm", a}, 0), "does not reach"));
  for (const std::string& id : {a, b}) {
    EXPECT_TRUE(eventually(daemon, [&] { return gives("/v1/patients/" + id, 404, "no such patient"); })) << daemon.output();
  }
  EXPECT_TRUE(holds(patient({"forget", a, "--dry-run"}, 0), "not known to this instance"));
  EXPECT_TRUE(gives("/metrics", 200, "lacuna_identity_merged_total 1"));
  EXPECT_TRUE(gives("/v1/patients/" + ids[2], 200, "vitals")) << "of others nothing is gone";
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kPatience), 0) << daemon.output();
  for (const std::string& id : {a, b}) EXPECT_FALSE(holds(daemon.output(), id)) << "an id in the log";
}

void flip_bytes(const fs::path& file) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  const auto size = static_cast<std::streamoff>(fs::file_size(file));
  for (std::streamoff at = size / 8; at < size / 2; at += 16) {
    stream.seekg(at);
    const int byte = stream.get();
    stream.seekp(at);
    stream.put(static_cast<char>(byte ^ 0x5a));
  }
}

// Protects: damage found at the start or while running is set aside, kept, and mended from the log, without anybody's help.
TEST_F(RunCommand, RebuildsADamagedStore) {
  for (const std::string kind : {"CURRENT", ".sst"}) {
    SCOPED_TRACE(kind);
    simulate("24h");
    for (int i = 0; i < 2; ++i) {  // the second start writes what the first left in RocksDB's log into table files
      DaemonProcess daemon(run({"--until-idle"}), path("run.log"));
      ASSERT_EQ(daemon.wait(kPatience), 0) << daemon.output();
    }
    const std::size_t before = patients();
    ASSERT_GT(before, 10u);
    int damaged = 0;
    for (const auto& file : fs::directory_iterator(path("data/state/rocksdb"))) {
      if (!file.path().string().ends_with(kind)) continue;
      flip_bytes(file.path());
      ++damaged;
    }
    ASSERT_GT(damaged, 0);
    simulate("24h");  // the same again: all duplicates, which still have to be looked up
    DaemonProcess daemon(run({"--until-idle"}), path("damaged.log"));
    ASSERT_EQ(daemon.wait(kPatience), 0) << daemon.output();
    EXPECT_NE(daemon.output().find("set aside"), std::string::npos) << daemon.output();
    EXPECT_TRUE(fs::exists(path("data/state.damaged-1/rocksdb")));
    EXPECT_EQ(patients(), before);
    fs::remove_all(path("data"));
  }
}

// Protects: a full disk is waited for, visibly; what the log has committed meanwhile reaches the store once there is room.
TEST_F(RunCommand, WaitsForRoomOnTheDiskAndGoesOn) {
  simulate("96h");
  fs::create_directories(path("data"));
  if (const std::string why = lacuna::testing::mount_small_disk(path("data/state"), 32u << 20); !why.empty()) GTEST_SKIP() << why;
  const lacuna::testing::Ballast ballast(path("data/state/ballast"));
  std::ofstream(path("data/state/ballast"));
  ballast.leave(1u << 20);
  DaemonProcess daemon(run({"--set", "store.memory=16MiB", "--set", "checkpoint.every=1h"}), path("run.log"));
  ASSERT_TRUE(eventually(daemon, [&] { return port(daemon.output()) != 0; })) << daemon.output();
  httplib::Client http("127.0.0.1", port(daemon.output()));
  const auto ready = [&](int status, const std::string& text) {
    const auto answer = http.Get("/readyz");
    return answer && answer->status == status && answer->body.find(text) != std::string::npos;
  };
  ASSERT_TRUE(eventually(daemon, [&] { return ready(503, "pace"); })) << daemon.output();  // no space, No space ...
  ballast.remove();
  ASSERT_TRUE(eventually(daemon, [&] {
    const auto metrics = http.Get("/metrics");
    return ready(200, "ok") && metrics && metrics->body.find("lacuna_pipeline_lag_records 0") != std::string::npos;
  })) << daemon.output();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kPatience), 0) << daemon.output();
  const std::string sent = DaemonProcess::read(path("simulate.log"));
  EXPECT_NE(sent.find(std::to_string(consumed(daemon.output())) + " events"), std::string::npos) << sent << daemon.output();
}

// Protects: the same of the embedded log's own disk, whose writes ended the daemon. Whatever came of the write that failed, each record is
// consumed once. RocksDB reserves room for its next write-ahead file where there is some, so the disk is nearly full already at the start.
TEST_F(RunCommand, WaitsForRoomUnderItsLogAndGoesOn) {
  fs::create_directories(path("data"));
  if (const std::string why = lacuna::testing::mount_small_disk(path("data/log"), 64u << 20); !why.empty()) GTEST_SKIP() << why;
  simulate("600h");
  const lacuna::testing::Ballast ballast(path("data/log/ballast"));
  std::ofstream(path("data/log/ballast"));
  ballast.leave(4u << 20);
  DaemonProcess daemon(run({"--set", "checkpoint.every=1h"}), path("run.log"));
  ASSERT_TRUE(eventually(daemon, [&] { return port(daemon.output()) != 0; })) << daemon.output();
  httplib::Client http("127.0.0.1", port(daemon.output()));
  const auto ready = [&](int status, const std::string& text) {
    const auto answer = http.Get("/readyz");
    return answer && answer->status == status && answer->body.find(text) != std::string::npos;
  };
  ASSERT_TRUE(eventually(daemon, [&] { return ready(200, "ok"); })) << daemon.output();
  ballast.leave(256u << 10);  // the daemon writes meanwhile
  ASSERT_TRUE(eventually(daemon, [&] { return ready(503, "is full"); })) << daemon.output();
  ballast.remove();
  ASSERT_TRUE(eventually(daemon, [&] {
    const auto metrics = http.Get("/metrics");
    return ready(200, "ok") && metrics && metrics->body.find("lacuna_pipeline_lag_records 0") != std::string::npos;
  })) << daemon.output();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kPatience), 0) << daemon.output();
  EXPECT_NE(daemon.output().find("is full"), std::string::npos) << daemon.output();
  const std::string sent = DaemonProcess::read(path("simulate.log"));
  EXPECT_NE(sent.find(std::to_string(consumed(daemon.output())) + " events"), std::string::npos) << sent << daemon.output();
}

// A script that trains on a file must not take an untouched model for a trained one.
TEST_F(RunCommand, NothingLearnedIsAnExitCodeOfItsOwn) {
  DaemonProcess nothing(run({"--until-idle"}), path("nothing.log"));
  EXPECT_EQ(nothing.wait(kPatience), 4) << nothing.output();
  EXPECT_NE(nothing.output().find("nothing was learned: nothing came to learn from"), std::string::npos) << nothing.output();
  simulate("2h");
  DaemonProcess few(run({"--until-idle", "--set", "train.examples_per_step=1000000", "--set", "train.queue_examples_max=1000000"}),
                    path("few.log"));
  EXPECT_EQ(few.wait(kPatience), 4) << few.output();
  EXPECT_NE(few.output().find("too few for a step"), std::string::npos) << few.output();
  DaemonProcess scores({"evaluate", "--config", "configs/simulated-ward.yaml", "--set", "data_dir=" + path("data")}, path("scores.log"));
  EXPECT_EQ(scores.wait(kPatience), 4) << scores.output();
  EXPECT_NE(scores.output().find("nothing was scored"), std::string::npos) << scores.output();
}

TEST_F(RunCommand, PassesNeedAnInputThatEnds) {
  DaemonProcess endless(run({"--epochs", "2"}), path("endless.log"));
  EXPECT_EQ(endless.wait(kPatience), 2) << endless.output();
  EXPECT_NE(endless.output().find("--until-idle"), std::string::npos) << endless.output();
  simulate("6h");
  DaemonProcess passes(run({"--until-idle", "--epochs", "3", "--set", "train.examples_per_step=16"}), path("passes.log"));
  EXPECT_EQ(passes.wait(kPatience), 0) << passes.output();
  EXPECT_NE(passes.output().find("pass 3 of 3"), std::string::npos) << passes.output();
}

}  // namespace
}  // namespace lacuna::daemon
