#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The one writer of SVG: pictures that a browser shows, a screen reader tells and no colour-blind person misreads.

namespace lacuna::daemon {

/// Of Okabe and Ito (2008), apart for every kind of colour vision, and greys; all on white.
namespace colours {
inline constexpr const char *kInk = "#1f2933", *kMuted = "#5b6770", *kAxis = "#9aa5b1", *kGrid = "#e4e7eb", *kShade = "#eff2f5";
inline constexpr const char *kBlue = "#0072b2", *kOrange = "#e69f00", *kVermillion = "#d55e00", *kGreen = "#009e73", *kPurple = "#aa4499";
}  // namespace colours

enum class Mark { dot, ring, diamond, square, cross, triangle_up, triangle_down };

/// One picture. All coordinates and sizes are pixels, y downwards. What texts hold is escaped; control characters become '.', and bytes
/// that are no UTF-8 U+FFFD. A tip is what is shown and told of one mark. One thread.
class Svg {
 public:
  using Points = std::vector<std::pair<double, double>>;
  struct TextStyle {
    double size = 11;
    const char* anchor = "start";  ///< or middle, end
    const char* fill = colours::kInk;
    bool bold = false;
    double turned = 0;  ///< degrees, about its place
  };

  /// `title` and `description` are told by screen readers; they are not drawn.
  Svg(double width, double height, std::string_view title, std::string_view description);

  void text(double x, double y, std::string_view text, const TextStyle& style);
  void text(double x, double y, std::string_view words) { text(x, y, words, TextStyle()); }
  void line(double x1, double y1, double x2, double y2, const char* stroke, double width = 1, const char* dashes = nullptr);
  void rect(double x, double y, double width, double height, const char* fill, std::string_view tip = {});
  void polyline(const Points& points, const char* stroke, double width = 1, const char* dashes = nullptr);
  void polygon(const Points& points, const char* fill, double opacity);
  /// `radius`: of the dot; the others look as large. `opacity`: of all of it.
  void mark(Mark mark, double x, double y, double radius, const char* colour, std::string_view tip = {}, double opacity = 1);
  /// The whole file. The picture is over.
  std::string finish() &&;

 private:
  void shape(std::string_view tag, std::string attributes, std::string_view tip);
  std::string out_;
};

/// How wide a text is about, in a usual sans-serif font.
double text_width(std::string_view text, double size);
/// The text, or its beginning and "…", so that it is about so wide at most.
std::string fitted(std::string_view text, double width, double size);

/// Signs in a row, each with its name, from `x` on; goes on in a further row where `right` is reached. Returns the y of the last row.
struct LegendEntry {
  Mark mark = Mark::dot;
  const char* colour = colours::kInk;
  std::string name;
};
double legend(Svg& svg, double x, double y, double right, const std::vector<LegendEntry>& entries);

}  // namespace lacuna::daemon
