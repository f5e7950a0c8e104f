// SPDX-License-Identifier: Apache-2.0
// A prediction, the walk itself: pick the arm, run, fall back, record, count, answer, shadow.
#include "serving/predict.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/threads.h"
#include "serving/fit.h"
#include "serving/predict_state.h"
#include "serving/prediction_id.h"

namespace slipway::serving {
using base::Status;
using inference::LoadedModel;
using monitoring::PredictionRecord;

// One call on its way. Owned by whoever will act next: Path, or the callback given to the model.
struct Predictor::Flight {
  State& state;
  PredictCall call;
  PredictDone done;
  PredictPart part;  // of a call that takes several answers: those before the last one
  std::shared_ptr<const traffic::ServedEndpoint>
      served;  // null only for a pinned version of a model without an endpoint
  Limits::Pass pass;
  std::string id;
  base::Micros time = 0;
  int64_t started_ns = 0;
  int64_t deadline_ns = 0;

  // The attempt under way.
  std::string_view arm;
  std::string model;
  int64_t version = 0;
  int64_t attempt_ns = 0;
  const LoadedModel* running = nullptr;  // kept by `served` or `pinned`
  std::shared_ptr<LoadedModel> pinned;
  inference::Request fitted;  // set when `converted`: what the model got instead of call.request
  bool converted = false;
  // Of a candidate that failed before: judged when it is known whether stable can answer.
  std::optional<int64_t> failed_candidate_ns;

  Flight(State& state_given, PredictCall call_given, PredictDone done_given)
      : state(state_given), call(std::move(call_given)), done(std::move(done_given)) {
    state.in_flight.fetch_add(1, std::memory_order_relaxed);
  }
  ~Flight() { state.in_flight.fetch_sub(1, std::memory_order_release); }
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;

  const std::string& key() const { return call.key.empty() ? id : call.key; }
  // What the model got.
  inference::Request& given() { return converted ? fitted : call.request; }
  int64_t epoch() const { return served ? served->plan.epoch : 0; }
  bool judged() const { return arm == traffic::kStable || arm == traffic::kCandidate; }
};

struct Predictor::Path {
  using Ptr = std::unique_ptr<Flight>;

  static void Start(Ptr flight);
  static void StartPinned(Ptr flight);
  static void RunPinned(Ptr flight, base::Result<std::shared_ptr<LoadedModel>> model);
  static void RunArm(Ptr flight, const traffic::ServedArm& arm, int64_t deadline_ns);
  static void Run(Ptr flight, const std::shared_ptr<LoadedModel>& model, int64_t deadline_ns);
  static void RunPrepared(Ptr flight, const std::shared_ptr<LoadedModel>& model,
                          int64_t deadline_ns);
  static PredictAnswer MakeAnswer(const Flight& flight, base::Result<inference::Response> result);
  static void OnRun(Ptr flight, base::Result<inference::Response> result,
                    inference::RunTiming timing);
  static PredictionRecord MakeRecord(Flight& flight, const Status& status,
                                     inference::RunTiming timing, int64_t total_ns);
  static Status Record(Flight& flight, const PredictionRecord& record);
  static void FallBack(Ptr flight, const Status& status, inference::RunTiming timing,
                       int64_t now_ns);
  static void Conclude(Ptr flight, base::Result<inference::Response> result,
                       inference::RunTiming timing, int64_t now_ns);
  static void Judge(const Flight& flight, const Status& status, int64_t attempt_ns);
  static void Refuse(Ptr flight, Status status);
  static void StartShadow(Ptr flight, const traffic::ServedArm& arm);
  static void EndShadow(Ptr flight, base::Result<inference::Response> result,
                        inference::RunTiming timing);
};

namespace {

Status Decoupled() {
  return {base::Code::kUnimplemented, "decoupled_model",
          "this model gives any number of answers to a request (it is decoupled): call it by a "
          "stream"};
}

Status CheckCall(const PredictCall& call) {
  if (call.key.size() > kMaxKeyBytes) {
    return base::InvalidArgument("slipway-key",
                                 "longer than " + std::to_string(kMaxKeyBytes) + " bytes");
  }
  if (call.request_id.size() > kMaxKeyBytes) {
    return base::InvalidArgument("id", "longer than " + std::to_string(kMaxKeyBytes) + " bytes");
  }
  if (call.timeout_us < 0)
    return base::InvalidArgument("timeout", "expected microseconds, 0 or more");
  return Status::Ok();
}

Status TooLate() {
  return {base::Code::kDeadlineExceeded, "deadline_exceeded",
          "the deadline passed before the request was read"};
}

}  // namespace

void Predictor::Path::Start(Ptr flight) {
  State& state = flight->state;
  const int64_t now_ns = base::MonotonicNanos();
  flight->started_ns = flight->call.started_ns != 0 ? flight->call.started_ns : now_ns;
  flight->time = state.clock.Now();
  if (Status status = CheckCall(flight->call); !status.ok())
    return Refuse(std::move(flight), std::move(status));
  if (!state.limits.empty()) {
    auto pass = state.limits.Enter(flight->call.endpoint, flight->call.caller, now_ns);
    if (!pass.ok()) return Refuse(std::move(flight), std::move(pass).TakeStatus());
    flight->pass = std::move(pass).TakeValue();
  }
  const base::Micros timeout = std::min(
      flight->call.timeout_us > 0 ? flight->call.timeout_us : state.settings.default_timeout.micros,
      base::kHour);
  flight->deadline_ns = flight->started_ns + timeout * 1000;
  flight->served = state.routes->Find(flight->call.endpoint);
  // It lay unread for too long: nothing more is done for it.
  if (now_ns >= flight->deadline_ns) return Refuse(std::move(flight), TooLate());
  flight->id = NewPredictionId(flight->time);
  if (flight->call.version) return StartPinned(std::move(flight));
  if (!flight->served) {
    Status status = EndpointNotFound(flight->call.endpoint);
    return Refuse(std::move(flight), std::move(status));
  }
  const traffic::ServedArm& arm =
      flight->served->arms[traffic::ChooseArm(*flight->served, flight->key())];
  // A candidate leaves stable time to answer in its place.
  const bool may_fall_back =
      state.settings.fallback_to_stable && arm.arm.name == traffic::kCandidate;
  const int64_t deadline_ns =
      may_fall_back ? now_ns + (flight->deadline_ns - now_ns) / 2 : flight->deadline_ns;
  RunArm(std::move(flight), arm, deadline_ns);
}

void Predictor::Path::StartPinned(Ptr flight) {
  State& state = flight->state;
  const traffic::ServedArm* main = flight->served ? &traffic::MainArm(*flight->served) : nullptr;
  const bool unmanaged = main != nullptr && main->arm.name == traffic::kUnmanaged;
  flight->arm = unmanaged ? traffic::kUnmanaged : kPinned;
  flight->version = *flight->call.version;
  flight->model = main != nullptr ? main->arm.model : flight->call.endpoint;
  if (auto model = state.routes->FindVersion(flight->model, flight->version))
    return RunPinned(std::move(flight), std::move(model));
  auto* waiting = flight.release();
  Status status = state.loads.Submit([waiting] {
    Ptr owned(waiting);
    auto model = owned->state.routes->LoadVersion(owned->model, owned->version);
    RunPinned(std::move(owned), std::move(model));
  });
  if (!status.ok()) Refuse(Ptr(waiting), std::move(status));
}

void Predictor::Path::RunPinned(Ptr flight, base::Result<std::shared_ptr<LoadedModel>> model) {
  if (!model.ok()) return Refuse(std::move(flight), std::move(model).TakeStatus());
  const int64_t deadline_ns = flight->deadline_ns;
  flight->pinned = *model;
  Run(std::move(flight), *model, deadline_ns);
}

void Predictor::Path::RunArm(Ptr flight, const traffic::ServedArm& arm, int64_t deadline_ns) {
  flight->arm = arm.arm.name;  // lives as long as flight->served
  flight->model = arm.arm.model;
  flight->version = arm.arm.version;
  Run(std::move(flight), arm.model, deadline_ns);
}

void Predictor::Path::Run(Ptr flight, const std::shared_ptr<LoadedModel>& model,
                          int64_t deadline_ns) {
  flight->attempt_ns = base::MonotonicNanos();
  flight->running = model.get();
  if (!model->described()) return RunPrepared(std::move(flight), model, deadline_ns);
  if (model->config().decoupled && !flight->part) return OnRun(std::move(flight), Decoupled(), {});
  auto fitted = Fit(flight->call.request, model->description());
  if (!fitted.ok()) return OnRun(std::move(flight), std::move(fitted).TakeStatus(), {});
  flight->converted = fitted->has_value();
  if (flight->converted) flight->fitted = std::move(**fitted);
  inference::Request request = flight->converted ? flight->fitted : flight->call.request;
  inference::RunOptions options{deadline_ns, flight->call.priority, flight->call.caller,
                                flight->call.cancelled};
  // A bare pointer fits std::function without an allocation; the model calls back exactly once and
  // so gives it back.
  auto* running = flight.release();
  if (running->part) {
    model->RunStream(std::move(request), std::move(options),
                     [running](base::Result<inference::Response> result,
                               inference::RunTiming timing, bool last) {
                       if (last) return OnRun(Ptr(running), std::move(result), timing);
                       running->part(MakeAnswer(*running, std::move(result)), false);
                     });
    return;
  }
  model->Run(std::move(request), std::move(options),
             [running](base::Result<inference::Response> result, inference::RunTiming timing) {
               OnRun(Ptr(running), std::move(result), timing);
             });
}

// A model that is opened on demand was never open: what it takes is not known yet.
void Predictor::Path::RunPrepared(Ptr flight, const std::shared_ptr<LoadedModel>& model,
                                  int64_t deadline_ns) {
  auto* waiting = flight.release();
  model->Prepare([waiting, model, deadline_ns](Status status) {
    Ptr owned(waiting);
    if (!status.ok()) return OnRun(std::move(owned), std::move(status), {});
    Run(std::move(owned), model, deadline_ns);
  });
}

PredictAnswer Predictor::Path::MakeAnswer(const Flight& flight,
                                          base::Result<inference::Response> result) {
  PredictAnswer answer;
  if (result.ok()) {
    answer.response = std::move(result).TakeValue();
  } else {
    answer.status = std::move(result).TakeStatus();
  }
  answer.prediction_id = flight.id;
  answer.model = flight.model;
  answer.version = flight.version;
  answer.arm = flight.arm;
  answer.answered_by = flight.running;
  return answer;
}

void Predictor::Path::OnRun(Ptr flight, base::Result<inference::Response> result,
                            inference::RunTiming timing) {
  if (flight->arm == traffic::kShadow)
    return EndShadow(std::move(flight), std::move(result), timing);
  const int64_t now_ns = base::MonotonicNanos();
  if (!result.ok() && flight->arm == traffic::kCandidate &&
      flight->state.settings.fallback_to_stable) {
    return FallBack(std::move(flight), result.status(), timing, now_ns);
  }
  Conclude(std::move(flight), std::move(result), timing, now_ns);
}

PredictionRecord Predictor::Path::MakeRecord(Flight& flight, const Status& status,
                                             inference::RunTiming timing, int64_t total_ns) {
  PredictionRecord record;
  record.id = flight.id;
  record.time = flight.time;
  record.endpoint = flight.call.endpoint;
  record.model = flight.model;
  record.version = flight.version;
  record.arm = flight.arm;
  record.plan_epoch = flight.epoch();
  record.key = flight.key();
  record.request_id = flight.call.request_id;
  record.protocol = flight.call.protocol;
  record.queue_ns = timing.queue_ns;
  record.run_ns = timing.run_ns;
  record.cached = timing.cached;
  record.total_ns = total_ns;
  record.rows = flight.given().inputs.empty() ? 0 : flight.given().inputs[0].tensor.rows();
  if (!status.ok()) {
    record.status_code = static_cast<int>(status.code());
    record.error = status.reason() + ": " + (status.field().empty() ? "" : status.field() + ": ") +
                   status.message();
  }
  return record;
}

Status Predictor::Path::Record(Flight& flight, const PredictionRecord& record) {
  Status status = flight.state.recorder.Record(record);
  if (!status.ok()) flight.state.unlogged.Add();
  return status;
}

// The candidate failed: its attempt is recorded under an id of its own, and stable answers.
void Predictor::Path::FallBack(Ptr flight, const Status& status, inference::RunTiming timing,
                               int64_t now_ns) {
  const int64_t attempt_ns = now_ns - flight->attempt_ns;
  PredictionRecord record = MakeRecord(*flight, status, timing, attempt_ns);
  record.id = NewPredictionId(flight->time);
  record.inputs = flight->given().inputs;
  if (Status logged = Record(*flight, record); !logged.ok() && flight->state.refuse_unlogged) {
    base::Log(base::LogLevel::kWarning, "serving", "a failed attempt of a candidate was not logged",
              {{"endpoint", record.endpoint}, {"error", logged.ToString()}});
  }
  flight->state.series.Count(flight->call.endpoint, flight->epoch(), flight->arm, flight->version,
                             status.code(), attempt_ns);
  flight->failed_candidate_ns = attempt_ns;
  const int64_t deadline_ns = flight->deadline_ns;
  const traffic::ServedArm& stable = traffic::MainArm(*flight->served);
  RunArm(std::move(flight), stable, deadline_ns);
}

// Who failed: an argument that stable refuses too is the caller's fault and says nothing about
// either arm.
void Predictor::Path::Judge(const Flight& flight, const Status& status, int64_t attempt_ns) {
  if (!flight.judged() || status.code() == base::Code::kInvalidArgument) return;
  OutcomeObserver& observer = flight.state.observer;
  if (flight.failed_candidate_ns) {
    observer.Observe(flight.call.endpoint, flight.epoch(), std::string(traffic::kCandidate),
                     flight.key(), true, *flight.failed_candidate_ns);
  }
  observer.Observe(flight.call.endpoint, flight.epoch(), std::string(flight.arm), flight.key(),
                   !status.ok(), attempt_ns);
}

void Predictor::Path::Conclude(Ptr flight, base::Result<inference::Response> result,
                               inference::RunTiming timing, int64_t now_ns) {
  State& state = flight->state;
  PredictAnswer answer = MakeAnswer(*flight, std::move(result));
  answer.timing = timing;
  answer.answered_ns = now_ns;
  const int64_t total_ns = now_ns - flight->started_ns;
  Judge(*flight, answer.status, now_ns - flight->attempt_ns);
  // No model saw it, and a flood of these must not be logged at the cost of what is answered.
  if (answer.status.code() == base::Code::kResourceExhausted) {
    state.series.Count(flight->call.endpoint, flight->epoch(), flight->arm, flight->version,
                       answer.status.code(), total_ns);
    return std::exchange(flight->done, nullptr)(std::move(answer));
  }
  PredictionRecord record = MakeRecord(*flight, answer.status, timing, total_ns);
  const traffic::ServedArm* shadow = flight->served && flight->arm != kPinned
                                         ? FindArm(*flight->served, traffic::kShadow)
                                         : nullptr;
  // Inputs that do not fit the model's signature would be read by nobody.
  if (answer.status.code() != base::Code::kInvalidArgument) {
    record.inputs = shadow != nullptr ? flight->given().inputs : std::move(flight->given().inputs);
  }
  record.outputs = std::move(answer.response.outputs);
  const Status logged = Record(*flight, record);
  answer.response.outputs = std::move(record.outputs);
  if (!logged.ok() && state.refuse_unlogged && answer.status.ok()) {
    answer.response = {};
    answer.status = base::Unavailable("prediction_not_logged",
                                      "the prediction could not be logged: " + logged.message());
  }
  state.series.Count(flight->call.endpoint, flight->epoch(), flight->arm, flight->version,
                     answer.status.code(), total_ns);
  std::exchange(flight->done, nullptr)(std::move(answer));
  if (shadow != nullptr) StartShadow(std::move(flight), *shadow);
}

// Ends a call that reached no model.
void Predictor::Path::Refuse(Ptr flight, Status status) {
  // The endpoint's name is the caller's own word here: it must not become a label.
  const bool known = flight->served != nullptr;
  flight->state.series.Count(known ? flight->call.endpoint : "", flight->epoch(), flight->arm, 0,
                             status.code(), base::MonotonicNanos() - flight->started_ns);
  PredictAnswer answer;
  answer.status = std::move(status);
  flight->done(std::move(answer));
}

// The caller has its answer; the same request goes to the shadow, whose answer is only recorded.
void Predictor::Path::StartShadow(Ptr flight, const traffic::ServedArm& arm) {
  State& state = flight->state;
  if (state.shadows.fetch_add(1, std::memory_order_relaxed) >= kMaxShadows) {
    state.shadows.fetch_sub(1, std::memory_order_relaxed);
    state.shadows_skipped.Add();
    return;
  }
  // The caller's id, or the prediction's, leads from the shadow's record to the answered one.
  if (flight->call.request_id.empty()) flight->call.request_id = flight->id;
  if (flight->call.key.empty()) flight->call.key = flight->id;
  flight->id = NewPredictionId(flight->time);
  if (flight->part) flight->part = [](const PredictAnswer&, bool) {};
  flight->call.cancelled = nullptr;  // it runs for its record, whoever has gone
  flight->started_ns = base::MonotonicNanos();
  RunArm(std::move(flight), arm,
         base::MonotonicNanos() + state.settings.default_timeout.micros * 1000);
}

void Predictor::Path::EndShadow(Ptr flight, base::Result<inference::Response> result,
                                inference::RunTiming timing) {
  State& state = flight->state;
  const int64_t total_ns = base::MonotonicNanos() - flight->started_ns;
  PredictionRecord record = MakeRecord(*flight, result.status(), timing, total_ns);
  record.inputs = std::move(flight->given().inputs);
  if (result.ok()) record.outputs = std::move(result->outputs);
  // Nobody waits for this answer, so a log that cannot take it is only counted.
  (void)Record(*flight, record);
  state.series.Count(flight->call.endpoint, flight->epoch(), flight->arm, flight->version,
                     result.status().code(), total_ns);
  state.shadows.fetch_sub(1, std::memory_order_relaxed);
}

Predictor::Predictor(traffic::Endpoints& endpoints, Recorder& recorder, OutcomeObserver& observer,
                     base::Clock& clock, base::Metrics& metrics, ServingSettings settings)
    : Predictor(MakeEndpointRoutes(endpoints), recorder, observer, clock, metrics,
                std::move(settings)) {}

Predictor::Predictor(std::unique_ptr<Routes> routes, Recorder& recorder, OutcomeObserver& observer,
                     base::Clock& clock, base::Metrics& metrics, ServingSettings settings)
    : state_(std::make_unique<State>(std::move(routes), recorder, observer, clock, metrics,
                                     std::move(settings))) {}

Predictor::~Predictor() {
  state_->loads.Stop();
  while (state_->in_flight.load(std::memory_order_acquire) != 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void Predictor::Predict(PredictCall call, PredictDone done) {
  Path::Start(std::make_unique<Flight>(*state_, std::move(call), std::move(done)));
}

void Predictor::PredictStream(PredictCall call, PredictPart part) {
  auto flight = std::make_unique<Flight>(*state_, std::move(call), nullptr);
  flight->part = part;
  flight->done = [part = std::move(part)](PredictAnswer answer) { part(std::move(answer), true); };
  Path::Start(std::move(flight));
}

}  // namespace slipway::serving
