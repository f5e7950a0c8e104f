// SPDX-License-Identifier: Apache-2.0
// A prediction, after the run: from sums to what LightGBM would have answered. The operations and
// their order are those of ConvertOutput in its src/objective, so that the bits are the same.
#include "inference/trees/lightgbm_link.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"
#include "inference/trees/ensemble.h"
#include "inference/trees/model.h"

namespace slipway::inference::trees {
namespace {

struct Objective {
  std::string_view name;
  LightgbmLink::Kind kind;
};
constexpr Objective kObjectives[] = {
    {"regression", LightgbmLink::kIdentity},
    {"regression_l1", LightgbmLink::kIdentity},
    {"huber", LightgbmLink::kIdentity},
    {"fair", LightgbmLink::kIdentity},
    {"quantile", LightgbmLink::kIdentity},
    {"mape", LightgbmLink::kIdentity},
    {"lambdarank", LightgbmLink::kIdentity},
    {"rank_xendcg", LightgbmLink::kIdentity},
    {"custom", LightgbmLink::kIdentity},
    {"poisson", LightgbmLink::kExponential},
    {"gamma", LightgbmLink::kExponential},
    {"tweedie", LightgbmLink::kExponential},
    {"binary", LightgbmLink::kLogistic},
    {"multiclassova", LightgbmLink::kLogistic},
    {"cross_entropy", LightgbmLink::kLogistic},
    {"multiclass", LightgbmLink::kSoftmax},
    {"cross_entropy_lambda", LightgbmLink::kLogOnePlusExp},
};

std::vector<std::string_view> Words(std::string_view text) {
  constexpr size_t kMostWords = 32;
  std::vector<std::string_view> words;
  while (!text.empty() && words.size() < kMostWords) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

void Softmax(const double* in, size_t count, double* out) {
  double most = in[0];
  for (size_t i = 1; i < count; ++i) most = std::max(in[i], most);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    out[i] = std::exp(in[i] - most);
    sum += out[i];
  }
  for (size_t i = 0; i < count; ++i) out[i] /= sum;
}

double Transformed(const LightgbmLink& link, double sum) {
  switch (link.kind) {
    case LightgbmLink::kSignedSquare:
      return ((sum > 0) - (sum < 0)) * sum * sum;
    case LightgbmLink::kLogistic:
      return 1.0 / (1.0 + std::exp(-link.sigmoid * sum));
    case LightgbmLink::kExponential:
      return std::exp(sum);
    case LightgbmLink::kLogOnePlusExp:
      return std::log1p(std::exp(sum));
    default:
      return sum;
  }
}

}  // namespace

base::Result<LightgbmLink> LightgbmLinkOf(std::string_view objective) {
  const std::vector<std::string_view> words = Words(objective);
  LightgbmLink link;
  if (words.empty()) return link;
  const auto* known = std::ranges::find(kObjectives, words[0], &Objective::name);
  if (known == std::end(kObjectives))
    return BadModel("objective \"" + std::string(words[0]) + "\" is not supported");
  link.kind = known->kind;
  for (const std::string_view word : words) {
    if (word == "sqrt" && link.kind == LightgbmLink::kIdentity)
      link.kind = LightgbmLink::kSignedSquare;
    constexpr std::string_view kSigmoid = "sigmoid:";
    if (!word.starts_with(kSigmoid)) continue;
    const std::string_view digits = word.substr(kSigmoid.size());
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), link.sigmoid);
    if (read.ec != std::errc() || !(link.sigmoid > 0))
      return BadModel("expected a positive number after \"sigmoid:\"");
  }
  return link;
}

NamedTensor FinishLightgbm(const LightgbmLink& link, const Sums& sums) {
  Shape shape = {static_cast<int64_t>(sums.rows)};
  if (sums.targets > 1) shape.push_back(static_cast<int64_t>(sums.targets));
  Tensor tensor(DataType::kFp64, std::move(shape));
  auto* out = reinterpret_cast<double*>(tensor.mutable_bytes().data());
  const size_t count = sums.rows * sums.targets;
  for (size_t i = 0; i < count; ++i)
    out[i] = link.iterations > 0 ? sums.doubles[i] / link.iterations : sums.doubles[i];
  if (link.kind == LightgbmLink::kSoftmax) {
    for (size_t row = 0; row < sums.rows; ++row)
      Softmax(out + row * sums.targets, sums.targets, out + row * sums.targets);
  } else {
    for (size_t i = 0; i < count; ++i) out[i] = Transformed(link, out[i]);
  }
  return {"predictions", std::move(tensor), nullptr};
}

}  // namespace slipway::inference::trees
