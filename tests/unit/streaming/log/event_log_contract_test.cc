#include "tests/support/event_log_contract.h"

#include "tests/support/scratch_folder.h"

// The embedded log keeps the contract of event_log.h.

namespace lacuna::streaming {
namespace {

class EmbeddedUnderTest final : public LogUnderTest {
 public:
  EmbeddedUnderTest() { reopen(); }
  LogFactory& factory() override { return *factory_; }
  void reopen() override {
    factory_.reset();
    auto opened = make_embedded_log({.path = folder_.path(), .default_partitions = 4, .sync = false, .read_only = false});
    if (!opened.ok()) throw std::runtime_error(opened.status().to_string());
    factory_ = std::move(*opened);
  }
  std::string name(const std::string& base) override { return base; }

 private:
  lacuna::testing::ScratchFolder folder_;
  std::unique_ptr<LogFactory> factory_;
};

INSTANTIATE_TEST_SUITE_P(Embedded, EventLogContract, ::testing::Values(MakeLog{[] { return std::make_unique<EmbeddedUnderTest>(); }}),
                         [](const auto&) { return "Log"; });

}  // namespace
}  // namespace lacuna::streaming
