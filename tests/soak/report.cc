#include "tests/soak/report.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <string>

namespace lacuna::soak {

namespace {

constexpr std::size_t kStallsShown = 3;

/// The fault that a stall goes with: of those under way during it, the one that began closest to where it
/// began.
std::optional<Fault> cause_of(const Stall& stall, const std::vector<Injected>& faults) {
  std::optional<Fault> best;
  auto distance = Moment::duration::max();
  for (const Injected& one : faults) {
    if (one.begin > stall.end || one.end < stall.begin) continue;
    const auto apart = one.begin > stall.begin ? one.begin - stall.begin : stall.begin - one.begin;
    if (apart >= distance) continue;
    distance = apart;
    best = one.fault;
  }
  return best;
}

}  // namespace

void print_report(const Verdict& verdict, const std::vector<Injected>& faults, std::vector<Stall> stalls,
                  const std::vector<Fleet::Exit>& exits, const std::vector<std::string>& bad_stops, Moment start) {
  std::map<Fault, double> longest;
  double longest_other = 0;
  std::sort(stalls.begin(), stalls.end(), [](const Stall& a, const Stall& b) { return a.length() > b.length(); });
  for (const Stall& stall : stalls) {
    const auto cause = cause_of(stall, faults);
    double& most = cause ? longest[*cause] : longest_other;
    most = std::max(most, stall.length().count());
  }
  std::printf("\n%-44s %6s %14s\n", "fault", "count", "longest stall");
  for (const Fault fault : kFaults) {
    const auto count = std::count_if(faults.begin(), faults.end(), [&](const Injected& i) { return i.fault == fault; });
    std::printf("%-44s %6ld %12.1f s\n", std::string(to_string(fault)).c_str(), static_cast<long>(count), longest[fault]);
  }
  std::printf("%-44s %6s %12.1f s\n", "none under way", "", longest_other);
  for (std::size_t i = 0; i < std::min(kStallsShown, stalls.size()); ++i) {
    const auto cause = cause_of(stalls[i], faults);
    std::printf("partition %d stood for %.1f s from %.1f s on: %s\n", stalls[i].partition, stalls[i].length().count(),
                std::chrono::duration<double>(stalls[i].begin - start).count(),
                cause ? std::string(to_string(*cause)).c_str() : "no fault");
  }
  std::printf("\n");

  const state::RecordCounts& e = verdict.expected;
  const auto row = [](const char* what, std::uint64_t count) {
    std::printf("%-44s %10llu\n", what, static_cast<unsigned long long>(count));
  };
  row("events sent", e.consumed);
  row("  applied", e.applied);
  row("    of these with a bad part", e.partial);
  row("  duplicates, dropped", e.duplicate);
  row("  late, refused", e.late);
  row("  bad, refused", e.refused);
  row("imputations read committed", verdict.imputations);
  row("dead letters read committed", verdict.dead_letters);
  row("snapshots read committed", verdict.snapshots);
  row("lost", verdict.lost);
  row("duplicated", verdict.duplicated);
  row("wrong in another way", verdict.wrong);
  row("stops that failed", bad_stops.size());
  row("exits by themselves", exits.size());
  for (const std::string& one : verdict.examples) std::printf("  %s\n", one.c_str());
  for (const std::string& one : bad_stops) std::printf("  stop failed: %s\n", one.c_str());
  for (const Fleet::Exit& one : exits) {
    std::printf("  %s ended by itself with %d; its last lines:\n%s", one.instance.c_str(), one.code, one.last_lines.c_str());
  }
}

}  // namespace lacuna::soak
