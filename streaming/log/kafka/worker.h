#pragma once

#include <pthread.h>

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace lacuna::streaming::kafka {

/// One thread that does one thing after another for its owner. The destructor finishes what was begun.
class Worker {
 public:
  Worker() : thread_([this] { work(); }) {}
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// The one before has to be finished: its result was taken.
  template <typename Task>
  auto run(Task task) -> std::future<decltype(task())> {
    auto packaged = std::make_shared<std::packaged_task<decltype(task())()>>(std::move(task));
    auto result = packaged->get_future();
    {
      const std::lock_guard lock(mutex_);
      task_ = [packaged] { (*packaged)(); };
    }
    wake_.notify_one();
    return result;
  }

 private:
  void work() {
    pthread_setname_np(pthread_self(), "lacuna-commit");
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stopping_ || task_; });
      if (!task_) return;
      const std::function<void()> task = std::exchange(task_, nullptr);
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex mutex_;  ///< guards the next two
  std::function<void()> task_;
  bool stopping_ = false;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace lacuna::streaming::kafka
