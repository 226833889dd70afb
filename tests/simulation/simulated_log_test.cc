// The simulated log keeps the contract of event_log.h while its faults are off.

#include "tests/support/event_log_contract.h"
#include "tests/support/simulated_log.h"

namespace lacuna::streaming {
namespace {

class SimulatedUnderTest final : public LogUnderTest {
 public:
  LogFactory& factory() override { return log_; }
  void reopen() override {}  // what is in memory is what a broker would have on its disks
  std::string name(const std::string& base) override { return base; }

 private:
  std::mt19937_64 random_{1};
  SimulatedClock clock_{*parse_rfc3339("2026-03-01T00:00:00Z")};
  SimulatedLog log_{clock_, random_};
};

INSTANTIATE_TEST_SUITE_P(Simulated, EventLogContract,
                         ::testing::Values(MakeLog{[] { return std::make_unique<SimulatedUnderTest>(); }}),
                         [](const auto&) { return "Log"; });

}  // namespace
}  // namespace lacuna::streaming
