// SPDX-License-Identifier: Apache-2.0
// `slipway export`: a worker process turns a model into ONNX and proves that it answers as its
// source does. The program that it runs comes with the binary (python/slipway_export).
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/files.h"
#include "base/process.h"
#include "cli/cli.h"
#include "embedded/pythonExport.h"

namespace slipway::cli {
namespace {

namespace fs = std::filesystem;

constexpr base::Micros kLongest = 6 * base::kHour;

// A folder of this process's own, gone with it.
class WorkFolder {
 public:
  static base::Result<std::string> Make() {
    std::string pattern = fs::temp_directory_path() / "slipway-export-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) return base::FromErrno(errno, "make " + pattern);
    return pattern;
  }
  explicit WorkFolder(std::string path) : path_(std::move(path)) {}
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

base::Status Unpack(const std::string& folder) {
  for (const embedded::File& file : embedded::PythonExport()) {
    const fs::path path = fs::path(folder) / "slipway_export" / file.path;
    TRY(base::CreateDirectories(path.parent_path().string()));
    TRY(base::WriteFileAtomically(path.string(), std::string(file.bytes)));
  }
  return base::Status::Ok();
}

base::Result<int> Run(const ExportArguments& arguments) {
  const WorkFolder work(TRY(WorkFolder::Make()));
  TRY(Unpack(work.path()));
  base::ProcessSpec spec;
  spec.argv = {arguments.python, "-m", "slipway_export"};
  spec.argv.insert(spec.argv.end(), arguments.words.begin(), arguments.words.end());
  spec.output_path = "/dev/stdout";
  spec.environment = {{"PYTHONPATH", work.path()}, {"MLFLOW_TRACKING_URI", arguments.server}};
  base::Process process = TRY(base::Process::Start(spec));
  const base::ProcessExit end = TRY(process.Wait(kLongest));
  if (end.exited) return end.exit_status;
  return base::Internal("worker_crashed",
                        "the exporting process ended by signal " + std::to_string(end.signal));
}

}  // namespace

int Export(const ExportArguments& arguments) {
  const auto status = Run(arguments);
  if (status.ok()) return *status;
  std::fprintf(stderr, "slipway: %s\n", status.status().message().c_str());
  return 1;
}

}  // namespace slipway::cli
