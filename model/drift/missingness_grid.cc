#include "model/drift/missingness_grid.h"

#include <algorithm>
#include <utility>

namespace lacuna::drift {

MissingnessGrid::MissingnessGrid(const std::vector<MissingnessMatrix::Row>& rows) {
  std::vector<std::string> modalities;
  std::set<std::string> sites;
  std::map<std::pair<std::string, std::string>, std::map<Time, Cell>> cells;  // modality, site
  for (const MissingnessMatrix::Row& row : rows) {
    if (std::find(modalities.begin(), modalities.end(), row.modality) == modalities.end()) modalities.push_back(row.modality);
    sites.insert(row.site);
    weeks.insert(row.week);
    for (const std::string& site : {row.site, std::string(kAllSites)}) {
      Cell& cell = cells[{row.modality, site}][row.week];
      cell.hours += static_cast<double>(row.patient_hours);
      cell.arrived += row.share * static_cast<double>(row.patient_hours);
    }
  }
  for (const std::string& modality : modalities) {
    if (sites.size() > 1) lines.push_back({modality, kAllSites, cells[{modality, kAllSites}]});
    for (const std::string& site : sites) lines.push_back({modality, site, cells[{modality, site}]});
  }
}

}  // namespace lacuna::drift
