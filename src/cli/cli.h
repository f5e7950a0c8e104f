// SPDX-License-Identifier: Apache-2.0
// The command line: `slipway serve`, `slipway doctor`, `slipway config show`, and `slipway <noun>
// <verb>` as clients of the native API. Exit status: 0 done, 1 refused or failed, 2 the command
// line was wrong.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "inference/golden_set.h"

namespace slipway::cli {

int Main(int argc, char** argv);

// Settings typed on the command line: dotted key -> value; and the YAML file, if one was named.
struct ServeArguments {
  std::string config_path;
  std::map<std::string, std::string> flags;
};
int Serve(const ServeArguments& arguments);
int ConfigShow(const ServeArguments& arguments, bool json);

struct ImportArguments {
  ServeArguments settings;  // of the data folder
  // mlflow: SQLAlchemy's URI of a store, or the path of a file or of mlruns/. wandb: a run-*.wandb
  // file, or a folder with some below it.
  std::string source;
  std::string artifacts;  // what mlflow-artifacts:/ stands for in the source
  bool without_artifacts = false;
  bool json = false;
};
// Prints a report. 0 exactly when everything is here as it is there.
int ImportMlflow(const ImportArguments& arguments);
int ImportWandb(const ImportArguments& arguments);

struct DoctorArguments {
  std::string server;
  std::string endpoint;  // empty: each one
  bool json = false;
};
// Checks, by doing it, what a production deployment promises; prints a table. 0 exactly when every
// check passed.
int Doctor(const DoctorArguments& arguments);

struct LabelsArguments {
  std::string server;
  std::string endpoint;
  std::string path;  // CSV with a header: prediction_id or request_id (and row), value, time
};
int PostLabels(const LabelsArguments& arguments);

struct CheckArguments {
  std::string server;
  std::string model;    // a file or folder here; else "name/3", or the name of an endpoint
  std::string golden;   // .npz: arrays by the names of inputs and outputs
  std::string runtime;  // of a file here; empty: by what it is
  inference::CheckOptions options;
  bool json = false;
};
// Prints how each output differs and its worst rows. 0 exactly when all are equal.
int Check(const CheckArguments& arguments);

struct AlertFileArguments {
  std::string server;  // of apply
  std::string path;
  std::string why;
  bool json = false;
};
// Runs the tests of rules in a file. 0 exactly when all pass.
int TestAlerts(const AlertFileArguments& arguments);
// Puts a rules file in force.
int ApplyAlertRules(const AlertFileArguments& arguments);

struct ExportArguments {
  std::string server;              // of --register
  std::string python = "python3";  // an interpreter that has the model's framework
  std::vector<std::string> words;  // the worker's own: its --help tells
};
// The worker's exit status: 0 exported, 3 refused because the export differs from its source.
int Export(const ExportArguments& arguments);

struct EstimateArguments {
  std::string method = "cbpe";
  std::string reference;  // a table with scores and labels
  std::string current;    // a table with scores; with labels, too, what came true is shown beside
  std::string score;      // columns
  std::string label;
  std::string prediction;        // what the model said of a current row; empty: score > 0.5
  std::string positive_label;    // of labels and predictions; empty: 0, 1, true and false
  std::string output = "table";  // or "json"
};
// Estimates the quality of the current table without its labels. 0: done, 2: bad input.
int EstimatePerformance(const EstimateArguments& arguments);

struct DriftArguments {
  std::string reference;                 // a table, or a profile that --save-profile has written
  std::string current;                   // a table; may be empty with save_profile
  std::vector<std::string> columns;      // empty: all
  std::vector<std::string> categorical;  // numbers that are categories
  std::vector<std::string> metrics;      // empty: all, or Evidently's choice
  std::string compat;                    // "" or "evidently"
  std::string output = "table";          // "table", "json", "html", or a file of that ending
  std::optional<double> threshold;       // of PSI; of Evidently's score
  double alpha = 0.05;
  std::string fail_on = "drift";  // "drift", "threshold" or "never"
  std::string save_profile;
};
// Compares two files; prints or writes the report. 0: no drift, 1: drift or a changed schema, 2:
// bad input.
int Drift(const DriftArguments& arguments);

}  // namespace slipway::cli
