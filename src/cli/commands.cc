// SPDX-License-Identifier: Apache-2.0
// The table of commands; `serve`, `doctor`, `config` and `labels` have code of their own.
#include "cli/command.h"
#include "cli/command_rows.h"

namespace slipway::cli {
namespace {

std::vector<Command> ModelCommands() {
  return {
      {"models",
       "list",
       "Registered models",
       "GET",
       "/api/v1/models",
       {Limit()},
       "models",
       {{"MODEL", "name"},
        {"CREATED", "created"},
        {"ALIASES", "aliases"},
        {"DESCRIPTION", "description"}}},
      {"models",
       "show",
       "One model with its versions",
       "GET",
       "/api/v1/models/{model}",
       {PathText("model", "name of the model")},
       "versions",
       {{"VERSION", "version"},
        {"STAGE", "stage"},
        {"STATUS", "status"},
        {"CREATED", "created"},
        {"RUN", "run_id"}}},
  };
}

std::vector<Command> VersionCommands() {
  return {
      {"versions",
       "show",
       "One version: files, metadata, verdicts",
       "GET",
       "/api/v1/models/{model}/versions/{version}",
       {PathText("model", "name of the model"), PathNumber("version", "its number")},
       "",
       {}},
      {"versions",
       "gates",
       "Run the gates that guard a stage; changes nothing",
       "POST",
       "/api/v1/models/{model}/versions/{version}/gates",
       {PathText("model", "name of the model"), PathNumber("version", "its number"),
        Body("to", Kind::kText, "stage: Staging or Production", true)},
       "verdicts",
       {{"GATE", "gate"}, {"OUTCOME", "outcome"}, {"SUMMARY", "summary"}}},
      {"versions",
       "transition",
       "Move a version to a stage, through its gates",
       "POST",
       "/api/v1/models/{model}/versions/{version}/transition",
       {PathText("model", "name of the model"), PathNumber("version", "its number"),
        Body("to", Kind::kText, "stage: None, Staging, Production or Archived", true),
        Body("force", Kind::kFlag, "let it in although gates fail; needs --reason"),
        Body("reason", Kind::kText, "why; written into the event")},
       "verdicts",
       {{"GATE", "gate"}, {"OUTCOME", "outcome"}, {"SUMMARY", "summary"}}},
      {"versions",
       "promote",
       "Roll a version out towards production",
       "POST",
       "/api/v1/models/{model}/versions/{version}/promote",
       {PathText("model", "name of the model"), PathNumber("version", "its number"),
        Body("force", Kind::kFlag, "let it in although gates fail; needs --reason"),
        Body("reason", Kind::kText, "why; written into the event")},
       "",
       {}},
  };
}

std::vector<Command> LineageCommands() {
  return {{"lineage",
           "",
           "From a data set over run and version to what answers by it, and back",
           "GET",
           "/api/v1/lineage",
           {Query("dataset_hash", "of the training data"), Query("run_id", "the run that trained"),
            Query("model", "name of the model"), Query("version", "its number"),
            Query("endpoint", "where it answers now"), Query("prediction", "id of one answer"),
            Limit()},
           "lineage",
           {{"DATA SET", "dataset_hash"},
            {"RUN", "run_id"},
            {"MODEL", "model"},
            {"VERSION", "version"},
            {"STAGE", "stage"},
            {"ENDPOINTS", "endpoints"}}}};
}

std::vector<Command> TrafficCommands() {
  return {
      {"endpoints",
       "list",
       "Endpoints and who answers them",
       "GET",
       "/api/v1/endpoints",
       {},
       "endpoints",
       {{"ENDPOINT", "name"},
        {"MANAGED", "managed"},
        {"EPOCH", "plan.epoch"},
        {"SINCE", "plan.since"},
        {"ARMS", "plan.arms"}}},
      {"endpoints",
       "show",
       "One endpoint: plan, latency and errors by arm",
       "GET",
       "/api/v1/endpoints/{endpoint}",
       {PathText("endpoint", "its name")},
       "",
       {}},
      {"rollback",
       "",
       "Back to the version that answered before, at once",
       "POST",
       "/api/v1/endpoints/{endpoint}/rollback",
       {PathText("endpoint", "its name"),
        Body("reason", Kind::kText, "why; written into the event")},
       "",
       {}},
  };
}

std::vector<Command> TuneCommands() {
  const std::string_view path = "/api/v1/endpoints/{endpoint}/tune";
  const Argument endpoint = PathText("endpoint", "its name");
  const std::vector<Column> trials = {{"INSTANCES", "instances"},
                                      {"THREADS", "threads"},
                                      {"BATCH", "batch_rows"},
                                      {"ROWS/S", "rows_per_s"},
                                      {"P50 MS", "p50_ms"},
                                      {"P99 MS", "p99_ms"},
                                      {"BEST", "best"}};
  return {
      {"tune",
       "",
       "Measures instances, threads and batches of what answers, and runs it by the best",
       "POST",
       path,
       {endpoint, Body("latency_ms", Kind::kInteger, "that 99 of 100 requests are to keep"),
        Body("for_later", Kind::kFlag, "keep the best for the next time it is loaded")},
       "trials",
       trials,
       true},
      {"tuning",
       "show",
       "How far the tuning of an endpoint is, or what it found",
       "GET",
       path,
       {endpoint},
       "",
       {}},
      {"tuning", "cancel", "End the tuning of an endpoint", "DELETE", path, {endpoint}, "", {}}};
}

std::vector<Command> RolloutCommands() {
  const Argument id = PathText("id", "id of the rollout");
  return {
      {"rollouts",
       "list",
       "Rollouts, newest first",
       "GET",
       "/api/v1/rollouts",
       {Query("endpoint", "only this endpoint's"), Limit()},
       "rollouts",
       {{"ID", "id"},
        {"ENDPOINT", "endpoint"},
        {"FROM", "from_version"},
        {"TO", "to_version"},
        {"STATE", "state"},
        {"STEP", "step"},
        {"STARTED", "started"},
        {"REASON", "reason"}}},
      {"rollouts",
       "show",
       "One rollout: steps, analysis, decisions",
       "GET",
       "/api/v1/rollouts/{id}",
       {id},
       "",
       {}},
      {"rollouts",
       "abort",
       "Stop a rollout; stable answers everything again",
       "POST",
       "/api/v1/rollouts/{id}/abort",
       {id, Body("reason", Kind::kText, "why; written into the event")},
       "",
       {}},
      {"rollouts",
       "promote",
       "End a rollout in the candidate's favour without its analysis; needs --reason",
       "POST",
       "/api/v1/rollouts/{id}/promote",
       {id, Body("reason", Kind::kText, "why; written into the event")},
       "",
       {}},
  };
}

std::vector<Command> PredictionCommands() {
  return {
      {"predictions",
       "list",
       "Logged predictions, newest first",
       "GET",
       "/api/v1/predictions",
       {Query("endpoint", "only this endpoint's"), Query("version", "only this version's"),
        Query("arm", "only this arm's"), Query("status", "all, ok or failed"),
        Query("since", "from this time (RFC 3339)"), Query("until", "before this time"),
        Query("score_min", "only scores of at least this"),
        Query("score_max", "only scores of at most this"),
        Query("feature", "NAME:VALUE: only where this input has this value"),
        Query("page_token", "next_page_token of the page before"), Limit()},
       "predictions",
       {{"ID", "id"},
        {"TIME", "time"},
        {"ENDPOINT", "endpoint"},
        {"VERSION", "version"},
        {"ARM", "arm"},
        {"MS", "latency_ms.total"},
        {"STATUS", "status"}}},
      {"predictions",
       "get",
       "Everything about one prediction",
       "GET",
       "/api/v1/predictions/{id}",
       {PathText("id", "its id")},
       "",
       {}},
      {"sql",
       "",
       "One SELECT over the views predictions, labels and label_log",
       "POST",
       "/api/v1/sql",
       {Body("query", Kind::kText, "the statement", true),
        Body("limit", Kind::kInteger, "most rows to answer (default 1000)")},
       "",
       {}},
      {"predictions",
       "count",
       "How many are logged",
       "GET",
       "/api/v1/predictions/count",
       {Query("endpoint", "only this endpoint's")},
       "",
       {}},
  };
}

std::vector<Command> WatchCommands() {
  return {
      {"windows",
       "",
       "Quality and drift of an endpoint, window by window",
       "GET",
       "/api/v1/monitoring/{endpoint}/windows",
       {PathText("endpoint", "its name"), Limit()},
       "windows",
       {{"START", "start"},
        {"VERSION", "version"},
        {"PREDICTIONS", "predictions"},
        {"LABELS", "labels"},
        {"AUC", "quality.auc.value"},
        {"BRIER", "quality.brier.value"},
        {"PSI(PREDICTION)", "prediction_psi"}}},
      {"drift",
       "",
       "The latest window against the baseline, by feature",
       "GET",
       "/api/v1/monitoring/{endpoint}/drift",
       {PathText("endpoint", "its name"),
        Query("window", "start of the window (default: the latest)")},
       "features",
       {{"FEATURE", "name"},
        {"KIND", "kind"},
        {"PSI", "psi"},
        {"DRIFTED", "drifted"},
        {"N", "n"},
        {"MISSING", "missing_share"},
        {"OUT OF RANGE", "out_of_range_share"},
        {"UNSEEN", "unseen_share"}}},
  };
}

std::vector<Command> EventCommands() {
  return {
      {"events",
       "list",
       "What happened, newest first",
       "GET",
       "/api/v1/events",
       {Query("type_prefix", "only types that begin so"),
        Query("subject_prefix", "only subjects that begin so"),
        Query("after", "after this sequence number"), Query("order", "newest (default) or oldest"),
        Limit()},
       "events",
       {{"SEQ", "sequence"},
        {"TIME", "time"},
        {"TYPE", "type"},
        {"SUBJECT", "subject"},
        {"ACTOR", "actor"}}},
  };
}

std::vector<Command> PipelineCommands() {
  return {
      {"pipelines",
       "list",
       "Pipelines",
       "GET",
       "/api/v1/pipelines",
       {},
       "pipelines",
       {{"PIPELINE", "name"}, {"SPEC", "spec"}}},
      {"pipelines",
       "runs",
       "Runs of pipelines, newest first",
       "GET",
       "/api/v1/pipelines/runs",
       {Query("pipeline", "only this one's"), Limit()},
       "runs",
       {{"ID", "id"},
        {"PIPELINE", "pipeline"},
        {"STATE", "state"},
        {"STARTED", "started"},
        {"ENDED", "ended"},
        {"OUTPUTS", "outputs"}}},
      {"pipelines",
       "run",
       "Start a pipeline now",
       "POST",
       "/api/v1/pipelines/{pipeline}/run",
       {PathText("pipeline", "its name")},
       "",
       {}},
      {"pipelines",
       "log",
       "The output of a step",
       "GET",
       "/api/v1/pipelines/runs/{id}/log",
       {PathText("id", "id of the run"), Query("step", "name of the step (default: the last one)")},
       "",
       {}},
      {"decisions",
       "list",
       "What the policies decided about candidates",
       "GET",
       "/api/v1/decisions",
       {Query("model", "only this model's"), Limit()},
       "decisions",
       {{"TIME", "time"},
        {"MODEL", "model"},
        {"KIND", "kind"},
        {"CANDIDATE", "candidate"},
        {"PRODUCTION", "production"},
        {"DIFFERENCE", "difference"},
        {"LOWER", "lower"},
        {"UPPER", "upper"},
        {"SUMMARY", "summary"}}},
  };
}

std::vector<Command> ServerCommands() {
  return {
      {"clock", "show", "The server's time", "GET", "/api/v1/clock", {}, "", {}},
      {"clock",
       "set",
       "Move a driven clock forward (replays only)",
       "POST",
       "/api/v1/clock",
       {Body("now", Kind::kText, "RFC 3339 time", true)},
       "",
       {}},
      {"info", "", "What is running there", "GET", "/api/v1/info", {}, "", {}},
  };
}

}  // namespace

std::span<const Command> Commands() {
  static const std::vector<Command> commands = [] {
    std::vector<Command> all;
    for (const auto& part :
         {ModelCommands(), VersionCommands(), LineageCommands(), GateCommands(), HoldoutCommands(),
          RetentionCommands(), TrafficCommands(), TuneCommands(), RolloutCommands(),
          PredictionCommands(), WatchCommands(), EventCommands(), AuditCommands(), AlertCommands(),
          PipelineCommands(), ServerCommands()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return commands;
}

}  // namespace slipway::cli
