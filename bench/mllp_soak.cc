// `lacuna feed --mllp` from the sender's side: how many messages a second it acknowledges, how long an acknowledgement takes at a given
// rate, and that kills lose none of what was acknowledged. The real binary as a process of its own, on Kafka or on the embedded log; ORU
// of 1.9 kB; a sender that shares no code with it, sends again what was not answered, and counts itself what it was told. Afterwards the
// log is read from its beginning.
//
//   mllp_soak [--messages 100000] [--connections 8] [--rate 0] [--window 64] [--kills 0] [--kafka HOST:PORT] [--broker DIR]
//
// --rate: messages a second of all connections together; 0: as fast as answers come. --kills: SIGKILLs of the listener, spread over the
// run. --broker: the folder of tests/support/kafka.sh, whose broker is killed and started again after every other kill. Ends with 1 where
// anything was lost or turned around. docs/hospital-feeds.md has the figures.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <regex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "streaming/log/event_log.h"
#include "tests/support/daemon_process.h"
#include "tests/support/mllp_sender.h"
#include "tests/support/scratch_folder.h"

namespace {

using namespace lacuna;
using lacuna::testing::DaemonProcess;
using lacuna::testing::field;
using lacuna::testing::MllpSender;
using Steady = std::chrono::steady_clock;

struct Arguments {
  int messages = 100'000, connections = 8, window = 64, kills = 0;
  double rate = 0;
  std::string kafka, broker;
};

Arguments parse(int count, char** values) {
  Arguments out;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = values[i], value = values[i + 1];
    if (name == "--messages") out.messages = std::stoi(value);
    else if (name == "--connections") out.connections = std::stoi(value);
    else if (name == "--window") out.window = std::stoi(value);
    else if (name == "--kills") out.kills = std::stoi(value);
    else if (name == "--rate") out.rate = std::stod(value);
    else if (name == "--kafka") out.kafka = value;
    else if (name == "--broker") out.broker = value;
    else std::fprintf(stderr, "unknown: %s\n", name.c_str()), std::exit(2);
  }
  return out;
}

/// Each connection has ten patients of its own, whose messages are numbered.
std::string message(int connection, int number) {
  const std::string id = std::to_string(connection) + "-" + std::to_string(number);
  std::string out = "MSH|^~\\&|LIS|LAB|LACUNA|ICU|20260101080000+0000||ORU^R01^ORU_R01|" + id + "|P|2.5\rPID|1||" +
                    std::to_string(connection) + "." + std::to_string(number % 10) +
                    "^^^HOSP^MR||Doe^Jo||19800615|F\rPV1|1|I|ICU-4^1^2\rOBR|1|P" + id + "|F" + id + "|CHEM|||20260101075500+0000\r";
  for (int i = 1; i <= 16; ++i) {
    out += "OBX|" + std::to_string(i) + "|NM|" + std::to_string(2000 + i) + "-5^Some quantity in serum or plasma^LN||" +
           std::to_string(100 + number % 50) + ".5|mmol/L|3.5-5.1||||F|||20260101075500+0000\r";
  }
  return out;
}

/// What the connections were told.
struct Told {
  std::mutex mutex;
  std::vector<double> seconds;
  std::atomic<int> acknowledged = 0, refused = 0, sent_again = 0;
};

class Sender {
 public:
  Sender(const Arguments& arguments, int connection, std::atomic<int>& port, Told& told)
      : arguments_(arguments), connection_(connection), count_(arguments.messages / arguments.connections), port_(port), told_(told) {}

  void run() {
    const auto begin = Steady::now();
    std::vector<double> seconds;
    while (answered_ < count_) {
      MllpSender sender(port_);
      if (!sender.connected()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        continue;
      }
      told_.sent_again += highest_ - answered_;

      std::thread writer([&] { write(sender, begin); });
      while (answered_ < count_ && read(sender, seconds)) {
      }
      broken_ = true;
      writer.join();
      broken_ = false;
    }
    const std::lock_guard lock(told_.mutex);
    told_.seconds.insert(told_.seconds.end(), seconds.begin(), seconds.end());
  }

 private:
  Steady::time_point due(Steady::time_point begin, int number) const {
    if (arguments_.rate <= 0) return begin;
    return begin +
           std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(number * arguments_.connections / arguments_.rate));
  }
  void write(MllpSender& sender, Steady::time_point begin) {
    for (int number = answered_; number < count_ && !broken_;) {
      if (number - answered_ >= arguments_.window || due(begin, number) > Steady::now()) {
        std::this_thread::sleep_for(std::chrono::microseconds(100));
        continue;
      }
      times_[static_cast<std::size_t>(number % kTimes)] = Steady::now();
      if (!sender.send(MllpSender::frame(message(connection_, number)))) return;
      highest_ = std::max(highest_, ++number);
    }
  }
  bool read(MllpSender& sender, std::vector<double>& seconds) {
    const auto answer = sender.receive();
    if (!answer) return false;
    if (field(*answer, "MSA", 2) != std::to_string(connection_) + "-" + std::to_string(answered_.load())) {
      std::fprintf(stderr, "an answer out of order\n");
      std::exit(1);
    }
    if (field(*answer, "MSA", 1) == "AA") told_.acknowledged += 1;
    else told_.refused += 1;
    seconds.push_back(std::chrono::duration<double>(Steady::now() - times_[static_cast<std::size_t>(answered_ % kTimes)]).count());
    answered_ += 1;
    return true;
  }

  static constexpr int kTimes = 4096;  // more than any window
  const Arguments& arguments_;
  const int connection_, count_;
  std::atomic<int>& port_;
  Told& told_;
  std::atomic<int> answered_ = 0;
  std::atomic<bool> broken_ = false;
  int highest_ = 0;
  std::vector<Steady::time_point> times_{kTimes};
};

int port_of(DaemonProcess& daemon, std::size_t from) {
  const std::regex line("listening on 127\\.0\\.0\\.1:([0-9]+)");
  for (std::smatch found;;) {
    const std::string output = daemon.output().substr(from);
    if (std::regex_search(output, found, line)) return std::stoi(found[1]);
    if (daemon.wait(std::chrono::milliseconds(10))) {
      std::fprintf(stderr, "%s", daemon.output().c_str());
      std::exit(1);
    }
  }
}

bool run(const std::string& command) { return std::system(command.c_str()) == 0; }

/// Lost ones, and those whose first record came after that of a later message of the same patient.
int check_log(streaming::LogFactory& log, const std::string& topic, const Arguments& arguments) {
  auto reader = log.reader();
  const auto partitions = (*reader)->partition_count(topic);
  if (!partitions.ok()) return 1;
  const int each = arguments.messages / arguments.connections;
  std::vector<std::vector<bool>> seen(static_cast<std::size_t>(arguments.connections), std::vector<bool>(static_cast<std::size_t>(each)));
  std::unordered_map<std::string, int> newest;
  long records = 0, twice = 0, turned = 0;
  for (std::int32_t p = 0; p < *partitions; ++p) {
    const auto bounds = (*reader)->bounds({topic, p});
    for (std::int64_t from = bounds.ok() ? bounds->first : 0; bounds.ok() && from < bounds->second;) {
      const auto some = (*reader)->read({topic, p}, from, 5000, Millis(10'000));
      if (!some.ok() || some->empty()) return std::fprintf(stderr, "the log cannot be read: %s\n", some.status().to_string().c_str()), 1;
      for (const streaming::Record& record : *some) {
        const std::string id = field(*record.value, "MSH", 10);
        const auto connection = static_cast<std::size_t>(std::stoi(id));
        const int number = std::stoi(id.substr(id.find('-') + 1));
        records += 1;
        if (seen[connection][static_cast<std::size_t>(number)]) {
          twice += 1;
          continue;
        }
        seen[connection][static_cast<std::size_t>(number)] = true;
        const auto [at, fresh] = newest.emplace(record.key, number);
        turned += !fresh && at->second > number ? 1 : 0;
        at->second = std::max(at->second, number);
      }
      from = some->back().position.offset + 1;
    }
  }
  long lost = 0;
  for (const auto& connection : seen) lost += std::count(connection.begin(), connection.end(), false);
  std::printf("log: %ld records, %ld of them written twice; lost %ld, out of order %ld\n", records, twice, lost, turned);
  return lost + turned == 0 ? 0 : 1;
}

double quantile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

int main(int count, char** values) {
  const Arguments arguments = parse(count, values);
  const lacuna::testing::ScratchFolder folder;
  const std::string topic = "mllp-soak-" + std::to_string(Steady::now().time_since_epoch().count());
  const auto listen = [&](int port) {
    std::vector<std::string> all{"feed",     "--mllp",
                                 "--config", "configs/hospital.yaml",
                                 "--set",    "mllp.topic=" + topic,
                                 "--set",    "mllp.port=" + std::to_string(port),
                                 "--set",    "mllp.http.enabled=false",
                                 "--set",    "log.kind=" + std::string(arguments.kafka.empty() ? "embedded" : "kafka"),
                                 "--set",    "data_dir=" + folder / "data"};
    if (!arguments.kafka.empty()) all.insert(all.end(), {"--set", "log.kafka.bootstrap_servers=" + arguments.kafka});
    return std::make_unique<DaemonProcess>(all, folder / "feed.log");
  };
  auto daemon = listen(0);
  std::atomic<int> port = port_of(*daemon, 0);
  Told told;
  std::vector<std::unique_ptr<Sender>> senders;
  std::vector<std::thread> threads;
  const auto begin = Steady::now();
  for (int c = 0; c < arguments.connections; ++c) {
    senders.push_back(std::make_unique<Sender>(arguments, c, port, told));
    threads.emplace_back([&sender = *senders.back()] { sender.run(); });
  }
  int broker_kills = 0;
  for (int kill = 1; kill <= arguments.kills; ++kill) {
    const int at = static_cast<int>(static_cast<long>(arguments.messages) * kill / (arguments.kills + 1));
    while (told.acknowledged < at) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    daemon->signal(SIGKILL);
    daemon->wait(std::chrono::seconds(30));
    const std::size_t from = daemon->output().size();
    daemon = listen(port);
    port_of(*daemon, from);
    if (!arguments.broker.empty() && kill % 2 == 0) {
      broker_kills +=
          run("tests/support/kafka.sh kill --dir " + arguments.broker + " && tests/support/kafka.sh start --dir " + arguments.broker) ? 1
                                                                                                                                      : 0;
    }
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(Steady::now() - begin).count();
  daemon->signal(SIGTERM);
  const int code = daemon->wait(std::chrono::seconds(60)).value_or(-1);
  std::printf(
      "%s, %d connections, window %d, rate %s: %d acknowledged in %.1f s: %.0f a second; refused %d; sent again %d; kills of the listener "
      "%d, of the broker %d\n",
      arguments.kafka.empty() ? "embedded" : "kafka", arguments.connections, arguments.window,
      arguments.rate > 0 ? std::to_string(static_cast<int>(arguments.rate)).c_str() : "any", told.acknowledged.load(), seconds,
      told.acknowledged / seconds, told.refused.load(), told.sent_again.load(), arguments.kills, broker_kills);
  std::printf("acknowledgement: p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, most %.1f ms\n", 1e3 * quantile(told.seconds, 0.5),
              1e3 * quantile(told.seconds, 0.9), 1e3 * quantile(told.seconds, 0.99), 1e3 * quantile(told.seconds, 1));
  if (code != 0) std::printf("the listener ended with %d\n", code);
  streaming::EmbeddedOptions embedded;
  embedded.path = folder / "data/log";
  embedded.read_only = true;
  streaming::KafkaOptions kafka;
  kafka.bootstrap_servers = arguments.kafka;
  auto log = arguments.kafka.empty() ? streaming::make_embedded_log(embedded) : streaming::make_kafka_log(kafka);
  return log.ok() && code == 0 ? check_log(**log, topic, arguments) : 1;
}
