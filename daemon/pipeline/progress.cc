#include "daemon/pipeline/progress.h"

namespace lacuna::daemon {

Counts& Counts::operator+=(const Counts& batch) {
  for (const auto member : {&Counts::consumed, &Counts::applied, &Counts::duplicate, &Counts::late, &Counts::refused,
                            &Counts::partial, &Counts::imputations, &Counts::imputed_values, &Counts::alerts,
                            &Counts::dead_letters}) {
    this->*member += batch.*member;
  }
  for (std::size_t i = 0; i < refused_by.size(); ++i) refused_by[i] += batch.refused_by[i];
  return *this;
}

}  // namespace lacuna::daemon
