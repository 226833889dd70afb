#include "daemon/commands/tail.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <ostream>
#include <vector>

#include "daemon/commands/json_record.h"
#include "daemon/commands/pretty_record.h"

namespace lacuna::daemon {

namespace {

constexpr std::size_t kReadMax = 500;  ///< records of a partition at a time
constexpr Millis kWait{1000};          ///< for a record that has to be there
constexpr int kEmptyReadsMax = 5;      ///< in a row, before such a record is given up
constexpr Millis kFollowWait{200};     ///< for new ones, over all partitions

struct Partition {
  streaming::TopicPartition id;
  std::int64_t next = 0;
  std::int64_t end = 0;  ///< as it was at the start
  int empty_reads = 0;
};

class Tail {
 public:
  Tail(const Config& config, const TailOptions& options, streaming::TopicReader& reader, const std::function<bool()>& stopped,
       std::ostream& out)
      : config_(config), options_(options), reader_(reader), stopped_(stopped), out_(out) {}

  Status run() {
    LACUNA_RETURN_IF_ERROR(find_partitions());
    if (options_.from == TailOptions::From::newest) {
      LACUNA_RETURN_IF_ERROR(show_newest());
      left_ = kNoLimit;
    } else {
      left_ = options_.count.value_or(kNoLimit);
      if (options_.from != TailOptions::From::end) LACUNA_RETURN_IF_ERROR(show_rest());
    }
    return options_.follow ? follow() : Status();
  }

 private:
  static constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

  Status find_partitions() {
    const Result<std::int32_t> count = reader_.partition_count(options_.topic);
    if (!count.ok()) return count.status();
    if (options_.partition && (*options_.partition < 0 || *options_.partition >= *count)) {
      return {Code::not_found, fmt::format("{} has partitions 0 to {}", options_.topic, *count - 1)};
    }
    for (std::int32_t p = options_.partition.value_or(0); p <= options_.partition.value_or(*count - 1); ++p) {
      Partition partition{{options_.topic, p}};
      const auto bounds = reader_.bounds(partition.id);
      if (!bounds.ok()) return bounds.status();
      const auto [begin, end] = *bounds;
      partition.end = end;
      switch (options_.from) {
        case TailOptions::From::beginning: partition.next = begin; break;
        case TailOptions::From::end: partition.next = end; break;
        case TailOptions::From::offset: partition.next = std::max(begin, options_.offset); break;
        case TailOptions::From::newest: {
          // Where the newest records of one key are is not known without reading all.
          const auto count_wanted = std::min<std::uint64_t>(options_.count.value_or(kTailCount), kNoLimit / 4);
          partition.next = options_.key ? begin : std::max(begin, end - static_cast<std::int64_t>(count_wanted));
          break;
        }
      }
      partitions_.push_back(std::move(partition));
    }
    return {};
  }

  bool done() const { return left_ == 0 || stopped_() || !out_; }

  bool wanted(const streaming::Record& record) const { return !options_.key || record.key == *options_.key; }

  void show(const streaming::Record& record) {
    if (left_ == 0) return;
    if (left_ != kNoLimit) left_ -= 1;
    out_ << formatted(record);
  }

  std::string formatted(const streaming::Record& record) const {
    switch (options_.format) {
      case TailOptions::Format::pretty: return pretty_record(config_, options_.topic, record);
      case TailOptions::Format::json: return json_record(config_, options_.topic, record);
      case TailOptions::Format::record: return whole_record(options_.topic, record);
    }
    return {};
  }

  /// Reads on to the ends, a piece of each partition in turn.
  template <typename Take>
  Status read_to_ends(Take&& take) {
    for (bool more = true; more && !done();) {
      more = false;
      for (Partition& p : partitions_) {
        if (p.next >= p.end || done()) continue;
        auto records = reader_.read(p.id, p.next, kReadMax, kWait);
        if (!records.ok()) return records.status();
        p.empty_reads = records->empty() ? p.empty_reads + 1 : 0;
        if (p.empty_reads >= kEmptyReadsMax) {
          return {Code::unavailable, fmt::format("{}/{}: nothing came from offset {} on, though it should reach {}", p.id.topic,
                                                 p.id.partition, p.next, p.end)};
        }
        for (streaming::Record& record : *records) {
          if (record.position.offset >= p.end) {
            p.next = p.end;
            break;
          }
          p.next = record.position.offset + 1;
          if (wanted(record)) take(std::move(record));
        }
        more = more || p.next < p.end;
      }
      out_.flush();
    }
    return {};
  }

  Status show_rest() {
    return read_to_ends([this](streaming::Record record) { show(record); });
  }

  Status show_newest() {
    left_ = kNoLimit;  // while reading
    const std::uint64_t count = options_.count.value_or(kTailCount);
    // At most `count` of each partition are held.
    std::vector<std::deque<streaming::Record>> newest(partitions_.size());
    LACUNA_RETURN_IF_ERROR(read_to_ends([&](streaming::Record record) {
      auto& held = newest[static_cast<std::size_t>(record.position.partition - partitions_.front().id.partition)];
      held.push_back(std::move(record));
      if (held.size() > count) held.pop_front();
    }));
    std::vector<streaming::Record> all;
    for (auto& held : newest) all.insert(all.end(), std::make_move_iterator(held.begin()), std::make_move_iterator(held.end()));
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.timestamp < b.timestamp; });
    const std::size_t skip = all.size() > count ? all.size() - count : 0;
    for (std::size_t i = skip; i < all.size(); ++i) show(all[i]);
    out_.flush();
    return {};
  }

  Status follow() {
    const Millis wait = std::max(Millis(1), kFollowWait / static_cast<int>(partitions_.size()));
    while (!done()) {
      for (Partition& p : partitions_) {
        if (done()) break;
        const auto records = reader_.read(p.id, p.next, kReadMax, wait);
        if (records.code() == Code::unavailable) continue;  // the log may come back; Ctrl-C ends the wait
        if (!records.ok()) return records.status();
        for (const streaming::Record& record : *records) {
          p.next = record.position.offset + 1;
          if (wanted(record)) show(record);
        }
      }
      out_.flush();  // also where nothing came: somebody may have left
    }
    return {};
  }

  const Config& config_;
  const TailOptions& options_;
  streaming::TopicReader& reader_;
  const std::function<bool()>& stopped_;
  std::ostream& out_;
  std::vector<Partition> partitions_;
  std::uint64_t left_ = kNoLimit;
};

}  // namespace

Status tail(const Config& config, const TailOptions& options, streaming::TopicReader& reader, const std::function<bool()>& stopped,
            std::ostream& out) {
  return Tail(config, options, reader, stopped, out).run();
}

}  // namespace lacuna::daemon
