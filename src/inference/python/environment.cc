// SPDX-License-Identifier: Apache-2.0
// Loading a Python model: what it runs in.
#include "inference/python/environment.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <set>
#include <system_error>
#include <thread>

#include "base/clock.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/process.h"
#include "embedded/pythonWorker.h"

namespace slipway::inference::python {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostRequirementsBytes = 1 << 20;
constexpr int64_t kMostLogBytes = 16 << 20;
constexpr size_t kTailLines = 15;
constexpr size_t kHashDigits = 16;

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string_view TakeLine(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// The "- item" lines that follow the line `head` and stand at least as deep as the first of them.
std::string ItemsAfter(std::string_view yaml, std::string_view head) {
  std::string items;
  bool inside = false;
  size_t depth = 0;
  while (!yaml.empty()) {
    const std::string_view line = TakeLine(yaml);
    std::string_view text = Trimmed(line);
    if (!inside) {
      inside = text == head;
      continue;
    }
    if (text.empty() || text.front() == '#') continue;
    const size_t at = line.find_first_not_of(' ');
    if (depth == 0 && text.starts_with("- ")) depth = at + 1;
    if (!text.starts_with("- ") || at + 1 < depth) break;
    text = Trimmed(text.substr(2));
    if (text.size() > 1 && (text.front() == '"' || text.front() == '\'') &&
        text.back() == text.front())
      text = text.substr(1, text.size() - 2);
    items.append(text).append("\n");
  }
  return items;
}

std::string TextOf(const fs::path& file) {
  auto text = base::ReadFile(file.string(), kMostRequirementsBytes);
  return text.ok() ? *text : std::string();
}

std::string LastLines(const std::string& text) {
  size_t at = text.size();
  for (size_t lines = 0; at > 0 && lines <= kTailLines; --at) {
    if (text[at - 1] == '\n') ++lines;
  }
  return std::string(Trimmed(std::string_view(text).substr(at)));
}

base::Status Failed(const std::string& why) {
  return base::FailedPrecondition("environment_failed", why);
}

// Held while an environment is built, by whichever process does it.
base::Result<base::FileHandle> Lock(const std::string& path, base::Micros patience) {
  base::FileHandle file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!file.valid()) return base::FromErrno(errno, "open " + path);
  const int64_t give_up = base::MonotonicNanos() + patience * 1000;
  while (flock(file.fd(), LOCK_EX | LOCK_NB) != 0) {
    if (base::MonotonicNanos() > give_up)
      return Failed("another process still builds it after " + base::FormatDuration(patience));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return file;
}

base::Status RunStep(const std::vector<std::string>& argv, const std::string& log,
                     base::Micros timeout, Supervisor& supervisor) {
  base::ProcessSpec spec;
  spec.argv = argv;
  spec.output_path = log;
  auto process = supervisor.Spawn(spec);
  if (!process.ok()) return Failed(process.status().message());
  const auto end = process->Wait(timeout);
  if (!end.ok()) {
    process->Kill(base::kSecond);
    return Failed("building the environment took longer than " + base::FormatDuration(timeout) +
                  " (python.environment_timeout)");
  }
  if (end->exited && end->exit_status == 0) return base::Status::Ok();
  const auto text = base::ReadFile(log, kMostLogBytes);
  return Failed("\"" + argv[0] + " " + argv[1] + " " + argv[2] + "\" failed:\n" +
                (text.ok() ? LastLines(*text) : text.status().message()));
}

// In its final place, because an environment knows its own path; `done` is written last.
base::Status Build(const PythonSettings& settings, const std::string& requirements,
                   const fs::path& folder, Supervisor& supervisor) {
  const std::string log = folder.string() + ".log", list = folder.string() + ".txt";
  std::error_code error;
  fs::remove_all(folder, error);
  fs::remove(log, error);
  TRY(base::WriteFileAtomically(list, requirements));
  const base::Micros timeout = settings.environment_timeout.micros;
  base::Log(base::LogLevel::kInfo, "python", "building an environment",
            {{"folder", folder.string()}, {"log", log}});
  const int64_t start_ns = base::MonotonicNanos();
  TRY(RunStep({settings.interpreter, "-m", "venv", folder.string()}, log, timeout, supervisor));
  TRY(RunStep({(folder / "bin" / "python").string(), "-m", "pip", "install", "--no-input",
               "--disable-pip-version-check", "--progress-bar", "off", "-r", list, "numpy"},
              log, timeout, supervisor));
  TRY(base::WriteFileAtomically((folder / "done").string(), requirements));
  base::Log(base::LogLevel::kInfo, "python", "an environment is ready",
            {{"folder", folder.string()},
             {"seconds", static_cast<double>(base::MonotonicNanos() - start_ns) * 1e-9}});
  return base::Status::Ok();
}

}  // namespace

std::string PipPartOf(std::string_view conda_yaml) { return ItemsAfter(conda_yaml, "- pip:"); }

std::string DependenciesOf(std::string_view python_env_yaml) {
  const std::string items = ItemsAfter(python_env_yaml, "dependencies:");
  std::string kept;
  for (std::string_view left = items; !left.empty();) {
    const std::string_view line = TakeLine(left);
    if (!line.starts_with("-r")) kept.append(line).append("\n");
  }
  return kept;
}

std::string RequirementsOf(const std::string& version_folder) {
  const fs::path folder(version_folder);
  std::string text = TextOf(folder / "requirements.txt");
  if (text.empty()) text = PipPartOf(TextOf(folder / "conda.yaml"));
  if (text.empty()) text = DependenciesOf(TextOf(folder / "python_env.yaml"));
  return text;
}

base::Result<std::string> UnpackWorker(const std::string& folder) {
  std::string all;
  for (const embedded::File& file : embedded::PythonWorker())
    all.append(file.path).append("\n").append(file.bytes);
  const fs::path root =
      fs::path(folder) / ("worker-" + base::Sha256Hex(all).substr(0, kHashDigits));
  std::error_code error;
  if (fs::exists(root / "done", error)) return root.string();
  for (const embedded::File& file : embedded::PythonWorker()) {
    if (file.path.find("__pycache__") != std::string_view::npos) continue;
    const fs::path path = root / "slipway_worker" / file.path;
    TRY(base::CreateDirectories(path.parent_path().string()));
    TRY(base::WriteFileAtomically(path.string(), file.bytes));
  }
  TRY(base::WriteFileAtomically((root / "done").string(), ""));
  return root.string();
}

base::Result<std::string> InterpreterFor(const PythonSettings& settings,
                                         const std::string& version_folder,
                                         Supervisor& supervisor) {
  if (settings.environments == "none") return settings.interpreter;
  const std::string requirements = RequirementsOf(version_folder);
  if (requirements.empty()) return settings.interpreter;
  const fs::path all = fs::path(settings.folder) / "environments";
  TRY(base::CreateDirectories(all.string()));
  const std::string hash =
      base::Sha256Hex(settings.interpreter + "\n" + requirements).substr(0, kHashDigits);
  const fs::path folder = all / hash;
  const std::string interpreter = (folder / "bin" / "python").string();
  std::error_code error;
  if (fs::exists(folder / "done", error)) return interpreter;
  const base::FileHandle lock =
      TRY(Lock(folder.string() + ".lock", settings.environment_timeout.micros));
  if (!fs::exists(folder / "done", error)) TRY(Build(settings, requirements, folder, supervisor));
  return interpreter;
}

}  // namespace slipway::inference::python
