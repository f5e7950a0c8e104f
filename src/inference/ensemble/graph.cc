// SPDX-License-Identifier: Apache-2.0
// An ensemble at load: every step held against its model, every tensor against its givers and
// takers.
#include "inference/ensemble/graph.h"

#include <algorithm>
#include <map>
#include <optional>

#include "inference/ensemble.h"
#include "inference/request_check.h"
#include "inference/tensor.h"

namespace slipway::inference::ensemble {

using base::Result;
using base::Status;

namespace {

Status Bad(std::string field, std::string message) {
  return base::InvalidArgument(std::move(field), std::move(message), "bad_ensemble");
}

std::string FieldOf(size_t step, const std::string& rest = "") {
  return "ensemble.steps[" + std::to_string(step) + "]" + rest;
}

bool Fits(const TensorSpec& given, const TensorSpec& taken) {
  if (given.type != taken.type) return false;
  if (given.any_rank || taken.any_rank) return true;
  return std::ranges::equal(given.shape, taken.shape,
                            [](int64_t a, int64_t b) { return a == b || a < 0 || b < 0; });
}

const TensorSpec* Find(const std::vector<TensorSpec>& specs, const std::string& name) {
  const auto found = std::ranges::find(specs, name, &TensorSpec::name);
  return found == specs.end() ? nullptr : &*found;
}

std::string NamesOf(const std::vector<TensorSpec>& specs) {
  std::string names;
  for (const TensorSpec& spec : specs) names += (names.empty() ? "" : ", ") + spec.name;
  return names.empty() ? "none" : names;
}

// One tensor while the graph is built.
struct Wire {
  std::optional<TensorSpec> spec;  // from whoever gives it; else from who takes it
  std::optional<size_t> giver;     // step
  bool ensemble_input = false;
  bool ensemble_output = false;
  std::vector<size_t> takers;
};

class Builder {
 public:
  Builder(const ModelConfig& config, const std::vector<std::shared_ptr<LoadedModel>>& models)
      : config_(config), models_(models) {}

  Result<Graph> Build() {
    if (config_.ensemble.empty() || config_.ensemble.size() > kMaxEnsembleSteps) {
      return Bad("ensemble.steps", "expected 1 to " + std::to_string(kMaxEnsembleSteps) + " steps");
    }
    for (const TensorSpec& spec : config_.inputs) {
      Wire& wire = wires_[NumberOf(spec.name)];
      wire.spec = spec;
      wire.ensemble_input = true;
    }
    for (size_t i = 0; i < config_.ensemble.size(); ++i) TRY(BindOutputs(i));
    for (size_t i = 0; i < config_.ensemble.size(); ++i) TRY(BindInputs(i));
    if (wires_.size() > kMaxEnsembleTensors) {
      return Bad("ensemble.steps", "more than " + std::to_string(kMaxEnsembleTensors) + " tensors");
    }
    TRY(CloseOutputs());
    TRY(CheckUse());
    TRY(CheckOrder());
    return Finish();
  }

 private:
  const ModelDescription& ModelOf(size_t step) const { return models_[step]->description(); }
  std::string LabelOf(size_t step) const {
    return "step " + std::to_string(step) + " (\"" + config_.ensemble[step].model + "\")";
  }
  size_t NumberOf(const std::string& name) {
    const auto [at, is_new] = numbers_.try_emplace(name, wires_.size());
    if (is_new) {
      wires_.emplace_back();
      names_.push_back(name);
    }
    return at->second;
  }

  Status BindOutputs(size_t number) {
    const EnsembleStep& step = config_.ensemble[number];
    if (models_[number]->config().decoupled) {
      return Bad(FieldOf(number), LabelOf(number) +
                                      " may give any number of answers (decoupled): it cannot be "
                                      "part of an ensemble");
    }
    if (step.outputs.empty())
      return Bad(FieldOf(number, ".outputs"), LabelOf(number) + " gives nothing");
    Step built;
    built.label = LabelOf(number);
    for (const auto& [own, name] : step.outputs) {
      const TensorSpec* spec = Find(ModelOf(number).outputs, own);
      if (spec == nullptr) {
        return Bad(FieldOf(number, ".outputs." + own), LabelOf(number) + " has no output '" + own +
                                                           "'; it has " +
                                                           NamesOf(ModelOf(number).outputs));
      }
      Wire& wire = wires_[NumberOf(name)];
      if (wire.ensemble_input || wire.giver) {
        return Bad(FieldOf(number, ".outputs." + own),
                   "tensor '" + name + "' is given twice: by " +
                       (wire.giver ? LabelOf(*wire.giver) : std::string("the caller")) + " and " +
                       LabelOf(number));
      }
      wire.giver = number;
      wire.spec = *spec;
      wire.spec->name = name;
      built.outputs.push_back({own, NumberOf(name)});
    }
    steps_.push_back(std::move(built));
    return Status::Ok();
  }

  Status BindInputs(size_t number) {
    const EnsembleStep& step = config_.ensemble[number];
    for (const TensorSpec& spec : ModelOf(number).inputs) {
      if (!step.inputs.contains(spec.name)) {
        return Bad(FieldOf(number, ".inputs." + spec.name),
                   LabelOf(number) + " needs its input '" + spec.name + "', which nothing feeds");
      }
    }
    for (const auto& [own, name] : step.inputs) {
      const TensorSpec* spec = Find(ModelOf(number).inputs, own);
      if (spec == nullptr) {
        return Bad(FieldOf(number, ".inputs." + own), LabelOf(number) + " has no input '" + own +
                                                          "'; it has " +
                                                          NamesOf(ModelOf(number).inputs));
      }
      Wire& wire = wires_[NumberOf(name)];
      if (!wire.spec) {
        // Nobody gives it: it is the caller's, if the author has not listed what callers give.
        if (!config_.inputs.empty()) {
          return Bad(FieldOf(number, ".inputs." + own),
                     "no step gives tensor '" + name + "', and it is not an input of the ensemble");
        }
        wire.spec = *spec;
        wire.spec->name = name;
        wire.ensemble_input = true;
      } else if (!Fits(*wire.spec, *spec)) {
        return Bad(FieldOf(number, ".inputs." + own),
                   "tensor '" + name + "' is " + FormatSpec(*wire.spec) + ", but " +
                       LabelOf(number) + " takes " + FormatSpec(*spec) + " as '" + own + "'");
      }
      wire.takers.push_back(number);
      steps_[number].inputs.push_back({own, NumberOf(name)});
    }
    return Status::Ok();
  }

  Status CloseOutputs() {
    for (const TensorSpec& spec : config_.outputs) {
      const auto found = numbers_.find(spec.name);
      if (found == numbers_.end() || !wires_[found->second].giver) {
        return Bad("ensemble.outputs." + spec.name, "no step gives it");
      }
      Wire& wire = wires_[found->second];
      if (!Fits(*wire.spec, spec)) {
        return Bad("ensemble.outputs." + spec.name, "is declared as " + FormatSpec(spec) +
                                                        ", but " + LabelOf(*wire.giver) +
                                                        " gives " + FormatSpec(*wire.spec));
      }
      wire.ensemble_output = true;
    }
    if (!config_.outputs.empty()) return Status::Ok();
    for (Wire& wire : wires_) wire.ensemble_output = wire.giver && wire.takers.empty();
    return Status::Ok();
  }

  Status CheckUse() const {
    for (size_t i = 0; i < wires_.size(); ++i) {
      const Wire& wire = wires_[i];
      if (!wire.takers.empty() || wire.ensemble_output) continue;
      if (wire.ensemble_input) return Bad("ensemble.inputs." + names_[i], "no step takes it");
      return Bad(FieldOf(*wire.giver, ".outputs"),
                 "tensor '" + names_[i] + "' of " + LabelOf(*wire.giver) +
                     " goes nowhere: no step takes it, and it is not an output of the ensemble");
    }
    return Status::Ok();
  }

  // Every step can run once the steps before it have.
  Status CheckOrder() const {
    std::vector<size_t> missing(steps_.size(), 0);
    std::vector<size_t> ready;
    for (size_t i = 0; i < steps_.size(); ++i) {
      for (const Binding& input : steps_[i].inputs)
        missing[i] += wires_[input.tensor].giver ? 1 : 0;
      if (missing[i] == 0) ready.push_back(i);
    }
    for (size_t at = 0; at < ready.size(); ++at) {
      for (const Binding& output : steps_[ready[at]].outputs) {
        for (const size_t taker : wires_[output.tensor].takers) {
          if (--missing[taker] == 0) ready.push_back(taker);
        }
      }
    }
    if (ready.size() == steps_.size()) return Status::Ok();
    const auto stuck = static_cast<size_t>(
        std::ranges::find_if(missing, [](size_t count) { return count > 0; }) - missing.begin());
    return Bad(FieldOf(stuck), LabelOf(stuck) + " needs, in a circle, what it gives itself");
  }

  Graph Finish() {
    Graph graph;
    graph.steps = std::move(steps_);
    for (size_t i = 0; i < wires_.size(); ++i) {
      Wire& wire = wires_[i];
      graph.takers.push_back(wire.takers);
      graph.is_output.push_back(wire.ensemble_output);
      if (wire.ensemble_input) {
        graph.inputs.push_back({names_[i], i});
        graph.description.inputs.push_back(*wire.spec);
      }
      if (wire.ensemble_output) {
        graph.outputs.push_back({names_[i], i});
        const TensorSpec* declared = Find(config_.outputs, names_[i]);
        graph.description.outputs.push_back(declared != nullptr ? *declared : *wire.spec);
      }
    }
    const auto free_rows = [](const TensorSpec& spec) {
      return !spec.any_rank && !spec.shape.empty() && spec.shape[0] < 0;
    };
    graph.description.batchable = std::ranges::all_of(graph.description.inputs, free_rows);
    graph.description.platform = "ensemble";
    return graph;
  }

  const ModelConfig& config_;
  const std::vector<std::shared_ptr<LoadedModel>>& models_;
  std::map<std::string, size_t> numbers_;
  std::vector<std::string> names_;  // by number
  std::vector<Wire> wires_;         // by number
  std::vector<Step> steps_;
};

}  // namespace

Result<Graph> Build(const ModelConfig& config,
                    const std::vector<std::shared_ptr<LoadedModel>>& models) {
  return Builder(config, models).Build();
}

}  // namespace slipway::inference::ensemble
