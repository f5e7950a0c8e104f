// SPDX-License-Identifier: Apache-2.0
// A command of the operator's own: started from its argument vector (no shell) with the message as
// JSON on its standard input, bounded in time, memory and files.
#include <array>
#include <string>
#include <utility>

#include "base/process.h"
#include "monitoring/sinks.h"

namespace slipway::monitoring {
namespace {

constexpr int64_t kMebi = 1024 * 1024;
constexpr int64_t kOpenFiles = 256;
constexpr int kTryAgain = 75;  // EX_TEMPFAIL of sysexits.h

class CommandSink final : public AlertSink {
 public:
  explicit CommandSink(CommandSettings settings) : settings_(std::move(settings)) {}

  std::string_view name() const override { return "command"; }

  Delivery Deliver(const AlertMessage& message, base::Micros /*now*/) override {
    base::ProcessSpec spec;
    spec.argv = settings_.argv;
    spec.input = message.body + "\n";
    spec.only_environment = true;  // the server's own holds secrets
    spec.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                        {"SLIPWAY_ALERT_TYPE", message.type},
                        {"SLIPWAY_ALERT_ID", message.incident},
                        {"SLIPWAY_MESSAGE_ID", message.id}};
    spec.memory_bytes = settings_.memory_mb * kMebi;
    spec.open_files = kOpenFiles;
    auto process = base::Process::Start(spec);
    if (!process.ok()) return {Delivery::Outcome::kRejected, process.status().ToString(), {}};
    const auto exit = process->Wait(settings_.timeout.micros);
    if (!exit.ok()) {
      process->Kill(base::kSecond);
      return {Delivery::Outcome::kRetry,
              "did not end within " + base::FormatDuration(settings_.timeout.micros),
              {}};
    }
    if (exit->exited && exit->exit_status == 0) return {};
    const std::string how = exit->exited ? "exit status " + std::to_string(exit->exit_status)
                                         : "ended by signal " + std::to_string(exit->signal);
    const bool again = !exit->exited || exit->exit_status == kTryAgain;
    return {again ? Delivery::Outcome::kRetry : Delivery::Outcome::kRejected, how, {}};
  }

 private:
  const CommandSettings settings_;
};

}  // namespace

void Describe(base::Schema& schema, CommandSettings& settings) {
  schema.Add("alerts.command.argv", &settings.argv,
             "A program and its arguments, started for each alert message with the JSON on its "
             "standard input; no shell; empty: none.");
  schema.Add("alerts.command.timeout", &settings.timeout,
             "How long it may run; then it is killed and tried again.",
             base::Duration{100 * base::kMillisecond}, base::Duration{10 * base::kMinute});
  schema.Add("alerts.command.memory_mb", &settings.memory_mb, "Its address space at most, MiB.", 16,
             1'000'000);
}

std::unique_ptr<AlertSink> MakeCommandSink(const CommandSettings& settings) {
  return std::make_unique<CommandSink>(settings);
}

}  // namespace slipway::monitoring
