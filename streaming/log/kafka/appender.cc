#include "streaming/log/kafka/factories.h"

#include "streaming/log/kafka/handles.h"

namespace lacuna::streaming::kafka {
namespace {

constexpr Millis kQueueFullWait{100};

const Settings kDefaults = {
    {"compression.codec", "lz4"},
    {"linger.ms", "5"},
    {"batch.num.messages", "10000"},
    {"queue.buffering.max.messages", "200000"},
    {"queue.buffering.max.kbytes", "65536"},
    {"socket.nagle.disable", "true"},
};

/// An idempotent producer: what is retried is written once and in order.
class KafkaAppender final : public Appender {
 public:
  explicit KafkaAppender(KafkaOptions options) : options_(std::move(options)) {}
  ~KafkaAppender() override {
    if (client_) rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  }

  Status open() {
    auto conf = make_conf(options_, kDefaults, {{"enable.idempotence", "true"}});
    if (!conf.ok()) return conf.status();
    rd_kafka_conf_set_opaque(conf->get(), this);
    rd_kafka_conf_set_dr_msg_cb(conf->get(), [](rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
      auto& self = *static_cast<KafkaAppender*>(opaque);
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && self.failure_ == RD_KAFKA_RESP_ERR_NO_ERROR) {
        self.failure_ = message->err;
      }
    });
    auto client = make_client(RD_KAFKA_PRODUCER, std::move(*conf));
    if (!client.ok()) return client.status();
    client_ = std::move(*client);
    return {};
  }

  Status append(OutputRecord record) override {
    if (failure_ != RD_KAFKA_RESP_ERR_NO_ERROR) return to_status(Code::aborted, "appending", failure_);  // flush() tells which way
    const Deadline deadline(options_.request_timeout);
    for (;;) {
      const rd_kafka_resp_err_t error = produce(client_.get(), record);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) break;
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) return describe(error);
      if (deadline.over()) return to_status(Code::unavailable, "appending", error);
      rd_kafka_poll(client_.get(), deadline.left_ms(kQueueFullWait));
    }
    rd_kafka_poll(client_.get(), 0);
    return {};
  }

  /// Waits for what is under way at most request_timeout; then it is still under way, and may be flushed again.
  Status flush() override {
    const rd_kafka_resp_err_t error = rd_kafka_flush(client_.get(), static_cast<int>(options_.request_timeout.count()));
    LACUNA_RETURN_IF_ERROR(check());
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status() : to_status(Code::unavailable, "flushing", error);
  }

 private:
  static Status describe(rd_kafka_resp_err_t error) {
    return to_status(is_refusal(error) ? Code::invalid : Code::aborted, "appending", error);
  }
  /// A record that was not written is reported once.
  Status check() {
    const rd_kafka_resp_err_t failure = std::exchange(failure_, RD_KAFKA_RESP_ERR_NO_ERROR);
    return failure == RD_KAFKA_RESP_ERR_NO_ERROR ? Status() : describe(failure);
  }

  const KafkaOptions options_;
  rd_kafka_resp_err_t failure_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  Client client_;
};

}  // namespace

Result<std::unique_ptr<Appender>> make_appender(const KafkaOptions& options) {
  auto appender = std::make_unique<KafkaAppender>(options);
  if (Status status = appender->open(); !status.ok()) return status;
  return std::unique_ptr<Appender>(std::move(appender));
}

}  // namespace lacuna::streaming::kafka
