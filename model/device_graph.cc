#include "model/device_graph.h"

#include <chrono>
#include <cstring>
#include <thread>

#include <c10/core/impl/VirtualGuardImpl.h>

#ifdef LACUNA_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace lacuna::model {

using torch::Tensor;

namespace {

/// Of a tensor in a block: what any kernel may read at once.
constexpr std::int64_t kAlignment = 256;
constexpr std::chrono::microseconds kFetchWait(20);

#ifdef LACUNA_CUDA
/// On a stream of its own: the one that all threads use cannot be recorded.
class CudaRecorder final : public GraphRecorder {
 public:
  explicit CudaRecorder(torch::Device device) : stream_(c10::cuda::getStreamFromPool(false, device.index())) {}

  void warm_up(const std::function<void()>& work) override { apart(work); }

  void record(const std::function<void()>& work) override {
    apart([&] {
      // Other threads may go on using the device meanwhile.
      graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
      try {
        work();
      } catch (...) {
        try {
          graph_.capture_end();
        } catch (const std::exception&) {  // what went wrong has ended it
        }
        throw;
      }
      graph_.capture_end();
    });
  }

  void replay() override { graph_.replay(); }

 private:
  /// After all that was asked of the current stream, and before all that will be.
  void apart(const std::function<void()>& work) {
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(stream_.device_index());
    wait(stream_, current);
    {
      const c10::cuda::CUDAStreamGuard own(stream_);
      work();
    }
    wait(current, stream_);
  }
  static void wait(const c10::cuda::CUDAStream& waiting, const c10::cuda::CUDAStream& other) {
    c10::Event done(c10::DeviceType::CUDA);
    done.record(other.unwrap());
    done.block(waiting.unwrap());
  }

  c10::cuda::CUDAStream stream_;
  at::cuda::CUDAGraph graph_;
};
#endif

}  // namespace

std::unique_ptr<GraphRecorder> make_graph_recorder(torch::Device device) {
#ifdef LACUNA_CUDA
  if (device.is_cuda()) return std::make_unique<CudaRecorder>(device);
#endif
  static_cast<void>(device);
  return nullptr;
}

void to_host(const std::vector<Tensor*>& tensors) {
  std::vector<Tensor> far;
  for (Tensor* const t : tensors) {
    if (!t->defined()) continue;
    if (!t->is_cuda()) {
      *t = t->to(torch::kCPU).contiguous();
      continue;
    }
    far.push_back(t->contiguous());
    *t = torch::empty(far.back().sizes(), far.back().options().device(torch::kCPU).pinned_memory(true));
    t->copy_(far.back(), /*non_blocking=*/true);
  }
  // A stream does one thing after the other: when one more number has come, all have.
  if (!far.empty()) far.back().flatten().narrow(0, 0, 1).to(torch::kCPU);
}

InputPlaces::InputPlaces(const std::vector<Tensor*>& like, torch::Device device) : device_(device) {
  for (const Tensor* const t : like) {
    at_.push_back(bytes_);
    if (t->defined()) bytes_ += (static_cast<std::int64_t>(t->nbytes()) + kAlignment - 1) / kAlignment * kAlignment;
  }
  block_ = torch::empty({bytes_}, torch::TensorOptions(torch::kByte).device(device));
  for (std::size_t i = 0; i < like.size(); ++i) {
    const Tensor& t = *like[i];
    place_.push_back(t.defined() ? block_.narrow(0, at_[i], static_cast<std::int64_t>(t.nbytes())).view(t.scalar_type()).view(t.sizes())
                                 : t);
  }
}

void InputPlaces::fill(const std::vector<Tensor*>& tensors) {
  auto& [staged, fetched] = staged_[next_++ % 2];
  while (fetched && !fetched->query()) std::this_thread::sleep_for(kFetchWait);
  if (!staged.defined()) staged = torch::empty({bytes_}, torch::TensorOptions(torch::kByte).pinned_memory(device_.is_cuda()));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!place_[i].defined()) continue;
    const Tensor whole = tensors[i]->contiguous();
    std::memcpy(static_cast<char*>(staged.data_ptr()) + at_[i], whole.data_ptr(), whole.nbytes());
    *tensors[i] = place_[i];
  }
  block_.copy_(staged, true);
  if (!device_.is_cuda()) return;
  fetched = std::make_unique<c10::Event>(device_.type());
  fetched->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
}

}  // namespace lacuna::model
