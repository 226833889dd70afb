#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <c10/core/Event.h>
#include <torch/torch.h>

// Work that a device repeats with other inputs. On a GPU each operation of a small network costs more to launch than to do; recorded once
// and replayed as a whole (a CUDA graph) a step is one launch. What is recorded reads and writes fixed places and asks the host nothing.

namespace lacuna::model {

/// Writes down what the calling thread gives a device, and gives it to the device again. One recording each. Not thread-safe.
class GraphRecorder {
 public:
  virtual ~GraphRecorder() = default;
  /// Carries `work` out as record() would see it: libraries set themselves up the first few times, which no recording may contain.
  virtual void warm_up(const std::function<void()>& work) = 0;
  /// Writes `work` down; nothing of it is carried out. Throws when it does what cannot be recorded; then nothing is recorded.
  virtual void record(const std::function<void()>& work) = 0;
  virtual void replay() = 0;
};

/// Null where there is nothing that could: on a processor, and with a LibTorch without CUDA.
std::unique_ptr<GraphRecorder> make_graph_recorder(torch::Device device);

/// Host copies: all are under way at once, and waited for together. Undefined tensors stay so.
void to_host(const std::vector<torch::Tensor*>& tensors);

/// Fixed places on a device for a list of the host's tensors. They cross in one block of page-locked memory, which the device fetches by
/// itself. There are two: the host fills one while the device fetches the other, and so is never more than two calls ahead.
class InputPlaces {
 public:
  /// Places for tensors of these shapes; undefined ones have none.
  InputPlaces(const std::vector<torch::Tensor*>& like, torch::Device device);
  /// Copies the tensors there and puts the places in their stead.
  void fill(const std::vector<torch::Tensor*>& tensors);

 private:
  torch::Device device_;
  std::int64_t bytes_ = 0;        ///< of the block
  std::vector<std::int64_t> at_;  ///< where each begins in the block
  std::vector<torch::Tensor> place_;
  torch::Tensor block_;
  struct Staged {
    torch::Tensor block;                  ///< on the host; undefined before its first use
    std::unique_ptr<c10::Event> fetched;  ///< null: nobody fetches it by himself
  };
  Staged staged_[2];
  std::size_t next_ = 0;
};

/// `body`, from tensors on the host to tensors on the device. In and Out are structs of tensors; In has each(f), which calls f with every
/// tensor, in one order. On a processor it is just called. Not thread-safe.
template <typename In, typename Out>
class DeviceGraph {
 public:
  using Body = std::function<Out(const In&)>;
  using MakeRecorder = std::function<std::unique_ptr<GraphRecorder>(torch::Device)>;

  /// `apart`: inputs move to places of their own; without that, as on a processor, nothing is recorded.
  explicit DeviceGraph(torch::Device device) : DeviceGraph(device, !device.is_cpu(), make_graph_recorder) {}
  DeviceGraph(torch::Device device, bool apart, MakeRecorder make_recorder)
      : device_(device), apart_(apart), make_recorder_(std::move(make_recorder)) {}

  /// `variant` tells bodies apart that do different things. What is returned may be overwritten by the next call.
  Out run(In in, const Body& body, int variant = 0) {
    if (!apart_) return body(in);
    std::vector<torch::Tensor*> tensors;
    in.each([&](torch::Tensor& t) { tensors.push_back(&t); });
    Key key = key_of(tensors, variant);
    auto at = kept_.find(key);
    if (at == kept_.end()) {
      Kept fresh{InputPlaces(tensors, device_), nullptr, {}, 0};
      if (kept_.size() == kShapesMax) {  // shapes without end: each for itself, and nothing to be replayed
        fresh.places.fill(tensors);
        return body(in);
      }
      if (able_) able_ = (fresh.recorder = make_recorder_(device_)) != nullptr;
      at = kept_.emplace(std::move(key), std::move(fresh)).first;
    }
    Kept& kept = at->second;
    kept.places.fill(tensors);
    if (!kept.recorder || !able_) return body(in);
    if (kept.runs < kWarmUps) {
      ++kept.runs;
      Out out;
      kept.recorder->warm_up([&] { out = body(in); });
      return out;
    }
    if (!kept.recorded) {
      try {
        kept.recorder->record([&] { kept.out = body(in); });
        kept.recorded = true;
      } catch (const std::exception&) {
        // What cannot be recorded can be done: one launch after the other, from here on.
        able_ = false;
        return body(in);
      }
    }
    kept.recorder->replay();
    ++replays_;
    return kept.out;
  }

  std::int64_t replays() const { return replays_; }

  /// Runs of a shape before it is recorded, and shapes that are remembered.
  static constexpr int kWarmUps = 3;
  static constexpr std::size_t kShapesMax = 32;

 private:
  using Key = std::vector<std::int64_t>;
  struct Kept {
    InputPlaces places;
    std::unique_ptr<GraphRecorder> recorder;
    Out out;  ///< the places that the recording writes
    int runs = 0;
    bool recorded = false;
  };

  static Key key_of(const std::vector<torch::Tensor*>& tensors, int variant) {
    Key key{variant};
    for (const torch::Tensor* t : tensors) {
      key.push_back(t->defined() ? t->dim() : -1);
      if (t->defined()) key.insert(key.end(), t->sizes().begin(), t->sizes().end());
    }
    return key;
  }

  torch::Device device_;
  bool apart_, able_ = true;
  MakeRecorder make_recorder_;
  std::map<Key, Kept> kept_;
  std::int64_t replays_ = 0;
};

}  // namespace lacuna::model
