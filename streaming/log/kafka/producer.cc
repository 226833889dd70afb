#include "streaming/log/kafka/producer.h"

#include <algorithm>

#include "streaming/log/log_sink.h"

namespace lacuna::streaming::kafka {
namespace {

constexpr int kWarning = 4;
constexpr int kInfo = 6;
constexpr Millis kQueueFullWait{100};

/// Bounds: queue.buffering.* is what librdkafka may hold of one transaction; beyond it produce_all waits.
const Settings kDefaults = {
    {"compression.codec", "lz4"},
    {"linger.ms", "5"},
    {"batch.num.messages", "10000"},
    {"queue.buffering.max.messages", "200000"},
    {"queue.buffering.max.kbytes", "262144"},
    {"socket.nagle.disable", "true"},
    {"reconnect.backoff.max.ms", "2000"},
};

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& delivery = *static_cast<Delivery*>(opaque);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (delivery.failed++ == 0) delivery.first_error = message->err;
    return;
  }
  ++delivery.delivered;
  if (!delivery.changelog_topic.empty() && delivery.changelog_topic == rd_kafka_topic_name(message->rkt)) {
    std::int64_t& next = delivery.changelog_next[message->partition];
    next = std::max(next, message->offset + 1);
  }
}

void on_error(rd_kafka_t*, int error, const char* reason, void* opaque) {
  const auto code = static_cast<rd_kafka_resp_err_t>(error);
  if (is_authorization(code)) static_cast<Delivery*>(opaque)->refused_login = code;
  log_line(kInfo, std::string("kafka producer: ") + reason);
}

/// Calls `step` (a rd_kafka_error_t*-returning call taking a timeout) again while its error says that this may help.
template <typename Step>
Error retry(const Deadline& deadline, Step&& step) {
  BackOff back_off;
  for (;;) {
    Error error(step(std::max(deadline.left_ms(), 1)));
    if (!error || !rd_kafka_error_is_retriable(error.get()) || deadline.over()) return error;
    back_off.wait(deadline);
  }
}

Status describe(std::string_view what, const Error& error) {
  return {Code::aborted, "kafka: " + std::string(what) + ": " + rd_kafka_error_string(error.get())};
}

}  // namespace

TransactionalProducer::TransactionalProducer(KafkaOptions options, std::string transactional_id)
    : options_(std::move(options)), transactional_id_(std::move(transactional_id)) {}

TransactionalProducer::~TransactionalProducer() { drop_client(); }

void TransactionalProducer::drop_client() {
  if (!client_) return;
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  client_.reset();
}

Status TransactionalProducer::open(Millis limit) {
  drop_client();
  delivery_ = {};
  auto conf = make_conf(options_, kDefaults,
                        {{"transactional.id", transactional_id_},
                         {"enable.idempotence", "true"},
                         {"transaction.timeout.ms", std::to_string(options_.transaction_timeout.count())}});
  if (!conf.ok()) return conf.status();
  rd_kafka_conf_set_opaque(conf->get(), &delivery_);
  rd_kafka_conf_set_dr_msg_cb(conf->get(), on_delivery);
  rd_kafka_conf_set_error_cb(conf->get(), on_error);
  auto client = make_client(RD_KAFKA_PRODUCER, std::move(*conf));
  if (!client.ok()) return client.status();
  const Deadline deadline(limit);
  const Error error = retry(deadline, [&](int ms) { return rd_kafka_init_transactions(client->get(), ms); });
  if (error) {
    const rd_kafka_resp_err_t code = rd_kafka_error_code(error.get());
    const Code as = is_fencing(code)                       ? Code::fenced
                    : is_authorization(code)               ? Code::unavailable
                    : rd_kafka_error_is_fatal(error.get()) ? Code::invalid
                                                           : Code::unavailable;
    rd_kafka_poll(client->get(), 0);  // on_error() hears now why the time ran out
    const bool refused = as == Code::unavailable && delivery_.refused_login != RD_KAFKA_RESP_ERR_NO_ERROR;
    return {as, "kafka: opening transactional producer " + transactional_id_ + ": " +
                    (refused ? rd_kafka_err2str(delivery_.refused_login) : rd_kafka_error_string(error.get()))};
  }
  client_ = std::move(*client);
  return {};
}

void TransactionalProducer::serve() {
  if (client_) rd_kafka_poll(client_.get(), 0);
}

Status TransactionalProducer::produce_all(const Transaction& transaction, const Deadline& deadline, bool& refused) {
  for (const OutputRecord& output : transaction.outputs) {
    for (;;) {
      const rd_kafka_resp_err_t error = produce(client_.get(), output);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) break;
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL || deadline.over()) {
        refused = is_refusal(error);
        return to_status(refused ? Code::invalid : Code::aborted, "producing to topic " + output.topic, error);
      }
      rd_kafka_poll(client_.get(), deadline.left_ms(kQueueFullWait));
    }
    if (delivery_.failed > 0) break;
  }
  while (rd_kafka_flush(client_.get(), deadline.left_ms()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (deadline.over()) return {Code::aborted, "kafka: the brokers did not take the outputs in time"};
  }
  if (delivery_.failed > 0) {
    refused = is_refusal(delivery_.first_error);
    return to_status(refused ? Code::invalid : Code::aborted, "an output was not taken", delivery_.first_error);
  }
  if (delivery_.delivered != transaction.outputs.size()) {
    return {Code::aborted, "kafka: delivery reports are missing"};
  }
  return {};
}

TransactionalProducer::Attempt TransactionalProducer::run(const Transaction& transaction, const MakeOffsets& make_offsets,
                                                          const rd_kafka_consumer_group_metadata_t* group) {
  delivery_ = {};
  delivery_.changelog_topic = transaction.changelog_topic;
  const Deadline deadline(options_.request_timeout);
  if (const Error error(rd_kafka_begin_transaction(client_.get())); error) {
    const bool fenced = is_fencing(rd_kafka_error_code(error.get()));
    return fail(fenced ? Outcome::fenced : Outcome::aborted, describe("beginning a transaction", error));
  }
  bool refused = false;
  if (Status status = produce_all(transaction, deadline, refused); !status.ok()) {
    return abort(refused ? Outcome::refused : Outcome::aborted, std::move(status));
  }
  const PartitionList offsets = make_offsets(delivery_.changelog_next);
  if (offsets->cnt > 0) {
    const Error error =
        retry(deadline, [&](int ms) { return rd_kafka_send_offsets_to_transaction(client_.get(), offsets.get(), group, ms); });
    if (error) return abort(Outcome::aborted, describe("sending offsets", error));
  }
  // From here on the brokers may have committed although we do not hear of it. librdkafka's call may be repeated.
  const Deadline commit_deadline(options_.transaction_timeout);
  const Error error = retry(commit_deadline, [&](int ms) { return rd_kafka_commit_transaction(client_.get(), ms); });
  if (!error) return {Outcome::committed, {}, std::move(delivery_.changelog_next)};
  const Status why = describe("committing", error);
  if (rd_kafka_error_txn_requires_abort(error.get())) return abort(Outcome::aborted, why);
  auto changelog_next = std::move(delivery_.changelog_next);
  // Fenced now does not mean refused: an earlier try may have gone through, its answer lost, before somebody took over.
  const bool fenced = is_fencing(rd_kafka_error_code(error.get()));
  Attempt attempt = fail(fenced ? Outcome::unknown_fenced : Outcome::unknown, why);
  attempt.changelog_next = std::move(changelog_next);
  return attempt;
}

TransactionalProducer::Attempt TransactionalProducer::abort(Outcome outcome, Status why) {
  const Deadline deadline(options_.request_timeout);
  const Error error = retry(deadline, [&](int ms) { return rd_kafka_abort_transaction(client_.get(), ms); });
  if (!error) return {outcome, std::move(why), {}};
  // The commit was never sent, so nothing becomes visible; but this client cannot go on.
  const bool fenced = is_fencing(rd_kafka_error_code(error.get()));
  log_line(kWarning, std::string("kafka: aborting a transaction: ") + rd_kafka_error_string(error.get()));
  return fail(fenced ? Outcome::fenced : outcome, std::move(why));
}

TransactionalProducer::Attempt TransactionalProducer::fail(Outcome outcome, Status why) {
  drop_client();
  if (outcome == Outcome::fenced) why = Status(Code::fenced, why.message());
  return {outcome, std::move(why), {}};
}

}  // namespace lacuna::streaming::kafka
