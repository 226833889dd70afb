#include "streaming/messages/dead_letter.h"

#include <string>

#include "streaming/messages/refusal.h"

namespace lacuna::streaming {

namespace {

/// Longer reasons are cut: a message with thousands of bad features must not make a header that a broker refuses.
constexpr std::size_t kDeadLetterMessageBytesMax = 1024;

std::string cut(std::string_view text) {
  if (text.size() <= kDeadLetterMessageBytesMax) return std::string(text);
  constexpr std::string_view kMark = "...";
  std::size_t size = kDeadLetterMessageBytesMax - kMark.size();
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;  // not inside a character
  return std::string(text.substr(0, size)) + std::string(kMark);
}

}  // namespace

OutputRecord make_dead_letter(const std::string& topic, const LetterSender& sender, const Record& original, Refusal reason,
                              std::string_view stage, std::string_view message) {
  OutputRecord letter{topic, std::nullopt, original.key, original.value, original.headers};
  if (original.timestamp > Time{}) letter.timestamp = original.timestamp;
  // Appended, also where a letter comes back a second time: readers of Kafka headers take the last of a name.
  letter.headers.emplace_back("__connect.errors.topic", original.position.topic);
  letter.headers.emplace_back("__connect.errors.partition", std::to_string(original.position.partition));
  letter.headers.emplace_back("__connect.errors.offset", std::to_string(original.position.offset));
  letter.headers.emplace_back("__connect.errors.connector.name", sender.group);
  letter.headers.emplace_back("__connect.errors.task.id", sender.instance);
  letter.headers.emplace_back("__connect.errors.stage", stage);
  letter.headers.emplace_back("__connect.errors.class.name", "lacuna");
  letter.headers.emplace_back("__connect.errors.exception.class.name", to_string(reason));
  letter.headers.emplace_back("__connect.errors.exception.message", cut(message));
  letter.headers.emplace_back("__connect.errors.exception.stacktrace", "");  // there is none: for readers that expect all ten
  return letter;
}

}  // namespace lacuna::streaming
