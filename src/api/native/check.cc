// SPDX-License-Identifier: Apache-2.0
// POST /api/v1/models/{model}/versions/{version}/check: a golden set in NumPy's .npz against what
// the version answers.
#include <charconv>

#include "api/native/answers.h"
#include "api/native/native.h"
#include "inference/golden_set.h"
#include "inference/npz.h"
#include "lifecycle/run_model.h"

namespace slipway::api::native {
namespace {

using base::Json;

base::Result<double> ToleranceQuery(const net::HttpRequest& request, std::string_view name,
                                    double otherwise) {
  const auto text = request.GetQuery(name);
  if (!text) return otherwise;
  double value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || !(value >= 0)) {
    return base::InvalidArgument(std::string(name),
                                 "expected a number from 0, got '" + *text + "'");
  }
  return value;
}

base::Result<inference::CheckOptions> OptionsOf(const net::HttpRequest& request) {
  inference::CheckOptions options;
  const std::string mode = request.GetQuery("mode").value_or("tolerance");
  if (mode != "tolerance" && mode != "bitwise")
    return base::InvalidArgument("mode", "expected tolerance or bitwise, got '" + mode + "'");
  options.bitwise = mode == "bitwise";
  options.absolute = TRY(ToleranceQuery(request, "absolute", options.absolute));
  options.relative = TRY(ToleranceQuery(request, "relative", options.relative));
  return options;
}

base::Result<Json> Check(traffic::Endpoints& endpoints, net::HttpRequest& request) {
  const std::string& model = request.GetParam("model");
  const int64_t version = TRY(NumberParam(request, "version"));
  const inference::CheckOptions options = TRY(OptionsOf(request));
  const auto loaded = TRY(endpoints.LoadVersion(model, version));
  const inference::GoldenSet golden = TRY(
      inference::GoldenFromArrays(TRY(inference::ReadNpz(request.body)), loaded->description()));
  const inference::Response actual = TRY(lifecycle::RunAndWait(*loaded, golden.request));
  const auto comparison = inference::CheckGolden(golden, actual, options);
  Json report = inference::CheckJson(golden, actual, comparison);
  report.Set("model", model);
  report.Set("version", version);
  return report;
}

}  // namespace

void RegisterCheck(net::Router& router, const Parts& parts) {
  AddJson(router, "POST", "/api/v1/models/{model}/versions/{version}/check",
          [&endpoints = parts.endpoints](net::HttpRequest& request) {
            return Check(endpoints, request);
          });
}

}  // namespace slipway::api::native
