#include "daemon/pipeline/operator_commands.h"

#include <algorithm>
#include <utility>

namespace lacuna::daemon {

Status OperatorCommands::ask(OperatorCommand command, Millis limit) {
  const auto asked = std::make_shared<Asked>(Asked{std::move(command), {}, false});
  std::unique_lock lock(mutex_);
  if (closed_) return {Code::unavailable, "the daemon is stopping"};
  if (callers_ >= kWaitingMax) return {Code::unavailable, "other commands are being carried out: try again"};
  callers_ += 1;
  waiting_.push_back(asked);
  answered_.wait_for(lock, limit, [&] { return asked->outcome.has_value(); });
  callers_ -= 1;
  if (asked->outcome) return *asked->outcome;
  if (asked->begun) return {Code::unavailable, "it was begun, but takes long: look whether it was done before trying again"};
  std::erase(waiting_, asked);
  return {Code::unavailable, "the loop did not get to it within " + format_duration(limit) + ": nothing was done"};
}

bool OperatorCommands::waiting() const {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty();
}

std::shared_ptr<OperatorCommands::Asked> OperatorCommands::next() {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) return nullptr;
  auto asked = std::move(waiting_.front());
  waiting_.pop_front();
  asked->begun = true;
  return asked;
}

void OperatorCommands::answer(const std::shared_ptr<Asked>& asked, Status outcome) {
  {
    const std::lock_guard lock(mutex_);
    asked->outcome = std::move(outcome);
  }
  answered_.notify_all();
}

void OperatorCommands::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const auto& asked : waiting_) asked->outcome = Status(Code::unavailable, "the daemon is stopping");
    waiting_.clear();
  }
  answered_.notify_all();
}

}  // namespace lacuna::daemon
