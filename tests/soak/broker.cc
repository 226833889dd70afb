#include "tests/soak/broker.h"

#include <sys/types.h>

#include <csignal>
#include <fstream>
#include <vector>

#include "tests/soak/process.h"

namespace lacuna::soak {

Broker::~Broker() {
  resume();
  kill();
}

int Broker::start(bool fresh) {
  std::vector<std::string> arguments{script_, "start", "--dir", folder_};
  if (fresh) arguments.insert(arguments.end(), {"--fresh", "--port", "0"});
  return wait_for(spawn(arguments, folder_ + ".log"));
}

void Broker::kill() { wait_for(spawn({script_, "kill", "--dir", folder_}, folder_ + ".log")); }
void Broker::pause() { signal(SIGSTOP); }
void Broker::resume() { signal(SIGCONT); }

std::string Broker::bootstrap() const {
  std::string text;
  std::ifstream file(folder_ + "/bootstrap");
  std::getline(file, text);
  return text;
}

void Broker::signal(int number) const {
  pid_t pid = 0;
  if (std::ifstream(folder_ + "/pid") >> pid && pid > 1) ::kill(pid, number);
}

}  // namespace lacuna::soak
