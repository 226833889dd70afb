#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/progress.h"
#include "daemon/simulator/ward.h"
#include "daemon/simulator/ward_schema.h"
#include "streaming/log/event_log.h"

// What the tests of the whole loop share: a small configuration of the ward in a folder of its own, and its log.

namespace lacuna::daemon {

namespace fs = std::filesystem;

inline constexpr std::int32_t kPartitions = 3;

inline fs::path scratch(const std::string& name) {
  const fs::path path = fs::temp_directory_path() / ("lacuna-" + name + "-" + std::to_string(getpid()));
  fs::remove_all(path);
  fs::create_directories(path);
  return path;
}

inline Config small_config(const fs::path& directory) {
  Config c;
  c.data_dir = directory.string();
  c.store.path = c.data_dir + "/state";
  c.schema = std::make_shared<Schema>(ward_schema());
  c.log.embedded.path = (directory / "log").string();
  c.log.partitions = kPartitions;
  c.batch.max_events = 100;
  c.batch.max_delay = Millis(20);
  c.model.latent_dim = 4;
  c.model.hidden_dim = 16;
  c.train.batch_size = 16;
  c.train.examples_per_step = 100;
  c.train.young_pace = 1;
  c.train.publish_every_steps = 2;
  c.train.queue_examples_max = 200;  // the learner keeps pace, so that most of the stream is scored
  c.predict.samples = 4;
  c.store.memory_bytes_max = 32u << 20;
  c.store.replay_capacity = 1000;
  c.http.enabled = false;
  return c;
}

/// But for the model, which is warming up while so little comes.
inline std::vector<Degradation> degraded(const Progress& progress) {
  std::vector<Degradation> out = progress.degraded;
  std::erase_if(out, [](const Degradation& d) { return d.reason == "warming_up"; });
  return out;
}

inline Clock after(const WardOptions& w) {
  return [t = w.start + w.duration] { return t; };
}

inline std::unique_ptr<streaming::LogFactory> open_log(const Config& c) {
  streaming::EmbeddedOptions options = c.log.embedded;
  options.default_partitions = c.log.partitions;
  auto log = streaming::make_embedded_log(options);
  EXPECT_TRUE(log.ok()) << log.status().to_string();
  return std::move(*log);
}

inline std::vector<streaming::Record> read_all(streaming::LogFactory& log, const std::string& topic) {
  std::vector<streaming::Record> all;
  auto reader = log.reader();
  EXPECT_TRUE(reader.ok());
  const auto partitions = (*reader)->partition_count(topic);
  if (!partitions.ok()) return all;
  for (std::int32_t p = 0; p < *partitions; ++p) {
    for (std::int64_t from = 0;;) {
      auto records = (*reader)->read({topic, p}, from, 1000, Millis(0));
      EXPECT_TRUE(records.ok());
      if (!records.ok() || records->empty()) break;
      from = records->back().position.offset + 1;
      for (auto& r : *records) all.push_back(std::move(r));
    }
  }
  return all;
}

}  // namespace lacuna::daemon
