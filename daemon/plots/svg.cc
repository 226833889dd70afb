#include "daemon/plots/svg.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace lacuna::daemon {

namespace {

constexpr double kSign = 16;  ///< of a legend: from a mark to its name
constexpr double kLegendRow = 18, kLegendGap = 18;

/// Two decimals at most, and none that says nothing.
std::string number(double value) {
  std::string out = fmt::format("{:.2f}", std::isfinite(value) ? value : 0);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.ends_with('.')) out.pop_back();
  return out == "-0" ? "0" : out;
}

/// Bytes that are no UTF-8 become U+FFFD.
std::string utf8(std::string_view text) {
  using Json = nlohmann::json;
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : utf8(text)) {
    if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else if (c == '"') out += "&quot;";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) out += '.';
    else out += c;
  }
  for (const std::string_view no_character : {"\xEF\xBF\xBE", "\xEF\xBF\xBF"}) {  // U+FFFE and U+FFFF are none of XML's
    for (std::size_t at = 0; (at = out.find(no_character, at)) != std::string::npos;) out.replace(at, 3, "\xEF\xBF\xBD");
  }
  return out;
}

std::string joined(const Svg::Points& points) {
  std::string out;
  for (const auto& [x, y] : points) out += (out.empty() ? "" : " ") + number(x) + "," + number(y);
  return out;
}

std::string stroked(const char* stroke, double width, const char* dashes) {
  return fmt::format(" stroke=\"{}\" stroke-width=\"{}\"{}", stroke, number(width),
                     dashes == nullptr ? "" : fmt::format(" stroke-dasharray=\"{}\"", dashes));
}

}  // namespace

Svg::Svg(double width, double height, std::string_view title, std::string_view description) {
  out_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\" "
      "aria-labelledby=\"title description\" font-family=\"Helvetica, Arial, sans-serif\">\n<title id=\"title\">{2}</title>\n"
      "<desc id=\"description\">{3}</desc>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
      number(width), number(height), xml(title), xml(description));
}

void Svg::shape(std::string_view tag, std::string attributes, std::string_view tip) {
  if (tip.empty()) out_ += fmt::format("<{}{}/>\n", tag, attributes);
  else out_ += fmt::format("<{0}{1}><title>{2}</title></{0}>\n", tag, attributes, xml(tip));
}

void Svg::text(double x, double y, std::string_view text, const TextStyle& style) {
  out_ += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"", number(x), number(y), number(style.size), style.fill);
  if (std::string_view(style.anchor) != "start") out_ += fmt::format(" text-anchor=\"{}\"", style.anchor);
  if (style.bold) out_ += " font-weight=\"bold\"";
  if (style.turned != 0) out_ += fmt::format(" transform=\"rotate({} {} {})\"", number(style.turned), number(x), number(y));
  out_ += ">" + xml(text) + "</text>\n";
}

void Svg::line(double x1, double y1, double x2, double y2, const char* stroke, double width, const char* dashes) {
  shape("line",
        fmt::format(" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{}", number(x1), number(y1), number(x2), number(y2),
                    stroked(stroke, width, dashes)),
        {});
}

void Svg::rect(double x, double y, double width, double height, const char* fill, std::string_view tip) {
  shape("rect",
        fmt::format(" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"", number(x), number(y), number(width), number(height), fill),
        tip);
}

void Svg::polyline(const Points& points, const char* stroke, double width, const char* dashes) {
  shape("polyline", fmt::format(" points=\"{}\" fill=\"none\"{}", joined(points), stroked(stroke, width, dashes)), {});
}

void Svg::polygon(const Points& points, const char* fill, double opacity) {
  shape("polygon", fmt::format(" points=\"{}\" fill=\"{}\" fill-opacity=\"{}\"", joined(points), fill, number(opacity)), {});
}

void Svg::mark(Mark mark, double x, double y, double radius, const char* colour, std::string_view tip, double opacity) {
  const double r = radius;
  const std::string seen = opacity < 1 ? fmt::format(" opacity=\"{}\"", number(opacity)) : "";
  const std::string filled = fmt::format(" fill=\"{}\"{}", colour, seen);
  const std::string open = fmt::format(" fill=\"#ffffff\" stroke=\"{}\" stroke-width=\"1.5\"{}", colour, seen);
  const auto corners = [&](const Points& points) { return fmt::format(" points=\"{}\"", joined(points)); };
  switch (mark) {
    case Mark::dot:
    case Mark::ring:
      return shape("circle",
                   fmt::format(" cx=\"{}\" cy=\"{}\" r=\"{}\"", number(x), number(y), number(r)) + (mark == Mark::dot ? filled : open),
                   tip);
    case Mark::diamond:
      return shape("polygon", corners({{x, y - 1.3 * r}, {x + 1.3 * r, y}, {x, y + 1.3 * r}, {x - 1.3 * r, y}}) + open, tip);
    case Mark::square: return shape("polygon", corners({{x - r, y - r}, {x + r, y - r}, {x + r, y + r}, {x - r, y + r}}) + open, tip);
    case Mark::cross:
      return shape("path",
                   fmt::format(" d=\"M{0} {2}L{1} {3}M{0} {3}L{1} {2}\" fill=\"none\" stroke=\"{4}\" stroke-width=\"2\"{5}", number(x - r),
                               number(x + r), number(y - r), number(y + r), colour, seen),
                   tip);
    case Mark::triangle_up: return shape("polygon", corners({{x, y - 1.3 * r}, {x + 1.2 * r, y + r}, {x - 1.2 * r, y + r}}) + filled, tip);
    case Mark::triangle_down:
      return shape("polygon", corners({{x, y + 1.3 * r}, {x + 1.2 * r, y - r}, {x - 1.2 * r, y - r}}) + filled, tip);
  }
}

std::string Svg::finish() && { return std::move(out_) + "</svg>\n"; }

double text_width(std::string_view text, double size) {
  double out = 0;  // of the wider of usual fonts, about: narrow letters, wide ones, most
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) continue;
    if (std::string_view("ijl.,:;'|!()[]ft ").find(c) != std::string_view::npos) out += 0.37;
    else if (std::string_view("mwMW%").find(c) != std::string_view::npos) out += 0.95;
    else out += c >= 'A' && c <= 'Z' ? 0.7 : 0.62;
  }
  return out * size;
}

std::string fitted(std::string_view text, double width, double size) {
  std::string whole = utf8(text);
  if (text_width(whole, size) <= width) return whole;
  while (!whole.empty() && text_width(whole, size) + size > width) {
    while ((static_cast<unsigned char>(whole.back()) & 0xc0) == 0x80) whole.pop_back();
    whole.pop_back();
  }
  return whole + "…";
}

double legend(Svg& svg, double x, double y, double right, const std::vector<LegendEntry>& entries) {
  double at = x;
  for (const LegendEntry& entry : entries) {
    const double width = kSign + text_width(entry.name, 11);
    if (at > x && at + width > right) {
      at = x;
      y += kLegendRow;
    }
    svg.mark(entry.mark, at + 5, y - 4, 3.5, entry.colour);
    svg.text(at + kSign, y, entry.name);
    at += width + kLegendGap;
  }
  return y;
}

}  // namespace lacuna::daemon
