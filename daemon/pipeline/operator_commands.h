#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "state/records/status.h"
#include "state/records/time.h"

namespace lacuna::daemon {

/// An operator's decision about one subject of the detectors, or about a person.
struct OperatorCommand {
  enum class Action : std::uint8_t { accept, mute, unmute, forget, merge };
  Action action = Action::accept;
  std::string kind, subject;
  Millis duration{};             ///< mute: for how long, of clinical time
  std::string person{}, into{};  ///< forget, merge: their keys
  bool force = false;            ///< accept: where nothing is alarmed, too
  std::string by{}, why{};       ///< who decided, as said by whoever asked, and for what reason; empty: not said
  bool about_person() const { return action == Action::forget || action == Action::merge; }
};

/// Hands commands from any thread to the loop's, and their outcome back. next(), answer() and close() on the loop's thread.
class OperatorCommands {
 public:
  /// More at a time are turned away: each holds a thread of its caller, which a probe may need.
  static constexpr std::size_t kWaitingMax = 2;

  struct Asked {
    OperatorCommand command;
    std::optional<Status> outcome;
    bool begun = false;
  };

  /// Waits until the loop has answered; `unavailable` when it did not within `limit`, when too many wait, after close().
  Status ask(OperatorCommand command, Millis limit);

  bool waiting() const;
  /// The oldest that waits; null when there is none. Once taken it can no longer be withdrawn.
  std::shared_ptr<Asked> next();
  void answer(const std::shared_ptr<Asked>& asked, Status outcome);
  /// The loop ends: those that wait, and all later ones, are told so.
  void close();

 private:
  mutable std::mutex mutex_;  ///< guards everything, what is inside of Asked too
  std::condition_variable answered_;
  std::deque<std::shared_ptr<Asked>> waiting_;
  std::size_t callers_ = 0;
  bool closed_ = false;
};

}  // namespace lacuna::daemon
