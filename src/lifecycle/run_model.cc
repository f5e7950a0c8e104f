// SPDX-License-Identifier: Apache-2.0
// Gates run models off the request path.
#include "lifecycle/run_model.h"

#include <algorithm>
#include <future>
#include <memory>

namespace slipway::lifecycle {
namespace {

constexpr int64_t kRowsARun = 8192;

}  // namespace

base::Result<inference::Response> RunAndWait(inference::LoadedModel& model,
                                             inference::Request request) {
  auto promise = std::make_shared<std::promise<base::Result<inference::Response>>>();
  auto future = promise->get_future();
  model.Run(std::move(request), {},
            [promise](base::Result<inference::Response> response, inference::RunTiming) {
              promise->set_value(std::move(response));
            });
  return future.get();
}

base::Result<std::vector<double>> Scores(const inference::Response& response,
                                         const std::string& name) {
  const inference::Tensor* chosen = nullptr;
  for (const inference::NamedTensor& output : response.outputs) {
    const bool floating = output.tensor.type() == inference::DataType::kFp32 ||
                          output.tensor.type() == inference::DataType::kFp64;
    if (name.empty() ? floating : output.name == name) chosen = &output.tensor;
  }
  if (chosen == nullptr || chosen->type() == inference::DataType::kString) {
    return base::FailedPrecondition(
        "no_score", name.empty() ? "the model has no floating output to score by"
                                 : "the model has no numeric output '" + name + "'");
  }
  const int64_t rows = chosen->rows();
  const int64_t width = rows == 0 ? 1 : chosen->element_count() / rows;
  std::vector<double> scores;
  scores.reserve(static_cast<size_t>(rows));
  for (int64_t row = 0; row < rows; ++row)
    scores.push_back(chosen->NumberAt(row * width + width - 1));
  return scores;
}

base::Result<std::vector<double>> ScoreRows(inference::LoadedModel& model,
                                            inference::Request request, const std::string& output) {
  const int64_t rows = request.inputs.empty() ? 0 : request.inputs.front().tensor.rows();
  if (!model.description().batchable || rows <= kRowsARun)
    return Scores(TRY(RunAndWait(model, std::move(request))), output);
  std::vector<double> scores;
  for (int64_t begin = 0; begin < rows; begin += kRowsARun) {
    const int64_t end = std::min(rows, begin + kRowsARun);
    inference::Request piece;
    for (const inference::NamedTensor& input : request.inputs)
      piece.inputs.push_back({input.name, input.tensor.Slice(begin, end)});
    const auto some = TRY(Scores(TRY(RunAndWait(model, std::move(piece))), output));
    scores.insert(scores.end(), some.begin(), some.end());
  }
  return scores;
}

}  // namespace slipway::lifecycle
