// SPDX-License-Identifier: Apache-2.0
// The page of a drift report: the verdict, a table with one line a column, then each column's
// distributions, now beside reference, as bars in SVG.
#include "drift/report_html.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace slipway::drift {
namespace {

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--back:#fbfbfa;--card:#fff;--text:#1d2228;--soft:#5d6670;--line:#dfe3e6;
--then:#9aa5b1;--now:#2468c9;--bad:#b42318;--warn:#9a6700;--good:#1a7f4b}
@media (prefers-color-scheme:dark){:root{--back:#14171a;--card:#1c2024;--text:#e8ebee;--soft:#9aa4ae;
--line:#30363c;--then:#6b7681;--now:#6ea8fe;--bad:#ff8a7d;--warn:#e3b341;--good:#5cc98d}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.45 system-ui,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:0}
p{margin:4px 0}.soft{color:var(--soft)}.mono{font-family:ui-monospace,monospace;font-size:13px}
.verdict{font-size:18px;font-weight:600;margin:14px 0}
.bad{color:var(--bad)}.warn{color:var(--warn)}.good{color:var(--good)}
.wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px;margin:18px 0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:7px 12px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:500;font-size:13px}tr:last-child td{border-bottom:0}
th:first-child,td:first-child,th:last-child,td:last-child{text-align:left}
td:last-child{white-space:normal;min-width:150px}th,td{padding-inline:9px}
a{color:inherit}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;margin:14px 0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(500px,1fr));gap:14px;align-items:start}
@media (max-width:560px){.cards{grid-template-columns:1fr}}
.cards section{margin:0}
header.card{display:flex;justify-content:space-between;gap:12px;align-items:baseline}
svg{width:100%;height:auto;display:block;margin-top:8px}
svg text{fill:var(--soft);font:11px system-ui,sans-serif}
.then{fill:var(--then)}.now{fill:var(--now)}.axis{stroke:var(--line)}
.key i{display:inline-block;width:10px;height:10px;border-radius:2px;margin:0 5px 0 12px}
)";

constexpr double kWidth = 520;
constexpr double kHeight = 208;
constexpr double kPlotHeight = 128;
constexpr double kLeft = 46;
constexpr size_t kMostBars = 16;
constexpr size_t kMostLabel = 18;  // characters below a bar

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string Print(const char* format, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string Number(double value) { return Print("%.4g", value); }
std::string Percent(double share) { return Print("%.2f", 100 * share) + " %"; }

// At most so many characters of UTF-8, the last one an ellipsis.
std::string Shorten(std::string_view text, size_t most) {
  size_t characters = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U) continue;
    if (++characters == most) {
      size_t end = i + 1;
      while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) ++end;
      return end == text.size() ? std::string(text) : std::string(text.substr(0, i)) + "\u2026";
    }
  }
  return std::string(text);
}

struct Verdict {
  std::string_view style;
  std::string text;
};

Verdict VerdictOf(const ColumnReport& column) {
  if (!column.judged) {
    return {"soft", "needs " + std::to_string(column.needs_rows) + " more rows" +
                        (column.reference_is_small ? " in the reference" : "")};
  }
  if (column.drifted)
    return {"bad", "drift (" + std::string(column.decided_by) + ")" +
                       (column.above_threshold ? ", PSI above threshold" : "")};
  if (column.above_threshold) return {"warn", "PSI above threshold, not significant"};
  return {"good", "no drift"};
}

std::string ScoreCell(const ColumnReport& column, std::string_view metric) {
  const Score* score = column.Find(metric);
  return "<td>" + (score == nullptr ? "-" : Number(score->value)) + "</td>";
}

std::string SummaryTable(const Report& report) {
  std::string html =
      "<div class=wide><table><thead><tr><th>Column<th>Kind<th>Rows<th>PSI<th>JS<th>Wasserstein "
      "/ std<th>KS<th>Missing<th>p, adjusted<th>Verdict</tr></thead><tbody>";
  for (size_t i = 0; i < report.columns.size(); ++i) {
    const ColumnReport& column = report.columns[i];
    const Verdict verdict = VerdictOf(column);
    html += "<tr><td><a href=\"#c" + std::to_string(i) + "\">" + Escape(column.name) +
            "</a></td><td>" + std::string(FeatureKindName(column.kind)) + "</td><td>" +
            std::to_string(column.rows) + "</td>";
    for (const std::string_view metric : {"psi", "js", "wasserstein_normed", "ks"})
      html += ScoreCell(column, metric);
    html += "<td>" + Percent(column.missing_share) + "</td><td>" +
            (column.judged ? Number(column.p_adjusted) : "-") +
            "</td><td class=" + std::string(verdict.style) + ">" + verdict.text + "</td></tr>";
  }
  return html + "</tbody></table></div>";
}

// Bins that hold something; of many categories the largest, the others together.
std::vector<BinShare> Bars(const ColumnReport& column) {
  std::vector<BinShare> bars;
  for (const BinShare& bin : column.bins) {
    if (bin.reference > 0 || bin.current > 0) bars.push_back(bin);
  }
  if (bars.size() <= kMostBars) return bars;
  std::stable_sort(bars.begin(), bars.end(), [](const BinShare& a, const BinShare& b) {
    return std::max(a.reference, a.current) > std::max(b.reference, b.current);
  });
  BinShare rest{std::to_string(bars.size() - kMostBars + 1) + " more", 0, 0};
  for (size_t i = kMostBars - 1; i < bars.size(); ++i) {
    rest.reference += bars[i].reference;
    rest.current += bars[i].current;
  }
  bars.resize(kMostBars - 1);
  bars.push_back(rest);
  return bars;
}

std::string Bar(std::string_view style, double x, double width, double height,
                const std::string& title) {
  return "<rect class=" + std::string(style) + " x=\"" + Print("%.1f", x) + "\" y=\"" +
         Print("%.1f", 8 + kPlotHeight - height) + "\" width=\"" + Print("%.1f", width) +
         "\" height=\"" + Print("%.1f", height) + "\" rx=\"1.5\"><title>" + title +
         "</title></rect>";
}

std::string Plot(const ColumnReport& column) {
  const std::vector<BinShare> bars = Bars(column);
  double most = 1e-9;
  for (const BinShare& bar : bars) most = std::max({most, bar.reference, bar.current});
  std::string svg = "<svg viewBox=\"0 0 " + Print("%.0f", kWidth) + " " + Print("%.0f", kHeight) +
                    "\" role=img aria-label=\"Shares of " + Escape(column.name) +
                    ", reference and now\">";
  for (const double part : {0.0, 0.5, 1.0}) {
    const double y = 8 + kPlotHeight * (1 - part);
    svg += "<line class=axis x1=\"" + Print("%.0f", kLeft) + "\" x2=\"" + Print("%.0f", kWidth) +
           "\" y1=\"" + Print("%.1f", y) + "\" y2=\"" + Print("%.1f", y) + "\"/><text x=\"" +
           Print("%.0f", kLeft - 6) + "\" y=\"" + Print("%.1f", y + 4) + "\" text-anchor=end>" +
           Print("%.2g", 100 * part * most) + "%</text>";
  }
  const double step = (kWidth - kLeft) / static_cast<double>(std::max<size_t>(bars.size(), 1));
  const double width = std::min(24.0, step * 0.4);
  for (size_t i = 0; i < bars.size(); ++i) {
    const double middle = kLeft + (static_cast<double>(i) + 0.5) * step;
    const std::string label = Escape(bars[i].label);
    svg += Bar("then", middle - width, width, kPlotHeight * bars[i].reference / most,
               label + ": reference " + Percent(bars[i].reference));
    svg += Bar("now", middle, width, kPlotHeight * bars[i].current / most,
               label + ": now " + Percent(bars[i].current));
    const std::string at = Print("%.1f", middle) + " " + Print("%.0f", 8 + kPlotHeight + 12);
    svg += "<text text-anchor=end transform=\"translate(" + at + ") rotate(-35)\">" +
           Escape(Shorten(bars[i].label, kMostLabel)) + "</text>";
  }
  return svg + "</svg>";
}

std::string MomentsLine(const ColumnReport& column) {
  if (column.reference_moments.n == 0 || column.moments.n == 0) return "";
  return "<p class=soft>mean " + Number(column.reference_moments.mean) + " \u2192 " +
         Number(column.moments.mean) + ", standard deviation " +
         Number(std::sqrt(column.reference_moments.Variance())) + " \u2192 " +
         Number(std::sqrt(column.moments.Variance())) + "</p>";
}

std::string ColumnCard(const ColumnReport& column, size_t i) {
  const Verdict verdict = VerdictOf(column);
  std::string html = "<section id=c" + std::to_string(i) + "><header class=card><h2>" +
                     Escape(column.name) + "</h2><span class=" + std::string(verdict.style) + ">" +
                     verdict.text + "</span></header>" + MomentsLine(column) + Plot(column);
  html += "<details><summary class=soft>all scores</summary><table><tbody>";
  for (const Score& score : column.scores) {
    html += "<tr><td>" + std::string(score.name) + "</td><td>" + Number(score.value) +
            (score.error > 0 ? " \u00b1 " + Print("%.1g", score.error) : "") + "</td><td>" +
            (score.p_value ? "p " + Number(*score.p_value) : "") + "</td></tr>";
  }
  return html + "</tbody></table></details></section>";
}

std::string Schema(const Report& report) {
  std::string html;
  for (const SchemaChange& change : report.schema) {
    html += "<p class=" + std::string(change.change == "added" ? "soft" : "bad") + ">Column <b>" +
            Escape(change.column) + "</b> ";
    if (change.change == "type") {
      html += "changed its type from " + Escape(change.reference_type) + " to " +
              Escape(change.current_type);
    } else {
      html += change.change == "added" ? "is new" : "is missing";
    }
    html += "</p>";
  }
  return html;
}

}  // namespace

std::string ReportHtml(const Report& report) {
  const bool bad = report.drifted > 0;
  std::string html =
      "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport "
      "content=\"width=device-width,initial-scale=1\"><title>Drift</title><style>" +
      std::string(kStyle) + "</style></head><body><main><h1>Drift</h1><p class=soft>" +
      Escape(report.current) + " (" + std::to_string(report.rows) + " rows) against " +
      Escape(report.reference) + " (" + std::to_string(report.reference_rows) +
      " rows)</p><p class=\"verdict " + (bad ? "bad" : "good") + "\">" +
      std::to_string(report.drifted) + " of " + std::to_string(report.columns.size()) +
      " columns drifted</p><p class=soft>" + std::to_string(report.above_threshold) +
      " with PSI above " + Number(report.psi_threshold) + ", " + std::to_string(report.unjudged) +
      " with too few rows to judge. Drifted: adjusted p below " + Number(report.alpha) +
      " (Benjamini-Hochberg over all columns).</p>" + Schema(report) + SummaryTable(report) +
      "<p class=\"soft key\">Shares of rows by bin:<i style=\"background:var(--then)\"></i>"
      "reference<i style=\"background:var(--now)\"></i>now</p><div class=cards>";
  for (size_t i = 0; i < report.columns.size(); ++i) html += ColumnCard(report.columns[i], i);
  return html + "</div></main></body></html>\n";
}

}  // namespace slipway::drift
