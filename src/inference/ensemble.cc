// SPDX-License-Identifier: Apache-2.0
// A prediction by a graph of models: which step may run, and what becomes of its answer.
#include "inference/ensemble.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "inference/ensemble/graph.h"
#include "inference/pool/run_counts.h"
#include "inference/request_check.h"

namespace slipway::inference {

using base::Result;
using base::Status;
using ensemble::Binding;
using ensemble::Graph;

namespace {

class Ensemble final : public LoadedModel, public std::enable_shared_from_this<Ensemble> {
 public:
  Ensemble(ModelConfig config, Graph graph, std::vector<FindModel> models)
      : config_(std::move(config)), graph_(std::move(graph)), models_(std::move(models)) {}

  [[nodiscard]] const ModelDescription& description() const override { return graph_.description; }
  [[nodiscard]] const ModelConfig& config() const override { return config_; }
  [[nodiscard]] ModelStatistics Statistics() const override { return counts_.Read(); }
  void Run(Request request, RunOptions options, RunDone done) override;
  void RunStream(Request request, RunOptions options, RunPart part) override {
    Run(std::move(request), std::move(options),
        [part = std::move(part)](Result<Response> response, RunTiming timing) {
          part(std::move(response), timing, true);
        });
  }

 private:
  struct Flight;
  const ModelConfig config_;
  const Graph graph_;
  const std::vector<FindModel> models_;
  pool::RunCounts counts_;
};

// One request on its way through the graph. Kept alive by the callbacks of the steps under way.
struct Ensemble::Flight : std::enable_shared_from_this<Ensemble::Flight> {
  explicit Flight(std::shared_ptr<Ensemble> whole) : self(std::move(whole)), graph(self->graph_) {}

  const std::shared_ptr<Ensemble> self;
  const Graph& graph;
  RunOptions options;
  Parameters parameters;
  std::optional<SequencePlace> sequence;
  std::vector<std::string> wanted;    // outputs asked for; empty: all
  std::vector<size_t> input_tensors;  // of the caller's inputs, in the order of its request
  int64_t since_ns = 0;
  int64_t rows = 1;

  std::mutex mutex;  // over all that follows
  std::vector<std::optional<NamedTensor>> tensors;
  std::vector<size_t> uses;     // of each tensor: steps that have not taken it yet
  std::vector<size_t> missing;  // of each step: inputs that are not there yet
  std::deque<size_t> ready;
  size_t left = 0;       // steps without an answer
  bool pumping = false;  // a thread starts what is ready
  RunTiming timing;
  RunDone done;  // empty once called

  // Starts what is ready until nothing is. A step that runs at once on this thread comes back into
  // Take, which leaves what it made ready to the loop here: no step waits for the successors of
  // another, and the stack stays flat.
  void Pump();
  void Start(size_t step);
  Request RequestOf(size_t step, const LoadedModel& model);
  void Take(size_t step, Result<Response> response, RunTiming step_timing);
  // With `mutex` held: the step's answers become tensors.
  Status Keep(size_t step, Response response);
  Status Explain(size_t step, const Status& status) const;
  Response Collect();
  void Finish(Result<Response> response);
};

void Ensemble::Run(Request request, RunOptions options, RunDone done) {
  const int64_t now_ns = base::MonotonicNanos();
  if (Status status = CheckRequest(graph_.description, request); !status.ok()) {
    counts_.CountAnswer(false, 0, base::MonotonicNanos() - now_ns);
    return done(std::move(status), {});
  }
  auto flight = std::make_shared<Flight>(shared_from_this());
  flight->options = std::move(options);
  flight->parameters = std::move(request.parameters);
  flight->sequence = std::move(request.sequence);
  flight->wanted = std::move(request.outputs);
  flight->since_ns = now_ns;
  flight->rows = request.inputs.empty() ? 1 : request.inputs.front().tensor.rows();
  flight->done = std::move(done);
  flight->left = graph_.steps.size();
  flight->tensors.resize(graph_.takers.size());
  for (const auto& takers : graph_.takers) flight->uses.push_back(takers.size());
  for (const ensemble::Step& step : graph_.steps) flight->missing.push_back(step.inputs.size());
  for (NamedTensor& input : request.inputs) {
    const auto found = std::ranges::find(graph_.inputs, input.name, &Binding::name);
    flight->input_tensors.push_back(found->tensor);
    for (const size_t taker : graph_.takers[found->tensor]) --flight->missing[taker];
    flight->tensors[found->tensor] = std::move(input);
  }
  for (size_t i = 0; i < graph_.steps.size(); ++i) {
    if (flight->missing[i] == 0) flight->ready.push_back(i);
  }
  flight->Pump();
}

void Ensemble::Flight::Pump() {
  std::unique_lock lock(mutex);
  if (pumping) return;
  pumping = true;
  while (!ready.empty() && done) {
    const size_t step = ready.front();
    ready.pop_front();
    lock.unlock();
    Start(step);
    lock.lock();
  }
  pumping = false;
}

void Ensemble::Flight::Start(size_t step) {
  const auto model = self->models_[step]();
  if (model == nullptr) {
    return Take(
        step,
        base::Unavailable("step_not_loaded",
                          "model '" + self->config_.ensemble[step].model + "' is not loaded"),
        {});
  }
  Request request = RequestOf(step, *model);
  model->Run(std::move(request), options,
             [flight = shared_from_this(), step](Result<Response> response, RunTiming step_timing) {
               flight->Take(step, std::move(response), step_timing);
               flight->Pump();
             });
}

Request Ensemble::Flight::RequestOf(size_t step, const LoadedModel& model) {
  Request request;
  request.parameters = parameters;
  if (model.config().sequence) request.sequence = sequence;
  for (const Binding& output : graph.steps[step].outputs) request.outputs.push_back(output.name);
  std::lock_guard lock(mutex);
  for (const Binding& input : graph.steps[step].inputs) {
    std::optional<NamedTensor>& tensor = tensors[input.tensor];
    // The bytes are shared; the last one to take a tensor takes it whole, its strings too.
    const bool last = --uses[input.tensor] == 0 && !graph.is_output[input.tensor];
    NamedTensor taken = last ? std::move(*tensor) : *tensor;
    if (last) tensor.reset();
    taken.name = input.name;
    request.inputs.push_back(std::move(taken));
  }
  return request;
}

Status Ensemble::Flight::Keep(size_t step, Response response) {
  for (const Binding& output : graph.steps[step].outputs) {
    const auto found = std::ranges::find(response.outputs, output.name, &NamedTensor::name);
    if (found == response.outputs.end())
      return base::Internal("run_failed", "the model did not give '" + output.name + "'");
    tensors[output.tensor] = std::move(*found);
    for (const size_t taker : graph.takers[output.tensor]) {
      if (--missing[taker] == 0) ready.push_back(taker);
    }
  }
  return Status::Ok();
}

void Ensemble::Flight::Take(size_t step, Result<Response> response, RunTiming step_timing) {
  std::unique_lock lock(mutex);
  if (!done) return;  // another step has failed before
  timing.queue_ns += step_timing.queue_ns;
  timing.run_ns += step_timing.run_ns;
  Status status = response.ok() ? Keep(step, std::move(*response)) : response.status();
  if (!status.ok()) {
    lock.unlock();
    return Finish(Explain(step, status));
  }
  if (--left > 0) return;
  Response whole = Collect();
  lock.unlock();
  Finish(std::move(whole));
}

// "inputs[1].shape" of a step is the caller's own "inputs[0].shape" when its tensor came from
// there.
Status Ensemble::Flight::Explain(size_t step, const Status& status) const {
  constexpr std::string_view kInputs = "inputs[";
  std::string field = status.field();
  std::string said = field;
  if (field.starts_with(kInputs)) {
    size_t number = 0;
    const char* begin = field.data() + kInputs.size();
    const auto read = std::from_chars(begin, field.data() + field.size(), number);
    const auto& inputs = graph.steps[step].inputs;
    if (read.ec == std::errc() && number < inputs.size()) {
      const auto from = std::ranges::find(input_tensors, inputs[number].tensor);
      const std::string rest = field.substr(static_cast<size_t>(read.ptr - field.data()));
      said = "input '" + inputs[number].name + "'" + rest.substr(std::min<size_t>(1, rest.size()));
      field = from == input_tensors.end()
                  ? ""
                  : "inputs[" + std::to_string(from - input_tensors.begin()) + rest;
    }
  }
  return {status.code(), status.reason(),
          graph.steps[step].label + ": " + (said.empty() ? "" : said + ": ") + status.message(),
          field};
}

Response Ensemble::Flight::Collect() {
  Response whole;
  for (const Binding& output : graph.outputs) {
    if (!wanted.empty() && std::ranges::find(wanted, output.name) == wanted.end()) continue;
    NamedTensor tensor = std::move(*tensors[output.tensor]);
    tensor.name = output.name;
    whole.outputs.push_back(std::move(tensor));
  }
  return whole;
}

void Ensemble::Flight::Finish(Result<Response> response) {
  RunDone call;
  {
    std::lock_guard lock(mutex);
    call = std::exchange(done, nullptr);
  }
  if (!call) return;
  const int64_t total_ns = base::MonotonicNanos() - since_ns;
  if (response.ok()) self->counts_.CountRun(rows, 1, {.run_ns = timing.run_ns});
  self->counts_.CountAnswer(response.ok(), timing.queue_ns, total_ns);
  call(std::move(response), timing);
}

}  // namespace

Result<std::shared_ptr<LoadedModel>> MakeEnsemble(ModelConfig config,
                                                  std::vector<FindModel> models) {
  CHECK(config.ensemble.size() == models.size(), "a model for each step");
  if (config.decoupled) {
    return base::InvalidArgument("ensemble", "an ensemble gives one answer: it cannot be decoupled",
                                 "bad_ensemble");
  }
  std::vector<std::shared_ptr<LoadedModel>> now;
  for (size_t i = 0; i < models.size(); ++i) {
    now.push_back(models[i]());
    if (now.back() == nullptr) {
      return base::FailedPrecondition(
          "step_not_loaded",
          "step " + std::to_string(i) + ": model '" + config.ensemble[i].model + "' is not loaded");
    }
    // One that is opened on demand says what it takes only when it is open.
    std::promise<Status> prepared;
    now.back()->Prepare([&prepared](Status status) { prepared.set_value(std::move(status)); });
    TRY(prepared.get_future().get());
  }
  Graph graph = TRY(ensemble::Build(config, now));
  return std::shared_ptr<LoadedModel>(
      std::make_shared<Ensemble>(std::move(config), std::move(graph), std::move(models)));
}

}  // namespace slipway::inference
