// SPDX-License-Identifier: Apache-2.0
// What the author of a model wrote down, against the model.
#include "repository/declared_model.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace slipway::repository {

using base::Result;
using base::Status;
using inference::LoadedModel;
using inference::ModelConfig;
using inference::ModelDescription;
using inference::Shape;
using inference::TensorSpec;

namespace {

std::string Text(const Shape& shape) {
  std::string text = "[";
  for (const int64_t dimension : shape)
    text += (text.size() > 1 ? "," : "") + std::to_string(dimension);
  return text + "]";
}

bool Fit(const Shape& a, const Shape& b) {
  return std::ranges::equal(
      a, b, [](int64_t one, int64_t other) { return one == other || one < 0 || other < 0; });
}

// Declared tensors against the model's own; `what`: "input" or "output".
Status Check(const std::vector<TensorSpec>& declared, const std::vector<TensorSpec>& own,
             const ModelConfig& config, const std::string& what) {
  for (size_t i = 0; i < declared.size(); ++i) {
    const TensorSpec& spec = declared[i];
    const std::string field = "config." + what + "[" + std::to_string(i) + "]";
    const auto found = std::ranges::find(own, spec.name, &TensorSpec::name);
    if (found == own.end()) {
      std::string names;
      for (const TensorSpec& one : own) names += (names.empty() ? "" : ", ") + one.name;
      return base::InvalidArgument(
          field + ".name", "the model has no '" + spec.name + "'; it has " + names, "bad_config");
    }
    if (found->type != spec.type) {
      return base::InvalidArgument(
          field + ".data_type",
          "'" + spec.name + "' is declared as " + std::string(DataTypeName(spec.type)) +
              ", but the model has " + std::string(DataTypeName(found->type)),
          "bad_config");
    }
    const auto reshape = config.reshapes.find(spec.name);
    const Shape& shape = reshape == config.reshapes.end() ? spec.shape : reshape->second;
    if (!found->any_rank && !Fit(shape, found->shape)) {
      return base::InvalidArgument(field + ".dims",
                                   "'" + spec.name + "' is declared as " + Text(shape) +
                                       " (with the rows), but the model has " + Text(found->shape),
                                   "bad_config");
    }
  }
  return Status::Ok();
}

// `wanted` with its free sizes taken from a tensor of shape `have`: the rows stay, one other size
// may follow from the count.
Result<Shape> Resolve(const Shape& wanted, const Shape& have, const std::string& name) {
  const int64_t count = TRY(inference::ElementCount(have));
  Shape shape = wanted;
  if (!shape.empty() && shape[0] < 0 && !have.empty()) shape[0] = have[0];
  int64_t known = 1;
  int64_t* free = nullptr;
  bool unclear = false;
  for (int64_t& dimension : shape) {
    if (dimension >= 0) {
      known *= dimension;
    } else {
      unclear = unclear || free != nullptr;
      free = &dimension;
    }
  }
  if (free != nullptr && known > 0) *free = count / known;
  if (unclear || TRY(inference::ElementCount(shape)) != count) {
    return base::InvalidArgument(
        "inputs", "'" + name + "' of shape " + Text(have) + " cannot become " + Text(wanted));
  }
  return shape;
}

class Reshaped final : public LoadedModel {
 public:
  Reshaped(std::shared_ptr<LoadedModel> model, ModelConfig config)
      : model_(std::move(model)),
        config_(std::make_shared<const ModelConfig>(std::move(config))),
        description_(model_->description()) {
    Declare(config_->inputs, description_.inputs);
    Declare(config_->outputs, description_.outputs);
  }

  [[nodiscard]] const ModelDescription& description() const override { return description_; }
  [[nodiscard]] const ModelConfig& config() const override { return *config_; }

  void Run(inference::Request request, inference::RunOptions options,
           inference::RunDone done) override {
    if (Status status = Inward(request); !status.ok()) return done(std::move(status), {});
    model_->Run(std::move(request), std::move(options),
                [config = config_, model = model_, done = std::move(done)](
                    Result<inference::Response> response, inference::RunTiming timing) {
                  done(Outward(*config, std::move(response)), timing);
                });
  }

  void RunStream(inference::Request request, inference::RunOptions options,
                 inference::RunPart part) override {
    if (Status status = Inward(request); !status.ok()) return part(std::move(status), {}, true);
    model_->RunStream(
        std::move(request), std::move(options),
        [config = config_, model = model_, part = std::move(part)](
            Result<inference::Response> response, inference::RunTiming timing, bool last) {
          part(Outward(*config, std::move(response)), timing, last);
        });
  }

  [[nodiscard]] inference::ModelStatistics Statistics() const override {
    return model_->Statistics();
  }
  [[nodiscard]] int64_t memory_bytes() const override { return model_->memory_bytes(); }

 private:
  void Declare(const std::vector<TensorSpec>& declared, std::vector<TensorSpec>& specs) const {
    for (TensorSpec& spec : specs) {
      if (!config_->reshapes.contains(spec.name)) continue;
      const auto found = std::ranges::find(declared, spec.name, &TensorSpec::name);
      if (found != declared.end()) spec.shape = found->shape;
    }
  }

  Status Inward(inference::Request& request) const {
    for (inference::NamedTensor& input : request.inputs) {
      const auto reshape = config_->reshapes.find(input.name);
      if (reshape == config_->reshapes.end()) continue;
      const Shape shape = TRY(Resolve(reshape->second, input.tensor.shape(), input.name));
      input.tensor = TRY(input.tensor.Reshape(shape));
    }
    return Status::Ok();
  }

  static Result<inference::Response> Outward(const ModelConfig& config,
                                             Result<inference::Response> response) {
    if (!response.ok()) return response;
    for (inference::NamedTensor& output : response->outputs) {
      if (!config.reshapes.contains(output.name)) continue;
      const auto declared = std::ranges::find(config.outputs, output.name, &TensorSpec::name);
      if (declared == config.outputs.end()) continue;
      const Shape shape = TRY(Resolve(declared->shape, output.tensor.shape(), output.name));
      output.tensor = TRY(output.tensor.Reshape(shape));
    }
    return response;
  }

  const std::shared_ptr<LoadedModel> model_;
  // Shared with runs in flight, which may outlive this.
  const std::shared_ptr<const ModelConfig> config_;
  ModelDescription description_;
};

}  // namespace

Status CheckDeclared(const ModelDescription& description, const ModelConfig& config) {
  TRY(Check(config.inputs, description.inputs, config, "input"));
  return Check(config.outputs, description.outputs, config, "output");
}

Result<std::shared_ptr<LoadedModel>> AsDeclared(std::shared_ptr<LoadedModel> model,
                                                const ModelConfig& config) {
  TRY(CheckDeclared(model->description(), config));
  if (config.reshapes.empty()) return model;
  return std::shared_ptr<LoadedModel>(std::make_shared<Reshaped>(std::move(model), config));
}

}  // namespace slipway::repository
