#include "streaming/mllp/listener.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "streaming/hl7/addressees.h"
#include "streaming/hl7/decoded.h"
#include "streaming/log/log_sink.h"
#include "streaming/mllp/acknowledgement.h"
#include "streaming/mllp/answer_memory.h"
#include "streaming/mllp/byte_stream.h"
#include "streaming/mllp/connection.h"
#include "streaming/mllp/record_writer.h"

namespace lacuna::streaming::mllp {

namespace {

using asio::ip::tcp;
using Steady = Connection::Clock;

constexpr int kBacklog = 128, kWarning = 4;
constexpr Millis kTick{250};         ///< between two looks at who is overdue
constexpr Millis kAcceptPause{200};  ///< where the system has no socket to give

std::string hex(std::uint64_t number) {
  char out[20];
  std::snprintf(out, sizeof out, "%llx", static_cast<unsigned long long>(number));
  return out;
}

/// Why a message about nobody is not taken.
Fault fault_of(const std::vector<RefusedPart>& refused) {
  Fault out;
  if (refused.empty()) return {kSegmentError, "PID", "nobody is told of"};
  const RefusedPart& first = refused.front();
  if (first.what != "record") out.location = first.what;
  out.code = first.reason == Refusal::too_large            ? kTooLong
             : first.reason == Refusal::unsupported        ? kUnknownInTable
             : out.location.find('-') != std::string::npos ? kFieldMissing
                                                           : kSegmentError;
  for (const RefusedPart& part : refused) out.text += (out.text.empty() ? "" : "; ") + part.what + ": " + part.message;
  constexpr std::size_t kTextBytesMax = 250;  // of ERR-8
  if (out.text.size() > kTextBytesMax) out.text.resize(kTextBytesMax);
  return out;
}

class ListenerImpl final : public Listener, private Receiver {
 public:
  ListenerImpl(const ListenerOptions& options, const hl7::FeedOptions& feed, const CodecLimits& limits, Clock clock)
      : options_(options),
        feed_(feed),
        limits_(limits),
        clock_(std::move(clock)),
        process_(hex(static_cast<std::uint64_t>(clock_().time_since_epoch().count())) + "-"),
        acceptor_(io_),
        tick_(io_),
        pause_(io_),
        addressees_(feed_, limits_),
        memory_(options_.remembered) {}

  ~ListenerImpl() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
    writer_.reset();
  }

  Status open(LogFactory& log);
  int port() const override { return port_; }
  ListenerCounts counts() const override;
  Status status() const override { return writer_->status(); }
  void stop() override {
    asio::post(io_, [this] { begin_stop(); });
  }
  bool stopped() const override { return stopped_; }

 private:
  /// Who waits for an answer: the place of a message in a connection.
  struct Waiter {
    std::weak_ptr<Connection> connection;
    std::uint64_t place = 0;
    Steady::time_point since{};
  };
  /// A message that waits for the log.
  struct Flight {
    std::vector<Waiter> waiters;  // the first sent it; the others sent it again meanwhile
    MessageHeader header;
    AnswerMemory::Key key;
    std::size_t bytes = 0, records = 0;
  };

  bool may_take() const override { return in_flight_bytes_ < options_.in_flight_bytes; }
  void take(const std::shared_ptr<Connection>& from, std::uint64_t place, FrameReader::Frame frame) override;
  void received(std::size_t bytes, std::uint64_t stray_bytes) override;
  void ended(const std::shared_ptr<Connection>& connection, Closed why) override;

  Status listen();
  void accept();
  void welcome(tcp::socket socket);
  void watch();
  bool wait_along(const AnswerMemory::Key& key, const Waiter& waiter);
  void write(Flight flight, std::string message, const std::vector<std::string>& persons);
  void settle(const RecordWriter::Outcome& outcome);
  void resume();
  AnswerStamp next_stamp() { return {(answers_ += 2) - 2, clock_()}; }
  void reply(const Waiter& to, const MessageHeader& header, Verdict verdict, const Fault& fault, const AnswerStamp& stamp);
  void begin_stop();
  void end_if_stopped();
  template <typename F>
  void count(F&& change) {
    const std::lock_guard lock(mutex_);
    change(counts_);
  }

  const ListenerOptions options_;
  const hl7::FeedOptions feed_;
  const CodecLimits limits_;
  const Clock clock_;
  const std::string process_;  // begins the control ids of our answers
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  std::unique_ptr<asio::ssl::context> tls_;
  tcp::acceptor acceptor_;
  asio::steady_timer tick_, pause_;
  int port_ = 0;
  std::thread thread_;
  std::atomic<bool> stopped_ = false;

  // The I/O thread's.
  hl7::AddresseeReader addressees_;
  hl7::Addressees whom_;
  AnswerMemory memory_;
  std::set<std::shared_ptr<Connection>> connections_;
  std::map<std::uint64_t, Flight> flights_;                  // by number, which rises
  std::unordered_map<std::uint64_t, std::uint64_t> flying_;  // the newest of them by AnswerMemory::Key::sender
  std::uint64_t flight_ = 0, answers_ = 1;
  std::size_t in_flight_bytes_ = 0;
  bool stopping_ = false;
  Steady::time_point full_told_{};

  mutable std::mutex mutex_;
  ListenerCounts counts_;                           // guarded by mutex_
  std::optional<Steady::time_point> oldest_since_;  // guarded by mutex_
  std::unique_ptr<RecordWriter> writer_;
};

Status ListenerImpl::listen() {
  asio::error_code error;
  const auto found = tcp::resolver(io_).resolve(options_.address, std::to_string(options_.port), tcp::resolver::passive, error);
  const std::string where = options_.address + ":" + std::to_string(options_.port);
  if (error || found.empty()) return {Code::invalid, "mllp.address: " + options_.address + " is no address of this machine"};
  const tcp::endpoint at = found.begin()->endpoint();
  acceptor_.open(at.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(at, error);
  if (!error) acceptor_.listen(kBacklog, error);
  if (error) return {Code::unavailable, "mllp: cannot listen on " + where + ": " + error.message()};
  port_ = acceptor_.local_endpoint(error).port();
  return {};
}

Status ListenerImpl::open(LogFactory& log) {
  if (!options_.tls.certificate.empty()) {
    auto tls = make_tls(options_.tls);
    if (!tls.ok()) return tls.status();
    tls_ = std::move(*tls);
  }
  auto writer = RecordWriter::start(log, [this](std::vector<RecordWriter::Outcome> outcomes) {
    asio::post(io_, [this, outcomes = std::move(outcomes)] {
      for (const RecordWriter::Outcome& outcome : outcomes) settle(outcome);
      resume();
      end_if_stopped();
    });
  });
  if (!writer.ok()) return writer.status();
  writer_ = std::move(*writer);
  LACUNA_RETURN_IF_ERROR(listen());
  accept();
  watch();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "lacuna-mllp");
    io_.run();
  });
  return {};
}

void ListenerImpl::accept() {
  acceptor_.async_accept([this](const asio::error_code& error, tcp::socket socket) {
    if (stopping_ || error == asio::error::operation_aborted) return;
    if (error) {  // no descriptor is left: others end
      pause_.expires_after(kAcceptPause);
      pause_.async_wait([this](const asio::error_code& cancelled) {
        if (!cancelled) accept();
      });
      return;
    }
    welcome(std::move(socket));
    accept();
  });
}

void ListenerImpl::welcome(tcp::socket socket) {
  count([](ListenerCounts& c) { c.accepted += 1; });
  if (connections_.size() >= options_.connections_max) {
    count([](ListenerCounts& c) { c.closed[static_cast<std::size_t>(Closed::full)] += 1; });
    const auto now = Steady::now();
    if (now - std::exchange(full_told_, now) > std::chrono::minutes(1)) {
      log_line(kWarning, "mllp: a connection was closed at once, since there are mllp.connections_max already");
    }
    return;
  }
  asio::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(tcp::socket::keep_alive(true), ignored);
  auto stream = tls_ ? tls_stream(std::move(socket), *tls_) : plain_stream(std::move(socket));
  const auto connection =
      std::make_shared<Connection>(std::move(stream), static_cast<Receiver&>(*this), options_, limits_.message_bytes_max);
  connections_.insert(connection);
  count([](ListenerCounts& c) { c.connections += 1; });
  connection->start();
}

void ListenerImpl::watch() {
  tick_.expires_after(kTick);
  tick_.async_wait([this](const asio::error_code& cancelled) {
    if (cancelled) return;
    const auto now = Steady::now();
    for (const auto& connection : std::set(connections_)) connection->check(now);
    const auto paused = std::ranges::count_if(connections_, [](const auto& connection) { return connection->paused(); });
    count([paused](ListenerCounts& c) { c.paused = static_cast<std::uint64_t>(paused); });
    watch();
  });
}

void ListenerImpl::received(std::size_t bytes, std::uint64_t stray_bytes) {
  if (bytes == 0 && stray_bytes == 0) return;
  count([=](ListenerCounts& c) {
    c.received_bytes += bytes;
    c.stray_bytes += stray_bytes;
  });
}

void ListenerImpl::ended(const std::shared_ptr<Connection>& connection, Closed why) {
  connections_.erase(connection);
  count([why](ListenerCounts& c) {
    c.connections -= 1;
    c.closed[static_cast<std::size_t>(why)] += 1;
  });
  asio::post(io_, [this] { end_if_stopped(); });
}

/// Whether the same message waits for the log already; then the waiter gets its answer too.
bool ListenerImpl::wait_along(const AnswerMemory::Key& key, const Waiter& waiter) {
  const auto flying = key.known ? flying_.find(key.sender) : flying_.end();
  if (flying == flying_.end()) return false;
  Flight& flight = flights_.at(flying->second);
  if (flight.key.content != key.content) return false;
  flight.waiters.push_back(waiter);
  return true;
}

void ListenerImpl::take(const std::shared_ptr<Connection>& from, std::uint64_t place, FrameReader::Frame frame) {
  const Waiter waiter{from, place, Steady::now()};
  Flight flight{{waiter}, read_header(frame.message), {}, 0, 0};
  const MessageHeader& header = flight.header;
  const auto refuse = [&](Refusal reason, const Fault& fault) {
    count([reason](ListenerCounts& c) { c.refused[static_cast<std::size_t>(reason)] += 1; });
    reply(waiter, header, Verdict::rejected, fault, next_stamp());
  };
  count([](ListenerCounts& c) { c.messages += 1; });
  if (header.is_answer()) {
    count([](ListenerCounts& c) {
      c.acknowledgements += 1;
      c.ignored += 1;
    });
    return from->answer(place, {});
  }
  if (frame.too_long) {
    return refuse(Refusal::too_large, {kTooLong, "", "it has more than " + std::to_string(limits_.message_bytes_max) + " bytes"});
  }
  flight.key = AnswerMemory::key_of(header, frame.message);
  const auto stamp = memory_.find(flight.key);
  if (stamp || wait_along(flight.key, waiter)) {
    count([](ListenerCounts& c) { c.duplicates += 1; });
    if (stamp) reply(waiter, header, Verdict::accepted, {}, *stamp);
    return;
  }
  if (memory_.is_reused(flight.key) || flying_.contains(flight.key.sender)) count([](ListenerCounts& c) { c.reused_control_ids += 1; });
  addressees_.read(frame.message, whom_);
  if (!whom_.persons.empty()) return write(std::move(flight), std::move(frame.message), whom_.persons);
  if (!whom_.ignored) return refuse(whom_.refused.empty() ? Refusal::malformed : whom_.refused.front().reason, fault_of(whom_.refused));
  count([](ListenerCounts& c) { c.ignored += 1; });
  reply(waiter, header, Verdict::accepted, {}, next_stamp());
}

void ListenerImpl::write(Flight flight, std::string message, const std::vector<std::string>& persons) {
  RecordWriter::Job job{++flight_, {}};
  flight.bytes = message.size() * persons.size();
  flight.records = persons.size();
  for (std::size_t i = 0; i < persons.size(); ++i) {
    OutputRecord record;
    record.topic = options_.topic;
    record.key = persons[i];
    record.value = i + 1 < persons.size() ? message : std::move(message);
    record.headers = {{"content-type", "application/hl7-v2"}};
    if (persons.size() > 1) record.headers.emplace_back(hl7::kPersonHeader, persons[i]);
    job.records.push_back(std::move(record));
  }
  in_flight_bytes_ += flight.bytes;
  {
    const std::lock_guard lock(mutex_);
    counts_.in_flight += 1;
    counts_.in_flight_bytes = in_flight_bytes_;
    if (!oldest_since_) oldest_since_ = flight.waiters.front().since;
  }
  if (flight.key.known) flying_[flight.key.sender] = job.id;
  flights_.emplace(job.id, std::move(flight));
  writer_->write(std::move(job));
}

void ListenerImpl::settle(const RecordWriter::Outcome& outcome) {
  const auto found = flights_.find(outcome.id);
  const Flight flight = std::move(found->second);
  flights_.erase(found);
  if (const auto flying = flying_.find(flight.key.sender); flying != flying_.end() && flying->second == outcome.id) flying_.erase(flying);
  in_flight_bytes_ -= flight.bytes;
  const Code code = outcome.status.code();
  {
    const std::lock_guard lock(mutex_);
    counts_.in_flight -= 1;
    counts_.in_flight_bytes = in_flight_bytes_;
    oldest_since_.reset();
    if (!flights_.empty()) oldest_since_ = flights_.begin()->second.waiters.front().since;
    if (code == Code::ok) {
      counts_.written += 1;
      counts_.records += flight.records;
    } else if (code == Code::invalid) {
      counts_.refused[static_cast<std::size_t>(Refusal::too_large)] += 1;
    } else {
      counts_.failed += 1;
    }
  }
  const AnswerStamp stamp = next_stamp();
  if (code == Code::ok) memory_.remember(flight.key, stamp);
  const Verdict verdict = code == Code::ok ? Verdict::accepted : code == Code::invalid ? Verdict::rejected : Verdict::error;
  const Fault fault = code == Code::invalid ? Fault{kTooLong, "", "the log takes no message of this size"}
                                            : Fault{kInternalError, "", "the log did not take it: send it again"};
  for (const Waiter& waiter : flight.waiters) reply(waiter, flight.header, verdict, fault, stamp);
}

void ListenerImpl::resume() {
  for (const auto& connection : std::set(connections_)) {
    if (!may_take()) return;
    if (connection->paused()) connection->proceed();
  }
}

void ListenerImpl::reply(const Waiter& to, const MessageHeader& header, Verdict verdict, const Fault& fault, const AnswerStamp& stamp) {
  const auto connection = to.connection.lock();
  if (!connection) return;
  std::string frames;
  const double seconds = std::chrono::duration<double>(Steady::now() - to.since).count();
  for (const Answer& one : answers(header, verdict, fault, process_, stamp)) {
    frames += framed(one.message);
    const auto code = static_cast<std::size_t>(std::ranges::find(kAnswerCodes, one.code) - kAnswerCodes.begin());
    count([=](ListenerCounts& c) {
      c.answered[code] += 1;
      c.durations.add(seconds);
    });
  }
  connection->answer(to.place, std::move(frames));
}

void ListenerImpl::begin_stop() {
  if (std::exchange(stopping_, true)) return;
  asio::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  for (const auto& connection : std::set(connections_)) connection->drain();
  end_if_stopped();
}

void ListenerImpl::end_if_stopped() {
  if (!stopping_ || !connections_.empty() || !flights_.empty() || stopped_.exchange(true)) return;
  tick_.cancel();
  work_.reset();
}

ListenerCounts ListenerImpl::counts() const {
  const std::lock_guard lock(mutex_);
  ListenerCounts out = counts_;
  if (oldest_since_) out.oldest_seconds = std::chrono::duration<double>(Steady::now() - *oldest_since_).count();
  return out;
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::start(const ListenerOptions& options, const hl7::FeedOptions& feed, const CodecLimits& limits,
                                                  LogFactory& log, Clock clock) {
  auto listener = std::make_unique<ListenerImpl>(options, feed, limits, std::move(clock));
  if (Status status = listener->open(log); !status.ok()) return status;
  return std::unique_ptr<Listener>(std::move(listener));
}

}  // namespace lacuna::streaming::mllp
