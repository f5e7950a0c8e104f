// SPDX-License-Identifier: Apache-2.0
// Gates run models off the request path.
#include "lifecycle/run_model.h"

#include <future>
#include <memory>

namespace slipway::lifecycle {

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

}  // namespace slipway::lifecycle
