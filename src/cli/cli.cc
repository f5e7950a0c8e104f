// SPDX-License-Identifier: Apache-2.0
// Reads the command line and calls what it names. CLI11 is included here only.
#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "cli/command.h"
#include "cli/render.h"
#include "slipway_build_config.h"

namespace slipway::cli {
namespace {

struct Global {
  std::string server = "http://127.0.0.1:8080";
  bool json = false;
};

int Show(const Command& command, const Answer& answer, bool json) {
  if (answer.status >= 300) {
    std::fprintf(stderr, "slipway: %s\n", ErrorText(answer).c_str());
    const base::Json* verdicts = answer.body.Find("verdicts");
    if (verdicts != nullptr && verdicts->is_array()) {
      std::fputs(Table(command.columns, verdicts->AsArray()).c_str(), stderr);
    }
    return 1;
  }
  if (answer.body.is_null()) {
    std::fputs(answer.text.c_str(), stdout);
    return 0;
  }
  const base::Json* intact = answer.body.Find("intact");
  const int status = intact != nullptr && intact->is_bool() && !intact->AsBool() ? 1 : 0;
  const base::Json* rows = command.list.empty() ? nullptr : answer.body.Find(command.list);
  if (json || rows == nullptr || !rows->is_array()) {
    std::printf("%s\n", answer.body.Dump(2).c_str());
  } else {
    std::fputs(Table(command.columns, rows->AsArray()).c_str(), stdout);
  }
  return status;
}

// Asks until what was begun has ended, and says how far it is.
base::Result<Answer> Follow(Answer answer, const std::string& target, const Global& global) {
  constexpr auto kPause = std::chrono::milliseconds(200);
  std::string told;
  while (answer.status < 300 && Cell(answer.body, "state") == "running") {
    std::string now = Cell(answer.body, "done") + " of " + Cell(answer.body, "total");
    if (now != told) std::fprintf(stderr, "%s\n", now.c_str());
    told = std::move(now);
    std::this_thread::sleep_for(kPause);
    answer = TRY(Call(global.server, "GET", target, ""));
  }
  return answer;
}

int Run(const Command& command, const std::map<std::string, std::string>& typed,
        const Global& global) {
  const auto prepared = Prepare(command, typed);
  if (!prepared.ok()) {
    std::fprintf(stderr, "slipway: %s: %s\n", prepared.status().field().c_str(),
                 prepared.status().message().c_str());
    return 2;
  }
  const auto answer = Call(global.server, command.method, prepared->target, prepared->body);
  if (!answer.ok()) {
    std::fprintf(stderr, "slipway: %s\n", answer.status().message().c_str());
    return 1;
  }
  if (!command.follows || answer->status >= 300) return Show(command, *answer, global.json);
  const auto ended = Follow(std::move(*answer), prepared->target, global);
  if (!ended.ok()) {
    std::fprintf(stderr, "slipway: %s\n", ended.status().message().c_str());
    return 1;
  }
  const int shown = Show(command, *ended, global.json);
  const std::string state = Cell(ended->body, "state");
  if (state != "failed" && state != "cancelled") return shown;
  std::fprintf(stderr, "slipway: %s: %s\n", state.c_str(), Cell(ended->body, "error").c_str());
  return 1;
}

CLI::App* NounOf(CLI::App& app, const std::string& noun) {
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) {
    if (sub->get_name() == noun) return sub;
  }
  return app.add_subcommand(noun)->require_subcommand(1);
}

// Adds one row of the table as a subcommand; `chosen` is what main runs after parsing.
void AddCommand(CLI::App& app, const Command& command, const Global& global,
                std::function<int()>& chosen) {
  CLI::App* parent = &app;
  std::string name(command.noun);
  for (std::string_view rest = command.verb; !rest.empty();) {
    const size_t end = std::min(rest.find(' '), rest.size());
    parent = NounOf(*parent, name);
    name = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  CLI::App* sub = parent->add_subcommand(name, std::string(command.help));
  auto typed = std::make_shared<std::map<std::string, std::string>>();
  for (const Argument& argument : command.arguments) {
    std::string& value = (*typed)[std::string(argument.name)];
    const std::string help(argument.help);
    std::string flag = "--" + std::string(argument.name);
    for (char& c : flag) c = c == '_' ? '-' : c;
    if (argument.kind == Kind::kFlag) {
      sub->add_flag_callback(flag, [&value] { value = "true"; }, help);
    } else if (argument.required) {
      sub->add_option(std::string(argument.name), value, help)->required();
    } else {
      sub->add_option(flag, value, help);
    }
  }
  sub->callback([&command, &global, &chosen, typed] {
    chosen = [&command, &global, typed] { return Run(command, *typed, global); };
  });
}

// `--some-key value` and `--some-key=value` pairs that name settings, for serve and config show.
CLI::App* AddSettings(CLI::App& parent, const std::string& name, const std::string& help,
                      ServeArguments& arguments) {
  CLI::App* sub = parent.add_subcommand(name, help);
  sub->add_option("--config", arguments.config_path, "YAML file with settings");
  auto add = [sub, &arguments](const std::string& flag, const std::string& key,
                               const std::string& text) {
    sub->add_option_function<std::string>(
        flag, [&arguments, key](const std::string& v) { arguments.flags[key] = v; }, text);
  };
  add("--data", "data", "data folder");
  add("--http", "http.listen", "HOST:PORT of the HTTP server");
  add("--grpc", "grpc.listen", "HOST:PORT of the gRPC server");
  sub->add_option_function<std::vector<std::string>>(
         "--models",
         [&arguments](const std::vector<std::string>& folders) {
           std::string& list = arguments.flags["repository.models"];
           for (const std::string& folder : folders) list += (list.empty() ? "" : ",") + folder;
         },
         "folder of models that are served without the registry; several times")
      ->allow_extra_args(false);
  sub->add_flag_callback(
      "--insecure", [&arguments] { arguments.flags["insecure"] = "true"; },
      "allow addresses other than loopback without authentication");
  sub->add_option_function<std::vector<std::string>>(
         "--set",
         [&arguments](const std::vector<std::string>& pairs) {
           for (const std::string& pair : pairs) {
             const size_t equals = pair.find('=');
             if (equals == std::string::npos)
               throw CLI::ValidationError("--set", "expected KEY=VALUE, got '" + pair + "'");
             arguments.flags[pair.substr(0, equals)] = pair.substr(equals + 1);
           }
         },
         "any setting, as KEY=VALUE; see `slipway config show`")
      ->allow_extra_args(false);
  return sub;
}

CLI::App* AddCheck(CLI::App& app, CheckArguments& check) {
  CLI::App* command =
      app.add_subcommand("check", "Hold a model's answers against a golden set, output by output");
  command
      ->add_option("model", check.model,
                   "a model's file or folder; else MODEL/VERSION or an endpoint of the server")
      ->required();
  command
      ->add_option("--golden", check.golden,
                   ".npz with an array for each input and for the outputs to compare")
      ->required();
  command->add_flag("--bitwise", check.options.bitwise, "every bit must be the same");
  command->add_option("--absolute", check.options.absolute, "tolerance (default 1e-6)")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--relative", check.options.relative,
                   "tolerance, times the expected value (default 1e-5)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--runtime", check.runtime, "of a file: onnx, trees, openvino, python");
  return command;
}

CLI::App* AddDoctor(CLI::App& app, DoctorArguments& doctor) {
  CLI::App* command =
      app.add_subcommand("doctor", "Check a running server by doing what it promises");
  command->add_option("--endpoint", doctor.endpoint, "only this endpoint");
  return command;
}

CLI::App* AddLabels(CLI::App& app, LabelsArguments& labels) {
  CLI::App* labels_command = app.add_subcommand("labels", "True labels")
                                 ->require_subcommand(1)
                                 ->add_subcommand("post", "Send labels from a CSV file");
  labels_command->add_option("endpoint", labels.endpoint, "endpoint the predictions were asked of")
      ->required();
  labels_command
      ->add_option("file", labels.path, "CSV: prediction_id or request_id[,row], value, time")
      ->required();
  return labels_command;
}

// Options for files beside the row of the table that asks the server for an endpoint's drift.
CLI::App* AddDrift(CLI::App& app, DriftArguments& drift) {
  CLI::App& command = *app.get_subcommand("drift");
  command.description(
      "A table of now against a reference, or an endpoint's latest window against its baseline");
  command.get_option("endpoint")->required(false);
  CLI::Option* reference =
      command.add_option("--reference", drift.reference,
                         ".parquet, .csv or .npz, or a profile that --save-profile has written");
  const auto file_option = [&](const std::string& flag, auto& value, const std::string& help) {
    return command.add_option(flag, value, help)->needs(reference);
  };
  file_option("--current", drift.current, "the table of now");
  file_option("--columns", drift.columns, "only these, comma separated")->delimiter(',');
  file_option("--categorical", drift.categorical, "numbers that are categories, comma separated")
      ->delimiter(',');
  file_option("--metrics", drift.metrics, "psi, kl, js, wasserstein, ks, ... (docs/drift.md)")
      ->delimiter(',');
  file_option("--compat", drift.compat, "evidently: its numbers and its choice of test");
  file_option("--output", drift.output, "table, json, html, or a file that ends in .json or .html");
  file_option("--threshold", drift.threshold, "of PSI (default 0.2)");
  file_option("--alpha", drift.alpha,
              "share of drift-free comparisons that may alarm (default 0.05)");
  file_option("--fail-on", drift.fail_on, "exit status 1 on: drift (default), threshold, never");
  file_option("--save-profile", drift.save_profile, "write the reference's profile to this file");
  return &command;
}

int RunChosen(const CLI::App& drift_command, const DriftArguments& drift,
              const std::function<int()>& chosen) {
  if (!drift.reference.empty()) return Drift(drift);
  if (drift_command.parsed() && drift_command.count("endpoint") == 0) {
    std::fputs("slipway: drift: expected --reference FILE --current FILE, or an endpoint\n",
               stderr);
    return 2;
  }
  return chosen();
}

void AddEstimate(CLI::App& app, const Global& global, std::function<int()>& chosen) {
  const auto arguments = std::make_shared<EstimateArguments>();
  EstimateArguments& estimate = *arguments;
  CLI::App* command = app.add_subcommand("performance", "Quality of a model")
                          ->require_subcommand(1)
                          ->add_subcommand("estimate", "What it should be, before labels come");
  command->add_option("--method", estimate.method, "cbpe: by the score's own confidence");
  command->add_option("--reference", estimate.reference, ".parquet, .csv or .npz with labels")
      ->required();
  command->add_option("--current", estimate.current, "the table of now")->required();
  command->add_option("--score", estimate.score, "column: probability of class 1")->required();
  command->add_option("--label", estimate.label, "column: what was true")->required();
  command->add_option("--prediction", estimate.prediction,
                      "column of the current table: what the model said (default: score > 0.5)");
  command->add_option("--positive-label", estimate.positive_label, "value that counts as 1");
  command->add_option("--output", estimate.output, "table or json");
  command->callback([arguments, &global, &chosen] {
    chosen = [arguments, &global] {
      if (global.json) arguments->output = "json";
      return EstimatePerformance(*arguments);
    };
  });
}

// What follows the model's name is for the worker.
CLI::App* AddExport(CLI::App& app, ExportArguments& arguments) {
  CLI::App* command = app.add_subcommand(
      "export", "Turn a model into ONNX and prove that it answers the same (-- --help tells more)");
  command->fallthrough(false)->prefix_command();
  command->add_option("--python", arguments.python, "interpreter with the model's framework")
      ->envname("SLIPWAY_PYTHON");
  return command;
}

void AddImports(CLI::App& app, const Global& global, std::array<ImportArguments, 2>& imports,
                std::function<int()>& chosen) {
  auto& [mlflow, wandb] = imports;
  CLI::App* import = app.add_subcommand(
      "import",
      "Bring what another product keeps into a data folder that no server uses meanwhile");
  import->require_subcommand(1);
  CLI::App* sub =
      AddSettings(*import, "mlflow", "All that an MLflow store holds; started again, it goes on",
                  mlflow.settings);
  sub->add_option("source", mlflow.source,
                  "sqlite:///FILE, postgresql://USER@HOST/DATABASE, or the path of a file or of "
                  "an mlruns folder")
      ->required();
  sub->add_option("--artifacts", mlflow.artifacts,
                  "the folder that a tracking server kept mlflow-artifacts:/ in");
  sub->add_flag("--without-artifacts", mlflow.without_artifacts,
                "experiments and runs only: no files, no models");
  sub->callback([&chosen, &global, &imports] {
    chosen = [&global, &imports] {
      imports[0].json = global.json;
      return ImportMlflow(imports[0]);
    };
  });
  sub = AddSettings(*import, "wandb",
                    "Runs that wandb kept in files, with their models from its local cache",
                    wandb.settings);
  sub->add_option("source", wandb.source, "a run-*.wandb file, or a folder with some below it")
      ->required();
  sub->callback([&chosen, &global, &imports] {
    chosen = [&global, &imports] {
      imports[1].json = global.json;
      return ImportWandb(imports[1]);
    };
  });
}

// The table of commands; and `alerts test FILE` and `alerts apply FILE`, which read a file here.
void AddCommands(CLI::App& app, const Global& global, std::function<int()>& chosen) {
  for (const Command& command : Commands()) AddCommand(app, command, global, chosen);
  const auto arguments = std::make_shared<AlertFileArguments>();
  CLI::App* alerts = NounOf(app, "alerts");
  CLI::App* test =
      alerts->add_subcommand("test", "Try rules on recorded data; exit status 1 when one fails");
  test->add_option("file", arguments->path, "YAML with tests")->required();
  test->callback([arguments, &global, &chosen] {
    chosen = [arguments, &global] {
      arguments->json = global.json;
      return TestAlerts(*arguments);
    };
  });
  CLI::App* apply = alerts->add_subcommand("apply", "Put a rules file in force");
  apply->add_option("file", arguments->path, "YAML with rules")->required();
  apply->add_option("--why", arguments->why, "kept in the event");
  apply->callback([arguments, &global, &chosen] {
    chosen = [arguments, &global] {
      arguments->server = global.server;
      return ApplyAlertRules(*arguments);
    };
  });
}

}  // namespace

int Main(int argc, char** argv) {
  CLI::App app{"Slipway: models from trained to watched in production, and back."};
  app.set_version_flag("--version", std::string("slipway ") + SLIPWAY_VERSION);
  app.require_subcommand(1)->fallthrough();
  Global global;
  app.add_option("--server", global.server, "server to talk to")->envname("SLIPWAY_SERVER");
  app.add_flag("--json", global.json, "print answers as JSON");
  std::function<int()> chosen;
  ServeArguments serve;
  AddSettings(app, "serve", "Run the server", serve)->callback([&] {
    chosen = [&] { return Serve(serve); };
  });
  CLI::App* config = app.add_subcommand("config", "Settings")->require_subcommand(1);
  AddSettings(*config, "show", "Every setting, its value and where it came from", serve)
      ->callback([&] { chosen = [&] { return ConfigShow(serve, global.json); }; });
  DoctorArguments doctor;
  AddDoctor(app, doctor)->callback([&] {
    chosen = [&] {
      doctor.server = global.server;
      doctor.json = global.json;
      return Doctor(doctor);
    };
  });
  LabelsArguments labels;
  AddLabels(app, labels)->callback([&] {
    chosen = [&] {
      labels.server = global.server;
      return PostLabels(labels);
    };
  });
  CheckArguments check;
  AddCheck(app, check)->callback([&] {
    chosen = [&] {
      check.server = global.server;
      check.json = global.json;
      return Check(check);
    };
  });
  std::array<ImportArguments, 2> imports;
  AddImports(app, global, imports, chosen);
  AddEstimate(app, global, chosen);
  ExportArguments export_arguments;
  CLI::App* export_command = AddExport(app, export_arguments);
  export_command->callback([&] {
    export_arguments.words = export_command->remaining();
    chosen = [&] {
      export_arguments.server = global.server;
      return Export(export_arguments);
    };
  });
  AddCommands(app, global, chosen);
  DriftArguments drift;
  CLI::App* drift_command = AddDrift(app, drift);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return RunChosen(*drift_command, drift, chosen);
}

}  // namespace slipway::cli
