// Prints what the store does on this machine, for 37 features in 8 modalities: record sizes, encoding and decoding per
// second, batches of 500 snapshots per second, latency of a draw of 128. With a number: what so many ids take on the disk and in memory,
// with a store that may take as many MiB as a second number says (64).

#include <malloc.h>
#include <rocksdb/db.h>
#include <time.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "daemon/simulator/ward_schema.h"
#include "state/records/hash.h"
#include "state/rocksdb_handles.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Of this thread alone: what is left when others keep the processors busy.
double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// A schema of 37 features, and a patient in whom each has been measured.
Schema ward_schema() {
  std::vector<Schema::ModalitySpec> specs(8);
  for (int m = 0; m < 8; ++m) {
    auto& spec = specs[static_cast<std::size_t>(m)];
    spec.modality.name.append("m").append(std::to_string(m));
    for (int f = 0; f < (m < 5 ? 5 : 4); ++f) {
      spec.features.emplace_back();
      spec.features.back().name.append("f").append(std::to_string(f));
    }
  }
  Attribute age;
  age.name = "age";
  return *Schema::make(std::move(specs), {age});
}

Snapshot full_patient(const Schema& schema) {
  testing::Random random(1);
  Snapshot snapshot = new_snapshot(schema, "132539");
  for (int i = 0; i < 400; ++i) {
    apply(schema, snapshot, testing::random_event(schema, random, "132539", testing::at_minutes(i * 7)), {"lacuna.events", 3, i},
          Millis::max());
  }
  return snapshot;
}

void print_codec(const Schema& schema, const Snapshot& snapshot) {
  constexpr int kRounds = 200'000;
  const std::string bytes = encode_snapshot(schema, snapshot);
  std::printf("snapshot with all %zu features: %zu bytes, as example %zu\n", schema.feature_count(), bytes.size(),
              encode_example(schema, {snapshot, snapshot.last_time, {{0, 1}, {1, 2}}}).size());
  auto start = std::chrono::steady_clock::now();
  std::size_t sum = 0;
  for (int i = 0; i < kRounds; ++i) sum += encode_snapshot(schema, snapshot).size();
  std::printf("encode: %.0f snapshots/s\n", kRounds / seconds_since(start));
  start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) sum += decode_snapshot(schema, bytes)->features.size();
  std::printf("decode: %.0f snapshots/s (%zu)\n", kRounds / seconds_since(start), sum);
}

int print_store(const Schema& schema, const Snapshot& pattern) {
  lacuna::testing::ScratchFolder scratch;
  StoreOptions options;
  options.path = scratch.path();
  auto store = Store::open(schema, options);
  if (!store.ok()) return 1;
  testing::Random random(3);
  constexpr int kBatches = 400;
  double busy = 0, busy_cpu = 0;
  for (int b = 0; b < kBatches; ++b) {
    StateChange change;
    for (int i = 0; i < 500; ++i) {
      change.snapshots.push_back(pattern);
      change.snapshots.back().patient_id = std::to_string(100'000 + random.below(12'000));
      change.examples.push_back({pattern, testing::at_minutes(b), {{0, 1.0}, {1, 2.0}}});
      change.examples.back().before.site = "icu-" + std::to_string(random.below(4));
    }
    change.positions[{"lacuna.events", 0}] = {b, b};
    change.meta["scores"] = std::string(20'000, 's');
    const auto start = std::chrono::steady_clock::now();
    const double start_cpu = cpu_seconds();
    if (!(*store)->apply(change).ok()) return 1;
    busy_cpu += cpu_seconds() - start_cpu;
    busy += seconds_since(start);
  }
  std::printf("apply, 500 snapshots and 500 examples each: %.1f batches/s (%.2f ms, of it %.2f ms processor time)\n", kBatches / busy,
              1e3 * busy / kBatches, 1e3 * busy_cpu / kBatches);
  std::vector<double> ms;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (!(*store)->draw(128, i).ok()) return 1;
    ms.push_back(1e3 * seconds_since(start));
  }
  std::sort(ms.begin(), ms.end());
  std::printf("draw(128) of %zu examples: median %.2f ms, 99 %% %.2f ms\n", (*store)->replay_size(), ms[200], ms[396]);
  std::vector<std::string> ids;
  for (int i = 0; i < 500; ++i) ids.push_back(std::to_string(100'000 + 24 * i));
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) {
    if (!(*store)->snapshots(ids).ok()) return 1;
  }
  std::printf("snapshots(500): %.2f ms; patients %llu\n", 1e3 * seconds_since(start) / 50,
              static_cast<unsigned long long>((*store)->patient_count_estimate()));
  for (const auto& [name, bytes] : (*store)->usage()) std::printf("%s: %.1f MB\n", name.c_str(), static_cast<double>(bytes) / 1e6);
  return 0;
}

}  // namespace
}  // namespace lacuna::state

namespace lacuna::state {
namespace {

// Of the process, in MiB.
double resident() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

// How much of the process is in use, and how much the allocator holds of what was given back.
void print_allocator(double before) {
  const auto held = ::mallinfo2();
  ::malloc_trim(0);
  std::printf(
      "allocator: %.1f MiB in use, %.1f MiB free in its arenas; once these are trimmed the process has %.0f MiB more than at the start\n",
      static_cast<double>(held.uordblks + held.hblkhd) / (1 << 20), static_cast<double>(held.fordblks) / (1 << 20), resident() - before);
}

// Where the memory is after so many ids, in MiB.
void print_memory(std::uint64_t ids, double before, const Store& store) {
  const auto mib = [](auto bytes) { return static_cast<double>(bytes) / (1 << 20); };
  const auto held = ::mallinfo2();
  const auto usage = store.usage();
  std::printf(
      "%12llu ids: %.0f more than at the start; allocator %.0f in use, %.0f free; cache %.0f, memtables %.0f, readers %.1f, disk %.0f\n",
      static_cast<unsigned long long>(ids), resident() - before, mib(held.uordblks + held.hblkhd), mib(held.fordblks),
      mib(usage.at("block_cache")), mib(usage.at("memtables")), mib(usage.at("table_readers")), mib(usage.at("sst")));
  std::fflush(stdout);
}

// Ids that were never delivered, of patients at random: nearly all that a daemon asks for.
int print_lookups(const Store& store, std::uint64_t patients) {
  constexpr std::uint64_t kRounds = 200, kPerRound = 100;
  double cpu = 0;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    std::vector<DeliveryKey> keys;
    for (std::uint64_t i = 0; i < kPerRound; ++i) {
      const std::uint64_t n = round * kPerRound + i;
      keys.push_back({patient_key("patient-" + std::to_string(mix64(n) % patients)), event_key("new-" + std::to_string(n))});
    }
    const double before = cpu_seconds();
    if (!store.deliveries(keys).ok()) return 1;
    cpu += cpu_seconds() - before;
  }
  std::printf("an id of a patient at random that is not there: %.1f us, of it %.1f us processor time\n",
              1e6 * seconds_since(start) / (kRounds * kPerRound), 1e6 * cpu / (kRounds * kPerRound));
  return 0;
}

// What ids take on the disk and in memory: events of one value, 5000 a patient, delivered in turn, as one batch after the other writes
// them.
int print_ids(std::uint64_t ids, std::size_t mib) {
  constexpr std::uint64_t kPerPatient = 5000, kPerBatch = 20'000;
  const double before = resident();
  const Schema schema = ward_schema();
  const lacuna::testing::ScratchFolder scratch;
  StoreOptions options;
  options.path = scratch.path();
  options.memory_bytes_max = mib << 20;
  Result<std::unique_ptr<Store>> store = Store::open(schema, options);
  if (!store.ok()) return 1;
  const PartKeys keys(schema);
  double most = 0;
  const std::uint64_t patients = std::max<std::uint64_t>(1, ids / kPerPatient);
  double cpu = 0;
  for (std::uint64_t first = 0; first < ids; first += kPerBatch) {
    std::map<std::uint64_t, PersonUpdate> updates;
    for (std::uint64_t n = first; n < std::min(ids, first + kPerBatch); ++n) {
      PersonUpdate& update = updates[n % patients];
      update.patient_id = "patient-" + std::to_string(n % patients);
      const Time time = testing::at_minutes(static_cast<std::int64_t>(n / patients) * 8);
      const PartKey part = keys.feature(static_cast<FeatureId>(mix64(n) % schema.feature_count()));
      update.rows.push_back({event_key("event-" + std::to_string(n)), {hour_of(time), {{part, value_tag(double(n), time), false, {}}}}});
    }
    StateChange change;
    for (auto& [patient, update] : updates) change.persons.push_back(std::move(update));
    const double start = cpu_seconds();
    if (!(*store)->apply(change).ok()) return 1;
    cpu += cpu_seconds() - start;
    most = std::max(most, resident());
    if (first / kPerBatch % (ids / kPerBatch / 10 + 1) == 0) print_memory(first + kPerBatch, before, **store);
  }
  if (print_lookups(**store, patients) != 0) return 1;
  std::printf("memory: %.0f MiB more than at the start at most, %.0f MiB now, after the lookups\n", most - before, resident() - before);
  print_allocator(before);
  for (const auto& [name, bytes] : (*store)->usage()) std::printf("%s: %.1f MiB\n", name.c_str(), static_cast<double>(bytes) / (1 << 20));
  store->reset();
  const auto table_bytes = [&scratch] {
    std::uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(scratch.path())) {
      if (entry.path().extension() == ".sst") bytes += entry.file_size();
    }
    return bytes;
  };
  const std::uint64_t bytes = table_bytes();
  {
    // As it comes to rest: of many ids nine tenths lie in the last level.
    const auto handles = open_rocksdb(scratch.path() + "/rocksdb", options.memory_bytes_max);
    if (!handles.ok() || !(*handles)->db->CompactRange({}, (*handles)->deliveries, nullptr, nullptr).ok()) return 1;
  }
  std::printf("compacted: %.2f bytes an id\n", static_cast<double>(table_bytes()) / static_cast<double>(ids));
  std::printf("%llu ids: %.2f bytes an id in tables, %.2f us an id to write\n", static_cast<unsigned long long>(ids),
              static_cast<double>(bytes) / static_cast<double>(ids), 1e6 * cpu / static_cast<double>(ids));
  return 0;
}

}  // namespace
}  // namespace lacuna::state

int main(int count, char** arguments) {
  if (count > 1) return lacuna::state::print_ids(std::stoull(arguments[1]), count > 2 ? std::stoul(arguments[2]) : 64);
  const lacuna::Schema schema = lacuna::state::ward_schema();
  const lacuna::Snapshot patient = lacuna::state::full_patient(schema);
  lacuna::state::print_codec(schema, patient);
  return lacuna::state::print_store(schema, patient);
}
