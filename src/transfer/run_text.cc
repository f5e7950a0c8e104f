// SPDX-License-Identifier: Apache-2.0
// What an import compares.
#include "transfer/run_text.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "tracking/import.h"
#include "tracking/tracking.h"

namespace slipway::transfer {
namespace {

void Put(std::string& out, const std::string& text) {
  base::AppendJsonString(out, text);
  out += ',';
}
void Put(std::string& out, int64_t number) { out += std::to_string(number) + ','; }

auto RankOf(const tracking::Metric& metric) {
  const bool is_nan = std::isnan(metric.value);
  return std::tuple(metric.key, metric.timestamp_ms, metric.step, is_nan ? 0.0 : metric.value,
                    is_nan);
}

}  // namespace

void Normalize(tracking::FullRun& run) {
  constexpr double kMost = std::numeric_limits<double>::max();
  for (tracking::Metric& metric : run.history) {
    if (!std::isnan(metric.value)) metric.value = std::clamp(metric.value, -kMost, kMost);
  }
  std::ranges::sort(run.history, {}, RankOf);
  const auto twice = std::ranges::unique(run.history, {}, RankOf);
  run.history.erase(twice.begin(), twice.end());
  std::ranges::sort(run.run.params, {}, &tracking::Param::key);
  const auto name = [](const tracking::DatasetInput& dataset) {
    return std::tuple(dataset.name, dataset.digest);
  };
  std::ranges::sort(run.run.datasets, {}, name);
  const auto again = std::ranges::unique(run.run.datasets, {}, name);
  run.run.datasets.erase(again.begin(), again.end());
  for (auto* links : {&run.run.model_inputs, &run.run.model_outputs}) {
    const auto rank = [](const tracking::ModelLink& link) {
      return std::tuple(link.step, link.model_id);
    };
    std::ranges::sort(*links, {}, rank);
    const auto same = std::ranges::unique(*links, {}, rank);
    links->erase(same.begin(), same.end());
  }
}

std::string DigestOf(const tracking::FullRun& run) {
  const tracking::RunInfo& info = run.run.info;
  std::string text;
  for (const std::string* part :
       {&info.run_id, &info.experiment_id, &info.name, &info.status, &info.user})
    Put(text, *part);
  Put(text, info.start_ms);
  Put(text, info.end_ms.value_or(-1));
  Put(text, static_cast<int64_t>(info.deleted));
  for (const tracking::Metric& metric : run.history) {
    Put(text, metric.key);
    Put(text, metric.timestamp_ms);
    Put(text, metric.step);
    base::AppendJsonNumber(text, metric.value);  // "null" of what is not a number
    text += ';';
  }
  for (const tracking::Param& param : run.run.params) {
    Put(text, param.key);
    Put(text, param.value);
  }
  for (const auto& [key, value] : run.run.tags) {
    Put(text, key);
    Put(text, value);
  }
  for (const tracking::DatasetInput& dataset : run.run.datasets) {
    for (const std::string* part : {&dataset.name, &dataset.digest, &dataset.source_type,
                                    &dataset.source, &dataset.schema, &dataset.profile})
      Put(text, *part);
    for (const auto& [key, value] : dataset.tags) {
      Put(text, key);
      Put(text, value);
    }
  }
  for (const auto* links : {&run.run.model_inputs, &run.run.model_outputs}) {
    text += '|';
    for (const tracking::ModelLink& link : *links) {
      Put(text, link.model_id);
      Put(text, link.step);
    }
  }
  return base::Sha256Hex(text);
}

}  // namespace slipway::transfer
