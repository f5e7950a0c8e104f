// SPDX-License-Identifier: Apache-2.0
// Gate: a program of the operator's own judges the version's files. It is named by the settings
// file alone, never by a request.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/files.h"
#include "base/ids.h"
#include "base/process.h"
#include "lifecycle/gates.h"

namespace slipway::lifecycle {
namespace {

constexpr int64_t kUsualTimeoutS = 60;
constexpr int64_t kMostTimeoutS = 24 * 3600;
constexpr int64_t kMostOutputBytes = 1 << 20;
constexpr size_t kShownBytes = 4000;

struct Program {
  std::vector<std::string> argv;
  int64_t timeout_s = kUsualTimeoutS;
};

base::Result<Program> ReadProgram(const base::Json& options) {
  TRY(base::RequireOnly(options, {"command", "timeout_s"}));
  const base::Json* command = options.Find("command");
  const base::Status bad =
      base::InvalidArgument("command", "expected a list: the program and its arguments");
  if (command == nullptr || !command->is_array() || command->AsArray().empty()) return bad;
  Program program;
  for (const base::Json& word : command->AsArray()) {
    if (!word.is_string()) return bad;
    program.argv.push_back(word.AsString());
  }
  program.timeout_s = TRY(base::OptionalInt(options, "timeout_s")).value_or(kUsualTimeoutS);
  if (program.timeout_s < 1 || program.timeout_s > kMostTimeoutS)
    return base::InvalidArgument("timeout_s", "expected 1 to 86400");
  return program;
}

class ExternalCommandGate final : public registry::Gate {
 public:
  explicit ExternalCommandGate(registry::Registry& registry) : registry_(registry) {}
  std::string_view name() const override { return "external_command"; }
  std::string_view help() const override {
    return "A program of yours ends with status 0: {command: [program, argument], timeout_s: 60}.";
  }
  bool Guards(registry::Stage) const override { return false; }
  base::Status CheckOptions(const base::Json& options) const override {
    return ReadProgram(options).status();
  }

  registry::Verdict Check(const registry::GateContext& context) override {
    registry::Verdict verdict;
    verdict.outcome = registry::Outcome::kFail;
    const base::Status ran = Run(context, verdict);
    if (!ran.ok()) verdict.summary = "the program could not be run: " + ran.message();
    return verdict;
  }

 private:
  base::Status Run(const registry::GateContext& context, registry::Verdict& verdict) {
    const Program program = TRY(ReadProgram(context.options));
    const std::string folder = TRY(registry_.Materialize(context.version));
    const std::string output =
        (std::filesystem::temp_directory_path() / ("slipway-gate-" + base::RandomHex32())).string();
    base::ProcessSpec spec;
    spec.argv = program.argv;
    spec.only_environment = true;
    for (const char* kept : {"PATH", "HOME", "LANG"}) {
      if (const char* value = std::getenv(kept)) spec.environment[kept] = value;
    }
    spec.environment["SLIPWAY_MODEL"] = context.version.model;
    spec.environment["SLIPWAY_VERSION"] = std::to_string(context.version.number);
    spec.environment["SLIPWAY_STAGE"] = StageName(context.to);
    spec.environment["SLIPWAY_FOLDER"] = folder;
    if (context.production)
      spec.environment["SLIPWAY_PRODUCTION"] = std::to_string(context.production->number);
    spec.output_path = output;
    base::Process process = TRY(base::Process::Start(spec));
    const auto exit = process.Wait(program.timeout_s * base::kSecond);
    if (!exit.ok()) process.Kill(base::kSecond);
    const auto text = base::ReadFile(output, kMostOutputBytes);
    unlink(output.c_str());
    Report(exit, text.ok() ? *text : "", program, verdict);
    return {};
  }

  static void Report(const base::Result<base::ProcessExit>& exit, const std::string& output,
                     const Program& program, registry::Verdict& verdict) {
    const std::string shown =
        output.size() > kShownBytes ? output.substr(output.size() - kShownBytes) : output;
    std::string said = shown;
    while (said.ends_with('\n')) said.pop_back();
    said = said.substr(said.rfind('\n') == std::string::npos ? 0 : said.rfind('\n') + 1);
    base::Json status;
    if (!exit.ok()) {
      verdict.summary = "the program did not end within " + std::to_string(program.timeout_s) +
                        " s and was ended";
    } else if (!exit->exited) {
      verdict.summary = "the program was ended by signal " + std::to_string(exit->signal);
    } else {
      status = static_cast<int64_t>(exit->exit_status);
      if (exit->exit_status == 0) verdict.outcome = registry::Outcome::kPass;
      verdict.summary = "the program ended with status " + std::to_string(exit->exit_status);
    }
    if (!said.empty()) verdict.summary += ": " + said;
    verdict.evidence = base::Json::MakeObject(
        {{"program", program.argv[0]}, {"exit_status", std::move(status)}, {"output", shown}});
  }

  registry::Registry& registry_;
};

}  // namespace

std::unique_ptr<registry::Gate> MakeExternalCommandGate(registry::Registry& registry) {
  return std::make_unique<ExternalCommandGate>(registry);
}

}  // namespace slipway::lifecycle
