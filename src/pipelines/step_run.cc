// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": one attempt of one step, on a thread of the pipelines' pool.
#include "pipelines/step_run.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/clock.h"
#include "base/files.h"
#include "base/status.h"
#include "pipelines/executor.h"
#include "pipelines/pipelines.h"
#include "pipelines/run_machine.h"
#include "pipelines/spec.h"
#include "pipelines/step_cache.h"
#include "pipelines/template.h"

namespace slipway::pipelines {

using base::Result;
using base::Status;

namespace {

namespace fs = std::filesystem;

std::string Upper(std::string_view text) {
  std::string upper;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    upper += std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_';
  }
  return upper;
}

TemplateValues ValuesOf(const StepJob& job, const RunPaths& paths) {
  return {job.run_id, paths.work(), job.parameters, job.outputs};
}

Result<StepLaunch> MakeLaunch(const StepJob& job, const StepTools& tools, const RunPaths& paths) {
  const StepSpec& step = job.spec.steps[job.step];
  const TemplateValues values = ValuesOf(job, paths);
  StepLaunch launch;
  launch.run_id = job.run_id;
  launch.step = step.name;
  launch.attempt = job.attempt;
  for (const std::string& argument : step.run) launch.argv.push_back(TRY(Fill(argument, values)));
  for (const auto* env : {&job.spec.env, &step.env}) {
    for (const auto& [name, value] : *env) launch.environment[name] = TRY(Fill(value, values));
  }
  launch.environment.merge(StepEnvironment(job, tools.surroundings));
  launch.working_directory = job.spec.folder;
  launch.log_path = paths.log(step.name, job.attempt);
  launch.log_limit_bytes = tools.log_limit_bytes;
  launch.timeout = step.timeout;
  return launch;
}

// What the exit means; empty for success.
std::string Complaint(const StepExit& exit, const StepLaunch& launch) {
  switch (exit.kind) {
    case StepExit::Kind::kExited:
      return exit.exit_status == 0 ? ""
                                   : "ended with exit status " + std::to_string(exit.exit_status);
    case StepExit::Kind::kSignalled:
      return "was ended by signal " + std::to_string(exit.signal);
    case StepExit::Kind::kTimedOut:
      return "was ended after its timeout of " + base::FormatDuration(launch.timeout);
    case StepExit::Kind::kLogLimit:
      return "was ended: its log is larger than " + std::to_string(launch.log_limit_bytes) +
             " bytes";
    case StepExit::Kind::kStopped:
      break;
  }
  return "was ended with the server";
}

Result<StepResult> Execute(const StepJob& job, const StepTools& tools, const RunPaths& paths) {
  const StepLaunch launch = TRY(MakeLaunch(job, tools, paths));
  const StepExit exit = TRY(tools.executor.Run(launch, tools.started, tools.stop));
  StepResult result;
  result.stopped = exit.kind == StepExit::Kind::kStopped;
  if (exit.kind == StepExit::Kind::kExited) result.exit_status = exit.exit_status;
  result.message = Complaint(exit, launch);
  if (!result.message.empty()) return result;
  std::error_code error;
  const std::string output = paths.output(launch.step, job.attempt);
  if (fs::exists(output, error))
    result.outputs = TRY(ParseOutputs(TRY(base::ReadFile(output, kMaxOutputBytes))));
  result.ending = Ending::kSucceeded;
  return result;
}

Result<StepResult> UseCacheOrExecute(const StepJob& job, const StepTools& tools,
                                     const RunPaths& paths) {
  const StepSpec& step = job.spec.steps[job.step];
  CacheEntry entry;
  if (step.cache) {
    entry.key = TRY(CacheKey(job, paths.work()));
    const auto known = tools.find_cached(entry.key);
    if (known &&
        CopyOutputs(*known, PathsOf(tools.surroundings, known->run).work(), paths.work())) {
      StepResult result;
      result.ending = Ending::kSucceeded;
      result.cached = true;
      result.message = "nothing changed since run " + known->run;
      result.outputs = known->outputs;
      return result;
    }
  }
  StepResult result = TRY(Execute(job, tools, paths));
  if (result.ending != Ending::kSucceeded) return result;
  entry.files = TRY(HashOutputs(step, paths.work()));
  if (step.cache) {
    entry.run = job.run_id;
    entry.outputs = result.outputs;
    result.cache_entry = std::move(entry);
  }
  return result;
}

}  // namespace

std::string RunPaths::log(const std::string& step, int64_t attempt) const {
  return folder + "/" + step + "." + std::to_string(attempt) + ".log";
}

std::string RunPaths::output(const std::string& step, int64_t attempt) const {
  return folder + "/" + step + "." + std::to_string(attempt) + ".out";
}

RunPaths PathsOf(const PipelineSurroundings& surroundings, const std::string& run_id) {
  return {surroundings.data_folder + "/pipelines/" + run_id};
}

std::map<std::string, std::string> StepEnvironment(const StepJob& job,
                                                   const PipelineSurroundings& surroundings) {
  const StepSpec& step = job.spec.steps[job.step];
  const RunPaths paths = PathsOf(surroundings, job.run_id);
  std::map<std::string, std::string> environment;
  environment["SLIPWAY_URL"] = surroundings.server_url();
  environment["MLFLOW_TRACKING_URI"] = environment["SLIPWAY_URL"];
  // Or a registry that the server's own environment names would get what the step registers.
  environment["MLFLOW_REGISTRY_URI"] = environment["SLIPWAY_URL"];
  environment["SLIPWAY_RUN_ID"] = job.run_id;
  environment["SLIPWAY_PIPELINE"] = job.spec.name;
  environment["SLIPWAY_STEP"] = step.name;
  environment["SLIPWAY_ATTEMPT"] = std::to_string(job.attempt);
  environment["SLIPWAY_TRIGGER"] = job.trigger.Dump();
  environment["SLIPWAY_NOW"] = base::FormatTime(job.now);
  environment["SLIPWAY_RUN_FOLDER"] = paths.work();
  environment["SLIPWAY_OUTPUT"] = paths.output(step.name, job.attempt);
  for (const auto& [name, value] : job.parameters)
    environment["SLIPWAY_PARAM_" + Upper(name)] = value;
  for (const auto& [before, outputs] : job.outputs) {
    for (const auto& [key, value] : outputs)
      environment["SLIPWAY_OUT_" + Upper(before) + "_" + Upper(key)] = value;
  }
  return environment;
}

Result<std::map<std::string, std::string>> ParseOutputs(const std::string& text) {
  std::map<std::string, std::string> outputs;
  size_t number = 0;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    std::string_view line(text.data() + start, end - start);
    start = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const size_t equals = line.find('=');
    const std::string_view key = line.substr(0, equals);
    const bool good = equals != std::string_view::npos && !key.empty() &&
                      std::isdigit(static_cast<unsigned char>(key[0])) == 0 &&
                      std::all_of(key.begin(), key.end(), [](char c) {
                        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
                      });
    if (!good) {
      return base::InvalidArgument(
          "", "line " + std::to_string(number) + " of $SLIPWAY_OUTPUT: expected KEY=VALUE");
    }
    outputs[std::string(key)] = std::string(line.substr(equals + 1));
  }
  return outputs;
}

StepResult RunStep(const StepJob& job, const StepTools& tools) {
  const RunPaths paths = PathsOf(tools.surroundings, job.run_id);
  Status made = base::CreateDirectories(paths.work());
  auto result =
      made.ok() ? UseCacheOrExecute(job, tools, paths) : Result<StepResult>(std::move(made));
  if (result.ok()) return std::move(result).value();
  StepResult failed;
  failed.message = result.status().message();
  return failed;
}

}  // namespace slipway::pipelines
