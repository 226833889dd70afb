#include "model/payload_rows.h"

#include <algorithm>
#include <cmath>

namespace lacuna::model {

std::span<float> row_of(torch::Tensor& t, std::int64_t row) {
  const std::int64_t width = t.numel() / std::max<std::int64_t>(t.size(0), 1);
  return {t.data_ptr<float>() + row * width, static_cast<std::size_t>(width)};
}

std::int64_t padded(std::int64_t count) {
  std::int64_t size = 4;
  while (size < count) size *= 4;
  return size;
}

torch::Tensor with_rows(const torch::Tensor& t, std::int64_t rows) {
  std::vector<std::int64_t> size = t.sizes().vec();
  size[0] = rows - size[0];
  return torch::cat({t, torch::zeros(size, t.options())});
}

PayloadRows PayloadRows::padded(std::int64_t example) const {
  if (!index.defined()) return {};
  const std::int64_t all = model::padded(index.size(0));
  return {torch::cat({index, torch::full({all - index.size(0)}, example, index.options())}), with_rows(rows, all), with_rows(age, all),
          mean, spread};
}

torch::Tensor PayloadRows::standardised() const {
  if (!mean.defined()) return rows;
  const std::int64_t n = rows.size(0), values = rows.size(1) / 2;
  const torch::Tensor by_cell = rows.narrow(1, 0, values).reshape({n, mean.size(0), -1}), observed = rows.narrow(1, values, values);
  const torch::Tensor z = ((by_cell - mean.unsqueeze(-1)) / spread.unsqueeze(-1)).clamp(-kValueClamp, kValueClamp).view({n, values});
  return torch::cat({z * observed, observed}, 1);
}

PayloadRows make_payload_rows(const PayloadStatistics& statistics, const std::vector<PayloadOf>& payloads) {
  PayloadRows out;
  if (payloads.empty()) return out;
  const auto n = static_cast<std::int64_t>(payloads.size());
  out.index = torch::empty({n}, torch::kLong);
  out.rows = torch::empty({n, static_cast<std::int64_t>(statistics.row_width())});
  out.age = torch::empty({n, PayloadRows::kAgeColumns});
  if (const std::vector<float> means = statistics.means(); !means.empty()) {
    out.mean = torch::tensor(means);
    out.spread = torch::tensor(statistics.spreads());
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const PayloadOf& p = payloads[static_cast<std::size_t>(i)];
    out.index.data_ptr<std::int64_t>()[i] = p.example;
    statistics.row(*p.payload, row_of(out.rows, i));
    const double age = std::clamp(p.age_hours, 0.0, kAgeHoursMax);
    row_of(out.age, i)[0] = static_cast<float>(std::log1p(age) * 0.5);
    row_of(out.age, i)[1] = static_cast<float>(std::exp(-age));
  }
  return out;
}

std::vector<PayloadOf> newest_payloads(ModalityId modality, const std::vector<const Snapshot*>& snapshots, const std::vector<Time>& times) {
  std::vector<PayloadOf> out;
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    if (snapshots[i] == nullptr || modality >= snapshots[i]->modalities.size()) continue;
    const ModalityState& state = snapshots[i]->modalities[modality];
    if (state.payload) out.push_back({static_cast<std::int64_t>(i), &*state.payload, hours_between(state.last_time, times[i])});
  }
  return out;
}

}  // namespace lacuna::model
