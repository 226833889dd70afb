#include "daemon/http/bounded_server.h"

#include <pthread.h>
#include <sys/socket.h>

#include <semaphore>
#include <utility>

namespace lacuna::daemon {

namespace {

constexpr std::size_t kThreads = 4;
constexpr std::size_t kConnectionsMax = 64;  ///< being served or waiting; more wait in the kernel's backlog
constexpr int kBacklog = 128;                ///< connections the kernel holds; beyond, a client tries again after a second
constexpr std::chrono::seconds kReadTimeout{5};
constexpr std::chrono::seconds kWriteTimeout{5};

/// The library's pool takes any number of connections; this one makes the accepting thread wait.
class BoundedPool final : public httplib::ThreadPool {
 public:
  BoundedPool() : ThreadPool(kThreads) {}
  void enqueue(std::function<void()> job) override {
    slots_.acquire();
    ThreadPool::enqueue([this, job = std::move(job)] {
      job();
      slots_.release();
    });
  }

 private:
  std::counting_semaphore<> slots_{kConnectionsMax};
};

}  // namespace

BoundedServer::BoundedServer() {
  new_task_queue = [] { return new BoundedPool; };
  set_keep_alive_max_count(1);
  set_read_timeout(kReadTimeout);
  set_write_timeout(kWriteTimeout);
  // The library's own choice is SO_REUSEPORT, with which a second daemon silently shares the port.
  set_socket_options([](int socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
}

BoundedServer::~BoundedServer() {
  stop();
  if (thread_.joinable()) thread_.join();
}

Status BoundedServer::start(const std::string& address, int port) {
  port_ = port;
  if (port == 0) port_ = bind_to_any_port(address);
  else if (!bind_to_port(address, port)) port_ = -1;
  if (port_ <= 0) {
    return {Code::unavailable,
            "http: cannot listen on " + address + ":" + std::to_string(port) + " (taken, or not an address of this machine)"};
  }
  ::listen(svr_sock_, kBacklog);  // the library asks the kernel to hold five connections; asking again changes that
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "lacuna-http");
    listen_after_bind();
  });
  // stop() before the accepting loop runs would be forgotten.
  while (!is_running()) std::this_thread::yield();
  return {};
}

}  // namespace lacuna::daemon
