#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/robust_moments.h"
#include "state/records/bytes.h"
#include "state/records/payload.h"

// From payloads to the numbers the network reads, and back. No LibTorch.

namespace lacuna::model {

/// Words of a text: runs of letters and digits, ASCII letters in lower case, each number as "#". Bytes above 127 count as letters, so
/// that words of any language stay whole.
std::vector<std::string> words_of(std::string_view text);

/// Words and their numbers. A word that was given a number keeps it for good, since weights belong to the number.
class Vocabulary {
 public:
  static constexpr std::uint32_t kPadding = 0, kUnknown = 1, kEnd = 2, kFirstWord = 3;
  /// Times a word must be seen before it gets a number.
  static constexpr std::uint32_t kWordMin = 5;

  explicit Vocabulary(const PayloadSpec& spec);
  /// Counts the words of a text; those seen often enough get numbers while there are any left. Nothing when the words were given.
  /// Rare words are forgotten when too many wait (lossy counting, Manku and Motwani 2002).
  void observe(std::string_view text);
  /// The numbers of a text's first words, then kEnd where there is room, then kPadding.
  void tokens(std::string_view text, std::span<float> out) const;
  /// Numbers there can ever be, kFirstWord included.
  std::uint32_t size() const { return size_; }
  /// By number minus kFirstWord; as many as there are now.
  const std::vector<std::string>& words() const { return words_; }
  void save(ByteWriter& out) const;
  bool load(ByteReader& in);

 private:
  std::uint32_t number(const std::string& word) const;
  void add(std::string word);

  std::uint32_t size_;
  bool given_;
  std::vector<std::string> words_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::map<std::string, std::uint32_t> waiting_;  ///< ordered, so that it is saved and thinned alike everywhere
};

/// What is known of a modality's payloads as a whole: the mean and spread of each channel (image, signal) or dimension (embedding), or
/// the vocabulary. Part of a version.
class PayloadStatistics {
 public:
  PayloadStatistics(ModalityKind kind, const PayloadSpec& spec);
  /// Each channel or dimension of a payload counts as one observation, `weight` times the share of it that was observed.
  void observe(const Payload& payload, double weight = 1, std::uint64_t patient = 0);
  void forget(std::uint64_t patient);  ///< RobustMoments::forget() of all

  /// Numbers of one row. Values: all as they are (0 where not observed), then all observed masks; text: token numbers.
  std::size_t row_width() const;
  void row(const Payload& payload, std::span<float> out) const;
  /// Mean and spread of each channel or dimension, which as many values of a row follow each other in; empty for text.
  std::vector<float> means() const;
  std::vector<float> spreads() const;
  /// Natural value of a standardised one, by position in the payload; and of a spread.
  float value(std::size_t position, float standardised) const;
  float spread(std::size_t position, float standardised) const;
  const Vocabulary& vocabulary() const { return vocabulary_; }

  void save(ByteWriter& out) const;
  bool load(ByteReader& in);  ///< false when it does not fit
  void save_start(ByteWriter& out) const;
  void load_start(ByteReader& in);

 private:
  std::size_t cell_of(std::size_t position) const { return position / values_per_cell_; }

  ModalityKind kind_;
  PayloadSpec spec_;
  std::size_t values_ = 0, values_per_cell_ = 1;
  std::vector<RobustMoments> cells_;
  Vocabulary vocabulary_;
};

}  // namespace lacuna::model
