// SPDX-License-Identifier: Apache-2.0
// `slipway check`: a golden set against a model: a version of the server's, or a file or folder
// here.
#include <cstdio>
#include <filesystem>
#include <utility>

#include "app/assembly.h"
#include "base/files.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/render.h"
#include "inference/golden_set.h"
#include "inference/npz.h"
#include "net/http.h"
#include "traffic/version_loader.h"

namespace slipway::cli {
namespace {

using base::Json;
namespace fs = std::filesystem;

constexpr int64_t kMostGoldenBytes = 1LL << 30;

// Opened here, as the server would open it.
base::Result<Json> CheckFile(const CheckArguments& arguments, const std::string& golden_bytes) {
  std::error_code error;
  inference::ModelSource source;
  source.key = arguments.model;
  source.folder = fs::is_directory(arguments.model, error)
                      ? arguments.model
                      : fs::path(arguments.model).parent_path().string();
  const traffic::ModelFile file = TRY(traffic::ChooseModelFile(arguments.model));
  source.runtime = arguments.runtime.empty() ? file.runtime : arguments.runtime;
  source.path = file.path;
  const auto runtime = TRY(app::ProbeRuntime(source.runtime, "", {}));
  const auto session = TRY(runtime->Load(source));
  const inference::GoldenSet golden = TRY(
      inference::GoldenFromArrays(TRY(inference::ReadNpz(golden_bytes)), session->description()));
  const inference::Response actual = TRY(session->Run(golden.request));
  return inference::CheckJson(golden, actual,
                              inference::CheckGolden(golden, actual, arguments.options));
}

// "name/3", or "name": what the endpoint of that name has as its stable version.
base::Result<std::pair<std::string, std::string>> VersionOf(const CheckArguments& arguments) {
  const size_t slash = arguments.model.rfind('/');
  if (slash != std::string::npos)
    return std::pair(arguments.model.substr(0, slash), arguments.model.substr(slash + 1));
  const Answer answer = TRY(Call(arguments.server, "GET",
                                 "/api/v1/endpoints/" + net::PercentEncode(arguments.model), ""));
  const Json* plan = answer.body.Find("plan");
  const Json* arms = plan == nullptr ? nullptr : plan->Find("arms");
  if (answer.status != 200 || arms == nullptr || !arms->is_array() || arms->AsArray().empty()) {
    return base::NotFound("model_not_found", "there is no file, folder or endpoint '" +
                                                 arguments.model +
                                                 "'; name a version as MODEL/NUMBER");
  }
  const Json& stable = arms->AsArray()[0];
  return std::pair(TRY(base::RequireString(stable, "model")),
                   std::to_string(TRY(base::RequireInt(stable, "version"))));
}

base::Result<Json> CheckServed(const CheckArguments& arguments, std::string golden_bytes) {
  const auto [model, version] = TRY(VersionOf(arguments));
  std::string target = "/api/v1/models/" + net::PercentEncode(model) + "/versions/" +
                       net::PercentEncode(version) +
                       "/check?mode=" + (arguments.options.bitwise ? "bitwise" : "tolerance");
  std::string absolute, relative;
  base::AppendJsonNumber(absolute, arguments.options.absolute);
  base::AppendJsonNumber(relative, arguments.options.relative);
  target += "&absolute=" + absolute + "&relative=" + relative;
  const Answer answer = TRY(Call(arguments.server, "POST", target, std::move(golden_bytes)));
  if (answer.status != 200) return base::InvalidArgument("", ErrorText(answer));
  return answer.body;
}

base::Result<Json> Run(const CheckArguments& arguments) {
  std::string golden = TRY(base::ReadFile(arguments.golden, kMostGoldenBytes));
  std::error_code error;
  if (fs::exists(arguments.model, error)) return CheckFile(arguments, golden);
  return CheckServed(arguments, std::move(golden));
}

void Print(const Json& report) {
  static const std::vector<Column> kOutputs = {{"OUTPUT", "name"},
                                               {"EQUAL", "equal"},
                                               {"VALUES DIFFERENT", "values_different"},
                                               {"MOST APART", "max_absolute_difference"},
                                               {"WHAT", "difference"}};
  static const std::vector<Column> kRows = {
      {"ROW", "row"}, {"EXPECTED", "expected"}, {"ACTUAL", "actual"}};
  const Json* outputs = report.Find("outputs");
  if (outputs == nullptr || !outputs->is_array()) return;
  std::fputs(Table(kOutputs, outputs->AsArray()).c_str(), stdout);
  for (const Json& output : outputs->AsArray()) {
    const Json* worst = output.Find("worst_rows");
    if (worst == nullptr || !worst->is_array() || worst->AsArray().empty()) continue;
    std::printf("\n%s, worst rows first:\n", Cell(output, "name").c_str());
    std::fputs(Table(kRows, worst->AsArray()).c_str(), stdout);
  }
}

}  // namespace

int Check(const CheckArguments& arguments) {
  const auto report = Run(arguments);
  if (!report.ok()) {
    const std::string& field = report.status().field();
    std::fprintf(stderr, "slipway: %s%s\n", field.empty() ? "" : (field + ": ").c_str(),
                 report.status().message().c_str());
    return 1;
  }
  if (arguments.json) {
    std::printf("%s\n", report->Dump(2).c_str());
  } else {
    Print(*report);
  }
  const Json* equal = report->Find("equal");
  return equal != nullptr && equal->is_bool() && equal->AsBool() ? 0 : 1;
}

}  // namespace slipway::cli
