#include "model/payload_statistics.h"

#include <algorithm>
#include <cmath>

namespace lacuna::model {

namespace {

/// Words that may wait for a number, for each number there can be.
constexpr std::size_t kWaitingPerWord = 8;

bool is_letter(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c > 127; }
bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool letters = false;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(letters ? word : "#");
    word.clear();
    letters = false;
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_letter(byte)) {
      word += byte >= 'A' && byte <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      letters = true;
    } else if (is_digit(byte)) {
      word += c;
    } else {
      finish();
    }
  }
  finish();
  return words;
}

Vocabulary::Vocabulary(const PayloadSpec& spec)
    : size_(kFirstWord + static_cast<std::uint32_t>(spec.vocabulary.empty() ? spec.vocabulary_size : spec.vocabulary.size())),
      given_(!spec.vocabulary.empty()) {
  for (const std::string& word : spec.vocabulary) add(word);
}

void Vocabulary::add(std::string word) {
  numbers_.emplace(word, kFirstWord + static_cast<std::uint32_t>(words_.size()));
  words_.push_back(std::move(word));
}

std::uint32_t Vocabulary::number(const std::string& word) const {
  const auto it = numbers_.find(word);
  return it == numbers_.end() ? kUnknown : it->second;
}

void Vocabulary::observe(std::string_view text) {
  if (given_) return;
  const std::size_t room = size_ - kFirstWord;
  if (words_.size() >= room) return;
  for (std::string& word : words_of(text)) {
    if (numbers_.contains(word) || words_.size() >= room) continue;
    if (++waiting_[word] < kWordMin) continue;
    waiting_.erase(word);
    add(std::move(word));
  }
  if (words_.size() >= room) waiting_.clear();
  while (waiting_.size() > kWaitingPerWord * room) {
    for (auto it = waiting_.begin(); it != waiting_.end();) it = --it->second == 0 ? waiting_.erase(it) : std::next(it);
  }
}

void Vocabulary::tokens(std::string_view text, std::span<float> out) const {
  std::fill(out.begin(), out.end(), static_cast<float>(kPadding));
  std::size_t at = 0;
  for (const std::string& word : words_of(text)) {
    if (at == out.size()) return;
    out[at++] = static_cast<float>(number(word));
  }
  if (at < out.size()) out[at] = static_cast<float>(kEnd);
}

void Vocabulary::save(ByteWriter& out) const {
  out.put(static_cast<std::uint32_t>(words_.size()));
  for (const std::string& word : words_) out.put_text(word);
  out.put(static_cast<std::uint32_t>(waiting_.size()));
  for (const auto& [word, count] : waiting_) {
    out.put_text(word);
    out.put(count);
  }
}

bool Vocabulary::load(ByteReader& in) {
  const auto words = in.get<std::uint32_t>();
  if (words > size_ - kFirstWord || (given_ && words != words_.size())) return false;
  words_.clear();
  numbers_.clear();
  waiting_.clear();
  for (std::uint32_t i = 0; i < words && in.ok(); ++i) add(in.get_text());
  const auto waiting = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < waiting && in.ok(); ++i) {
    std::string word = in.get_text();
    waiting_[std::move(word)] = in.get<std::uint32_t>();
  }
  return in.ok() && numbers_.size() == words;
}

PayloadStatistics::PayloadStatistics(ModalityKind kind, const PayloadSpec& spec)
    : kind_(kind), spec_(spec), values_(spec.value_count(kind)), vocabulary_(spec) {
  if (values_ == 0) return;
  const std::size_t cells = kind == ModalityKind::embedding ? spec.length : spec.channels;
  cells_.resize(cells);
  values_per_cell_ = values_ / cells;
}

void PayloadStatistics::forget(std::uint64_t patient) {
  for (RobustMoments& cell : cells_) cell.forget(patient);
}

void PayloadStatistics::observe(const Payload& payload, double weight, std::uint64_t patient) {
  if (kind_ == ModalityKind::text) return vocabulary_.observe(payload.text);
  const std::size_t size = std::min(values_, payload.values.size());
  for (std::size_t from = 0; from < size; from += values_per_cell_) {
    double n = 0, mean = 0, squares = 0;
    for (std::size_t i = from; i < std::min(from + values_per_cell_, size); ++i) {
      if (!payload.observed.empty() && payload.observed[i] == 0) continue;
      const double before = payload.values[i] - mean;
      mean += before / ++n;
      squares += before * (payload.values[i] - mean);
    }
    if (n > 0) cells_[cell_of(from)].add(mean, squares / n, weight * n / static_cast<double>(values_per_cell_), patient);
  }
}

std::size_t PayloadStatistics::row_width() const { return kind_ == ModalityKind::text ? spec_.length : 2 * values_; }

void PayloadStatistics::row(const Payload& payload, std::span<float> out) const {
  if (kind_ == ModalityKind::text) return vocabulary_.tokens(payload.text, out);
  if (payload.values.size() == values_ && payload.observed.empty()) {
    std::copy(payload.values.begin(), payload.values.end(), out.begin());
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(values_), values_, 1.0F);
    return;
  }
  for (std::size_t i = 0; i < values_; ++i) {
    const bool observed = i < payload.values.size() && (payload.observed.empty() || payload.observed[i] != 0);
    out[i] = observed ? payload.values[i] : 0.0F;
    out[values_ + i] = observed ? 1.0F : 0.0F;
  }
}

std::vector<float> PayloadStatistics::means() const {
  std::vector<float> out;
  for (const RobustMoments& c : cells_) out.push_back(static_cast<float>(c.mean()));
  return out;
}

std::vector<float> PayloadStatistics::spreads() const {
  std::vector<float> out;
  for (const RobustMoments& c : cells_) out.push_back(static_cast<float>(c.sd()));
  return out;
}

float PayloadStatistics::value(std::size_t position, float standardised) const {
  const RobustMoments& cell = cells_[cell_of(position)];
  return static_cast<float>(cell.mean() + cell.sd() * standardised);
}

float PayloadStatistics::spread(std::size_t position, float standardised) const {
  return static_cast<float>(cells_[cell_of(position)].sd() * standardised);
}

void PayloadStatistics::save(ByteWriter& out) const {
  out.put(static_cast<std::uint32_t>(cells_.size()));
  for (const RobustMoments& cell : cells_) cell.save(out);
  if (kind_ == ModalityKind::text) vocabulary_.save(out);
}

bool PayloadStatistics::load(ByteReader& in) {
  if (in.get<std::uint32_t>() != cells_.size()) return false;
  for (RobustMoments& cell : cells_) cell.load(in);
  return (kind_ != ModalityKind::text || vocabulary_.load(in)) && in.ok();
}

void PayloadStatistics::save_start(ByteWriter& out) const {
  for (const RobustMoments& cell : cells_) cell.save_start(out);
}

void PayloadStatistics::load_start(ByteReader& in) {
  for (RobustMoments& cell : cells_) cell.load_start(in);
}

}  // namespace lacuna::model
