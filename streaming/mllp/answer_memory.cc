#include "streaming/mllp/answer_memory.h"

#include <string>

#include "state/records/digest.h"

namespace lacuna::streaming::mllp {

AnswerMemory::Key AnswerMemory::key_of(const MessageHeader& header, std::string_view message) {
  if (header.control_id.empty()) return {};
  // A field holds no line end, so none runs into the next.
  return {digest64(header.application + '\n' + header.facility + '\n' + header.control_id), digest64(message), true};
}

std::optional<AnswerStamp> AnswerMemory::find(const Key& key) const {
  const auto found = entries_.find(key.sender);
  if (!key.known || found == entries_.end() || found->second.content != key.content) return std::nullopt;
  return found->second.stamp;
}

bool AnswerMemory::is_reused(const Key& key) const {
  const auto found = entries_.find(key.sender);
  return key.known && found != entries_.end() && found->second.content != key.content;
}

void AnswerMemory::remember(const Key& key, const AnswerStamp& stamp) {
  if (!key.known || capacity_ == 0) return;
  const auto [at, fresh] = entries_.insert_or_assign(key.sender, Entry{key.content, stamp});
  if (!fresh) return;
  order_.push_back(key.sender);
  if (order_.size() <= capacity_) return;
  entries_.erase(order_.front());
  order_.pop_front();
}

}  // namespace lacuna::streaming::mllp
