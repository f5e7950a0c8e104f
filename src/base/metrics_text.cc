// SPDX-License-Identifier: Apache-2.0
// The text formats of /metrics: OpenMetrics 1.0 and Prometheus' older one.
#include <array>
#include <cmath>

#include "base/json.h"
#include "base/metric_series.h"

namespace slipway::base {

namespace {

enum class Dialect { kOpenMetrics, kPrometheus };

void AppendEscaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (quotes && c == '"')) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
}

void AppendValue(std::string& out, double value) {
  if (std::isfinite(value)) {
    AppendJsonNumber(out, value);
  } else {
    out += std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  }
}

std::string BoundText(double bound, Dialect dialect) {
  std::string text;
  AppendJsonNumber(text, bound);
  const bool bare = text.find_first_of(".e") == std::string::npos;
  return bare && dialect == Dialect::kOpenMetrics ? text + ".0" : text;
}

void AppendSample(std::string& out, std::string_view name, const Labels& labels,
                  const std::string* bound, double value) {
  out += name;
  char separator = '{';
  const auto append_label = [&](std::string_view key, std::string_view label) {
    out += separator;
    separator = ',';
    out += key;
    out += "=\"";
    AppendEscaped(out, label, true);
    out += '"';
  };
  for (const auto& [key, label] : labels) append_label(key, label);
  if (bound != nullptr) append_label("le", *bound);
  if (separator == ',') out += '}';
  out += ' ';
  AppendValue(out, value);
  out += '\n';
}

// When the series began: a scraper can tell a restart from a fall.
void AppendCreated(std::string& out, const std::string& name, const Series& series,
                   Dialect dialect) {
  if (dialect == Dialect::kOpenMetrics)
    AppendSample(out, name + "_created", series.labels, nullptr, series.created);
}

void AppendHistogram(std::string& out, const std::string& name, const Series& series,
                     Dialect dialect) {
  uint64_t total = 0;
  const AtomicHistogram& histogram = *series.histogram;
  for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
    total += histogram.Bucket(i);
    const std::string bound =
        i < histogram.bounds().size() ? BoundText(histogram.bounds()[i], dialect) : "+Inf";
    AppendSample(out, name + "_bucket", series.labels, &bound, static_cast<double>(total));
  }
  AppendSample(out, name + "_sum", series.labels, nullptr, histogram.Sum());
  // The sum of the buckets as printed, so that _count and the +Inf bucket always agree.
  AppendSample(out, name + "_count", series.labels, nullptr, static_cast<double>(total));
  AppendCreated(out, name, series, dialect);
}

void AppendFamily(std::string& out, const std::string& name, const Family& family,
                  Dialect dialect) {
  constexpr std::array<std::string_view, 3> kTypes = {"counter", "gauge", "histogram"};
  const std::string sample = family.kind == MetricKind::kCounter ? name + "_total" : name;
  const std::string& heading = dialect == Dialect::kOpenMetrics ? name : sample;
  out += "# HELP " + heading + " ";
  AppendEscaped(out, family.help, dialect == Dialect::kOpenMetrics);
  out += "\n# TYPE " + heading + " ";
  out += kTypes[static_cast<size_t>(family.kind)];
  out += '\n';
  for (const auto& [key, series] : family.series) {
    if (series.counter) {
      AppendSample(out, sample, series.labels, nullptr, series.counter->Value());
      AppendCreated(out, name, series, dialect);
    }
    if (series.gauge) AppendSample(out, sample, series.labels, nullptr, series.gauge->Value());
    if (series.histogram) AppendHistogram(out, sample, series, dialect);
  }
}

}  // namespace

std::string Metrics::PrintOpenMetrics() const {
  std::string out;
  state_->Collect([&] {
    for (const auto& [name, family] : state_->families)
      AppendFamily(out, name, family, Dialect::kOpenMetrics);
  });
  return out + "# EOF\n";
}

std::string Metrics::PrintPrometheusText() const {
  std::string out;
  state_->Collect([&] {
    for (const auto& [name, family] : state_->families)
      AppendFamily(out, name, family, Dialect::kPrometheus);
  });
  return out;
}

}  // namespace slipway::base
