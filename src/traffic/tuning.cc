// SPDX-License-Identifier: Apache-2.0
// Beside the walk of a version: how it is run best, tried while it answers.
#include "traffic/tuning.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status.h"
#include "events/events.h"
#include "inference/model_pool.h"
#include "inference/tune.h"
#include "storage/database.h"
#include "traffic/endpoints.h"
#include "traffic/version_loader.h"

namespace slipway::traffic {

using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr const char* kRunning = "running";

Json ToJson(const std::vector<inference::Trial>& trials) {
  Json rows = Json::MakeArray();
  for (const inference::Trial& trial : trials) {
    rows.Append(Json::MakeObject({{"instances", trial.instances},
                                  {"threads", trial.threads},
                                  {"batch_rows", trial.batch_rows},
                                  {"rows_per_s", trial.rows_per_s},
                                  {"p50_ms", trial.p50_ms},
                                  {"p99_ms", trial.p99_ms},
                                  {"best", trial.best}}));
  }
  return rows;
}

}  // namespace

Json ToJson(const TuneRun& run) {
  return Json::MakeObject({{"id", run.id},
                           {"endpoint", run.endpoint},
                           {"model", run.model},
                           {"version", run.version},
                           {"state", run.state},
                           {"inputs", run.inputs},
                           {"done", run.done},
                           {"total", static_cast<int64_t>(run.trials.size())},
                           {"trials", ToJson(run.trials)},
                           {"started", base::FormatTime(run.started)},
                           {"ended", run.ended == 0 ? Json() : Json(base::FormatTime(run.ended))},
                           {"error", run.error},
                           {"used", run.used},
                           {"actor", run.actor}});
}

struct Tuning::State {
  explicit State(const Parts& given) : parts(given) {}

  const Parts parts;
  mutable std::mutex mutex;             // over what follows
  std::map<std::string, TuneRun> runs;  // by endpoint; at most kMaxEndpoints
  std::string running;                  // endpoint; empty: none
  int64_t last_id = 0;
  std::atomic<bool> cancelled{false};
  std::thread thread;

  Result<inference::ModelSource> SourceOf(const Arm& arm) const {
    const registry::Version version = TRY(parts.registry.GetVersion(arm.model, arm.version));
    inference::ModelSource source;
    source.key = arm.model + "/" + std::to_string(arm.version);
    source.folder = TRY(parts.registry.Materialize(version));
    ModelFile file = TRY(ChooseModelFile(source.folder));
    if (file.runtime == kEnsembleRuntime) {
      return base::FailedPrecondition("not_tunable",
                                      "an ensemble runs nothing itself: tune the models it names");
    }
    source.runtime = std::move(file.runtime);
    source.path = std::move(file.path);
    return source;
  }

  // Kept beside the version, with its event.
  Status Keep(const Arm& arm, const std::string& text, const events::Actor& actor) const {
    TRY(parts.registry.SetVersionTag(arm.model, arm.version, inference::kSchedulingTag, text,
                                     actor));
    return parts.database.Write([&](storage::Transaction& transaction) -> Status {
      events::Event event;
      event.type = "version.tuned";
      event.subject = "version/" + arm.model + "/" + std::to_string(arm.version);
      event.actor = actor;
      event.data = Json::MakeObject({{"scheduling", TRY(Json::Parse(text))}});
      TRY(parts.events.Append(transaction, std::move(event)));
      return Status::Ok();
    });
  }

  void Change(const std::string& endpoint, const std::function<void(TuneRun&)>& change) {
    std::lock_guard lock(mutex);
    change(runs[endpoint]);
  }

  Status Try(const TuneWish& wish, const Arm& arm, const inference::ModelSource& source,
             const events::Actor& actor) {
    const auto model = TRY(parts.endpoints.LoadVersion(arm.model, arm.version));
    std::vector<inference::Request> inputs = model->Recent();
    const bool recorded = !inputs.empty();
    if (!recorded) inputs.push_back(ZeroRow(model->description()));
    Change(wish.endpoint,
           [&](TuneRun& run) { run.inputs = recorded ? "recent requests" : "zeros"; });
    auto tell = [&](const std::vector<inference::Trial>& trials, size_t done) {
      Change(wish.endpoint, [&](TuneRun& run) {
        run.trials = trials;
        run.done = static_cast<int64_t>(done);
      });
      return !cancelled.load();
    };
    const std::vector<inference::Trial> trials =
        TRY(inference::Tune(parts.pool, source, model->description(), inputs, wish.target, tell));
    (void)tell(trials, trials.size());
    for (const inference::Trial& trial : trials) {
      if (trial.best) TRY(Keep(arm, inference::SchedulingText(trial), actor));
    }
    return wish.for_later ? Status::Ok() : parts.endpoints.Reload(arm.model, arm.version);
  }

  void Run(const TuneWish& wish, const Arm& arm, const inference::ModelSource& source,
           const events::Actor& actor) {
    const Status status = Try(wish, arm, source, actor);
    if (!status.ok()) {
      base::Log(base::LogLevel::kWarning, "traffic", "a tuning ended without a result",
                {{"endpoint", wish.endpoint}, {"error", status.ToString()}});
    }
    Change(wish.endpoint, [&](TuneRun& run) {
      run.ended = parts.clock.Now();
      run.state = status.ok()                               ? "done"
                  : status.code() == base::Code::kCancelled ? "cancelled"
                                                            : "failed";
      if (!status.ok()) run.error = status.message();
      if (status.ok()) run.used = wish.for_later ? "when the version is loaded next" : "now";
      running.clear();
    });
  }
};

Tuning::Tuning(Parts parts) : state_(std::make_unique<State>(parts)) {}
Tuning::~Tuning() { Stop(); }

Result<TuneRun> Tuning::Start(const TuneWish& wish, const events::Actor& actor) {
  const auto served = state_->parts.endpoints.Find(wish.endpoint);
  if (served == nullptr)
    return base::NotFound("endpoint_not_found", "no endpoint is named '" + wish.endpoint + "'");
  const Arm arm = MainArm(*served).arm;
  const inference::ModelSource source = TRY(state_->SourceOf(arm));
  std::lock_guard lock(state_->mutex);
  if (!state_->running.empty()) {
    return base::ResourceExhausted(
        "tuning", "endpoint '" + state_->running + "' is being tuned; retry in 5 s");
  }
  if (state_->thread.joinable()) state_->thread.join();
  TuneRun& run = state_->runs[wish.endpoint];
  run = TuneRun{};
  run.id = ++state_->last_id;
  run.endpoint = wish.endpoint;
  run.model = arm.model;
  run.version = arm.version;
  run.state = kRunning;
  run.started = state_->parts.clock.Now();
  run.actor = actor.name;
  state_->running = wish.endpoint;
  state_->cancelled.store(false);
  state_->thread = std::thread(
      [state = state_.get(), wish, arm, source, actor] { state->Run(wish, arm, source, actor); });
  return run;
}

Result<TuneRun> Tuning::Last(const std::string& endpoint) const {
  std::lock_guard lock(state_->mutex);
  const auto found = state_->runs.find(endpoint);
  if (found == state_->runs.end())
    return base::NotFound("never_tuned",
                          "endpoint '" + endpoint + "' was not tuned since the start");
  return found->second;
}

Result<TuneRun> Tuning::Cancel(const std::string& endpoint) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->running == endpoint) state_->cancelled.store(true);
  }
  return Last(endpoint);
}

void Tuning::Stop() {
  std::thread thread;
  {
    std::lock_guard lock(state_->mutex);
    state_->cancelled.store(true);
    thread = std::move(state_->thread);
  }
  if (thread.joinable()) thread.join();
}

}  // namespace slipway::traffic
