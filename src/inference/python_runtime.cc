// SPDX-License-Identifier: Apache-2.0
// Loading a version that is Python code: its interpreter, its environment, its workers.
#include "inference/python_runtime.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/json.h"
#include "inference/python/environment.h"
#include "inference/python/session.h"
#include "inference/python/supervisor.h"

namespace slipway::inference {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostWorkers = 64;
constexpr std::string_view kStart =
    "import sys; sys.path[0] = sys.argv[1]; from slipway_worker.main import main; main()";
// Of the server's environment, which may hold secrets, a worker gets these.
constexpr std::string_view kPassed[] = {"PATH",
                                        "HOME",
                                        "LANG",
                                        "LC_ALL",
                                        "LC_CTYPE",
                                        "TZ",
                                        "TMPDIR",
                                        "LD_LIBRARY_PATH",
                                        "CUDA_VISIBLE_DEVICES"};

std::string FolderOf(const ModelSource& source) {
  if (!source.folder.empty()) return source.folder;
  std::error_code error;
  const fs::path path(source.path);
  return fs::is_directory(path, error) ? source.path : path.parent_path().string();
}

class PythonRuntime final : public Runtime {
 public:
  explicit PythonRuntime(PythonSettings settings) : settings_(std::move(settings)) {}
  [[nodiscard]] std::string_view name() const override { return "python"; }
  [[nodiscard]] std::string Version() const override { return settings_.interpreter; }
  [[nodiscard]] bool probed() const override { return false; }
  base::Result<std::unique_ptr<Session>> Load(const ModelSource& source) override;

 private:
  base::Status Prepare();
  [[nodiscard]] std::map<std::string, std::string> Environment() const;
  [[nodiscard]] std::string LoadText(const ModelSource& source, int64_t workers) const;

  const PythonSettings settings_;
  std::mutex mutex_;  // over the two below, which the first model makes
  std::shared_ptr<python::Supervisor> supervisor_;
  std::string worker_root_;
};

base::Status PythonRuntime::Prepare() {
  std::lock_guard lock(mutex_);
  if (worker_root_.empty()) worker_root_ = TRY(python::UnpackWorker(settings_.folder));
  if (!supervisor_) supervisor_ = TRY(python::Supervisor::Start());
  return base::Status::Ok();
}

std::map<std::string, std::string> PythonRuntime::Environment() const {
  std::map<std::string, std::string> environment;
  const auto pass = [&environment](const std::string& name) {
    const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (value != nullptr) environment[name] = value;
  };
  for (const std::string_view name : kPassed) pass(std::string(name));
  for (const std::string& name : settings_.pass_environment) pass(name);
  for (const char* name :
       {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"})
    environment[name] = std::to_string(settings_.threads);
  environment["MALLOC_ARENA_MAX"] = "2";
  environment["PYTHONDONTWRITEBYTECODE"] = "1";  // a version's files stay as they are
  environment["MLFLOW_DISABLE_TELEMETRY"] = "true";
  environment["GIT_PYTHON_REFRESH"] = "quiet";
  if (!settings_.network) environment["HF_HUB_OFFLINE"] = "1";
  return environment;
}

std::string PythonRuntime::LoadText(const ModelSource& source, int64_t workers) const {
  const ModelConfig& config = source.config;
  const size_t slash = source.key.rfind('/');
  base::Json parameters = base::Json::MakeObject();
  for (const auto& [name, value] : config.parameters) parameters.Set(name, value);
  base::Json own = base::Json::MakeObject({{"inputs", python::SpecsJson(config.inputs)},
                                           {"outputs", python::SpecsJson(config.outputs)},
                                           {"decoupled", config.decoupled}});
  constexpr int64_t kTritonBatch = 128;
  if (config.max_batch_rows) own.Set("max_batch_rows", *config.max_batch_rows);
  return base::Json::MakeObject(
             {{"path", source.path},
              {"folder", FolderOf(source)},
              {"name", source.key.substr(0, slash)},
              {"version", slash == std::string::npos ? "1" : source.key.substr(slash + 1)},
              {"parameters", std::move(parameters)},
              {"config", std::move(own)},
              {"max_batch_rows", kTritonBatch},
              {"instances", workers},
              {"threads", settings_.threads},
              {"network", settings_.network}})
      .Dump();
}

base::Result<std::unique_ptr<Session>> PythonRuntime::Load(const ModelSource& source) {
  TRY(Prepare());
  const int64_t wanted = source.config.instances > 0 ? source.config.instances : settings_.workers;
  if (wanted > kMostWorkers) {
    return base::InvalidArgument(
        "instances", std::to_string(wanted) + " workers; a model has at most 64", "bad_model");
  }
  const std::string folder = FolderOf(source);
  python::WorkerSpec spec;
  spec.model = source.key;
  spec.argv = {TRY(python::InterpreterFor(settings_, folder, *supervisor_)), "-s", "-c",
               std::string(kStart), worker_root_};
  spec.environment = Environment();
  spec.folder = folder;
  spec.load = LoadText(source, wanted);
  spec.memory_bytes = settings_.memory_mb << 20;
  spec.network = settings_.network;
  spec.load_timeout = settings_.load_timeout.micros;
  spec.run_timeout = settings_.run_timeout.micros;
  spec.most_segment_bytes = static_cast<size_t>(settings_.max_message_mb) << 20;
  auto session = python::PythonSession::Open(std::move(spec), wanted, supervisor_);
  if (!session.ok() && session.status().reason() == "no_such_program") {
    return base::FailedPrecondition("no_interpreter",
                                    session.status().message() + " (python.interpreter)");
  }
  return session;
}

}  // namespace

void Describe(base::Schema& schema, PythonSettings& settings) {
  schema.Add("python.interpreter", &settings.interpreter,
             "Python that runs models which are Python code: a name on PATH, or a path.");
  schema.AddChoice("python.environments", &settings.environments,
                   "none: models run with what the interpreter has; venv: each with the "
                   "requirements that its version names, installed once by pip.",
                   {"none", "venv"});
  schema.Add("python.environment_timeout", &settings.environment_timeout,
             "Time that building a version's environment may take.", {base::kSecond}, {base::kDay});
  schema.Add("python.workers", &settings.workers,
             "Worker processes of a Python model that does not say how many.", 1, kMostWorkers);
  schema.Add("python.threads", &settings.threads,
             "Threads of the numeric libraries inside a worker.", 1, 1024);
  schema.Add("python.memory_mb", &settings.memory_mb,
             "Address space of a worker in MiB; 0: no limit.", 0, 1LL << 30);
  schema.Add("python.max_message_mb", &settings.max_message_mb,
             "Tensors of one request, or of one answer, of a Python model in MiB at most.", 1,
             1LL << 20);
  schema.Add("python.network", &settings.network,
             "Whether Python models may open network connections.");
  schema.Add("python.load_timeout", &settings.load_timeout,
             "Time that a worker may take to load its model.", {base::kSecond}, {base::kDay});
  schema.Add("python.run_timeout", &settings.run_timeout,
             "Time that a batch may take in a worker; past it the worker is ended and replaced.",
             {base::kMillisecond}, {base::kDay});
  schema.Add("python.pass_environment", &settings.pass_environment,
             "Names of environment variables of the server that workers get.");
}

std::unique_ptr<Runtime> MakePythonRuntime(PythonSettings settings) {
  return std::make_unique<PythonRuntime>(std::move(settings));
}

}  // namespace slipway::inference
