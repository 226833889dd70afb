#pragma once

#include <span>
#include <vector>

#include <torch/torch.h>

#include "model/encoding.h"

// Payloads of one modality in a batch, as the network reads them.

namespace lacuna::model {

/// Of `n` of a batch's examples.
struct PayloadRows {
  torch::Tensor index;         ///< [n], which examples; undefined: none
  torch::Tensor rows;          ///< [n, W] (PayloadStatistics::row)
  torch::Tensor age;           ///< [n, kAgeColumns]
  torch::Tensor mean, spread;  ///< [channels or dimensions], of `rows`; undefined for text
  static constexpr std::int64_t kAgeColumns = 2;
  /// Standardised values further out are read as being there.
  static constexpr double kValueClamp = 10;

  /// `rows` as the kinds read them (kinds/kind.h): values standardised, where they lie. There are many of them: the host only copies.
  torch::Tensor standardised() const;

  /// The same with rows of `example` added, up to one of a few sizes (padded()), which hold nothing. None stay none.
  PayloadRows padded(std::int64_t example) const;
  template <typename F>
  void each(F&& f) {
    f(index);
    f(rows);
    f(age);
    f(mean);
    f(spread);
  }
};

/// The least power of 4 that is not below `count`, and at least 4: on a device, shapes that change from call to call are brought to a few.
std::int64_t padded(std::int64_t count);
/// `t` with rows of zeros added, up to `rows`.
torch::Tensor with_rows(const torch::Tensor& t, std::int64_t rows);

/// A row of a contiguous tensor on the host whose first dimension counts rows.
std::span<float> row_of(torch::Tensor& t, std::int64_t row);

/// One payload and the example it belongs to.
struct PayloadOf {
  std::int64_t example = 0;
  const Payload* payload = nullptr;  ///< borrowed for the call
  double age_hours = 0;
};
PayloadRows make_payload_rows(const PayloadStatistics& statistics, const std::vector<PayloadOf>& payloads);

/// The newest payloads of `snapshots` of one slot's modality, seen from `times`; a null snapshot has none.
std::vector<PayloadOf> newest_payloads(ModalityId modality, const std::vector<const Snapshot*>& snapshots, const std::vector<Time>& times);

}  // namespace lacuna::model
