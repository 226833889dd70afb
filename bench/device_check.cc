#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "model/device.h"
#include "model/trainer.h"
#include "tests/unit/model/synthetic.h"

// Does a GPU learn what a processor learns? The same synthetic ward, seed and order of examples on both; the losses of each tenth of the
// steps side by side. Rounding differs and grows from step to step, so late losses agree as two good runs do, not digit for digit.
// Without CUDA the processor stands in for it: both must then be equal, bit for bit. Run by `./dev gpu-check`.
//
//   device_check [STEPS]    default 1000, at least 10; exit 1: the second learns worse, or not what it should

namespace {

using namespace lacuna;

constexpr int kTenths = 10;
/// How far a loss on the GPU may be above the processor's, as a share of what the processor has learned by then from the first tenth on,
/// or of its loss where that is more.
constexpr double kTolerance = 0.02;

struct Learned {
  std::array<double, kTenths> loss{};  ///< mean over each tenth of the steps, nats per observed cell
  double seconds = 0;
  std::int64_t skipped = 0, recorded = 0;
};

std::optional<Learned> learn(model::Device device, int steps) {
  model::testing::SyntheticWard ward(7);
  model::ModelOptions options;
  options.device = device;
  model::TrainOptions train;
  train.replay_ratio = 0;
  auto made = model::Trainer::make(ward.schema(), options, train, {}, {});
  if (!made.ok()) {
    std::fprintf(stderr, "%s\n", made.status().to_string().c_str());
    return std::nullopt;
  }
  model::Trainer& trainer = **made;
  Learned out;
  const auto start = std::chrono::steady_clock::now();
  for (int tenth = 0, done = 0; tenth < kTenths; ++tenth) {
    for (const int end = steps * (tenth + 1) / kTenths; done < end;) {
      if (!trainer.take(ward.next())) continue;
      trainer.step({});
      ++done;
    }
    out.loss[static_cast<std::size_t>(tenth)] = trainer.publish()->loss();
  }
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  out.skipped = trainer.stats().skipped_steps;
  out.recorded = trainer.stats().recorded_steps;
  return out;
}

/// Prints both, and says whether the second is as good.
bool compare(const Learned& cpu, const Learned& other, int steps, bool cuda) {
  double furthest = 0;
  bool good = other.skipped == 0 && cpu.skipped == 0;
  std::printf("after steps        cpu  %9s  relative difference\n", cuda ? "cuda" : "cpu again");
  for (std::size_t i = 0; i < kTenths; ++i) {
    const double a = cpu.loss[i], b = other.loss[i];
    const double scale = std::max(std::abs(a), cpu.loss[0] - a);
    const double difference = (b - a) / scale;
    std::printf("%11d  %9.6f  %9.6f  %+.2e\n", steps * (static_cast<int>(i) + 1) / kTenths, a, b, difference);
    furthest = std::max(furthest, std::abs(difference));
    // Also wrong where it is no number.
    good = good && (cuda ? difference <= kTolerance : a == b);
  }
  std::printf("seconds      %9.1f  %9.1f\n", cpu.seconds, other.seconds);
  std::printf("largest relative difference %.2e; the second may be worse by %g\n", furthest, cuda ? kTolerance : 0);
  std::printf("steps skipped %lld and %lld, recorded %lld and %lld\n", static_cast<long long>(cpu.skipped),
              static_cast<long long>(other.skipped), static_cast<long long>(cpu.recorded), static_cast<long long>(other.recorded));
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 1000;
  if (argc > 2 || steps < kTenths) {
    std::fprintf(stderr, "usage: %s [STEPS]\n", argv[0]);
    return 2;
  }
  const std::string where = model::describe_device({});
  const bool cuda = where.rfind("cuda", 0) == 0;
  std::printf("%s%s\n", where.c_str(), cuda ? "" : ": no GPU, so this is a rehearsal on the processor twice");
  const auto cpu = learn(model::Device::cpu, steps);
  const auto other = learn(cuda ? model::Device::cuda : model::Device::cpu, steps);
  if (!cpu || !other) return 1;
  const bool good = compare(*cpu, *other, steps, cuda);
  std::printf("%s\n", good ? "the second learned as the first" : "FAILED: the second did not learn as the first");
  return good ? 0 : 1;
}
