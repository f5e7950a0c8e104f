// SPDX-License-Identifier: Apache-2.0
// Commands about what guards versions: gates, the audit log, and the bytes themselves.
#include <utility>

#include "cli/command.h"
#include "cli/command_rows.h"

namespace slipway::cli {

namespace {

std::vector<Command> JudgingCommands() {
  const Argument model = PathText("model", "name of the model");
  const Argument version = PathNumber("version", "its number");
  const Argument to = Body("to", Kind::kText, "stage: Staging or Production", true);
  return {
      {"gates",
       "list",
       "Gates, what they guard by themselves, and their options",
       "GET",
       "/api/v1/gates",
       {},
       "gates",
       {{"GATE", "gate"}, {"GUARDS", "guards"}, {"WHAT", "help"}}},
      {"gates",
       "run",
       "Let the gates of a stage judge a version in the background",
       "POST",
       "/api/v1/models/{model}/versions/{version}/gates/runs",
       {model, version, to},
       "",
       {}},
      {"gates",
       "runs",
       "Gate runs of a version, newest first",
       "GET",
       "/api/v1/models/{model}/versions/{version}/gates/runs",
       {model, version, Limit()},
       "runs",
       {{"ID", "id"},
        {"TO", "to"},
        {"STATE", "state"},
        {"DONE", "done"},
        {"OF", "total"},
        {"NOW", "current"},
        {"STARTED", "started"},
        {"ACTOR", "actor"}}},
      {"gates",
       "show",
       "One gate run: verdicts and progress",
       "GET",
       "/api/v1/gates/runs/{id}",
       {PathNumber("id", "its id")},
       "verdicts",
       {{"GATE", "gate"},
        {"OUTCOME", "outcome"},
        {"OVERRIDDEN", "overridden"},
        {"SUMMARY", "summary"}}},
  };
}

std::vector<Command> PolicyCommands() {
  const Argument file = FileBody("file", "YAML: roles, override, rules (docs/gates.md)");
  const Argument reason = {"reason", Place::kQuery, Kind::kText, false,
                           "why; kept in the event (needed)"};
  const Argument expected = {"expected", Place::kQuery, Kind::kInteger, false,
                             "only if this version of the policy still holds"};
  return {
      {"gates",
       "policy show",
       "The policy that holds, and those that held before",
       "GET",
       "/api/v1/gates/policy",
       {},
       "",
       {}},
      {"gates",
       "policy check",
       "Whether a file is a policy; what is wrong in it by line and column",
       "POST",
       "/api/v1/gates/policy/check",
       {file},
       "",
       {}},
      {"gates",
       "policy apply",
       "Replace the policy by a file's, at once",
       "PUT",
       "/api/v1/gates/policy",
       {file, reason, expected},
       "",
       {}},
      {"gates",
       "policy reset",
       "Go back to the policy of the settings",
       "DELETE",
       "/api/v1/gates/policy",
       {reason, expected},
       "",
       {}},
  };
}

std::vector<Command> WordCommands() {
  const Argument model = PathText("model", "name of the model");
  const Argument version = PathNumber("version", "its number");
  const Argument to = Body("to", Kind::kText, "stage: Staging or Production", true);
  const std::string_view expires = "until when it holds (RFC 3339; default: for good)";
  return {
      {"gates",
       "approve",
       "Approve a version for a stage; needs --comment",
       "POST",
       "/api/v1/models/{model}/versions/{version}/approvals",
       {model, version, to, Body("comment", Kind::kText, "why; kept in the event"),
        Body("expires", Kind::kText, expires)},
       "",
       {}},
      {"gates",
       "override",
       "Set one gate aside for a version and a stage; needs --reason",
       "POST",
       "/api/v1/models/{model}/versions/{version}/overrides",
       {model, version, to, Body("gate", Kind::kText, "name of the gate", true),
        Body("reason", Kind::kText, "why; kept in the event"),
        Body("expires", Kind::kText, expires)},
       "",
       {}},
      {"gates",
       "approvals",
       "Approvals and overrides of a version",
       "GET",
       "/api/v1/models/{model}/versions/{version}/approvals",
       {model, version},
       "approvals",
       {{"ID", "id"},
        {"KIND", "kind"},
        {"STAGE", "stage"},
        {"GATE", "gate"},
        {"ACTOR", "actor"},
        {"WHY", "comment"},
        {"EXPIRES", "expires"},
        {"REVOKED", "revoked"}}},
      {"gates",
       "revoke",
       "Take an approval or override back",
       "DELETE",
       "/api/v1/models/{model}/versions/{version}/approvals/{id}",
       {model, version, PathNumber("id", "its id")},
       "",
       {}},
  };
}

}  // namespace

std::vector<Command> GateCommands() {
  std::vector<Command> all = JudgingCommands();
  for (Command& command : PolicyCommands()) all.push_back(std::move(command));
  for (Command& command : WordCommands()) all.push_back(std::move(command));
  return all;
}

std::vector<Command> HoldoutCommands() {
  return {
      {"holdouts",
       "list",
       "Registered holdouts: labelled rows that candidates are measured on",
       "GET",
       "/api/v1/holdouts",
       {},
       "holdouts",
       {{"NAME", "name"},
        {"VERSION", "version"},
        {"ROWS", "rows"},
        {"LABEL", "label"},
        {"SEGMENTS", "segments"},
        {"SHA256", "sha256"},
        {"ACTOR", "actor"},
        {"CREATED", "created"}}},
      {"holdouts",
       "add",
       "Register a CSV, .npz or JSON file of labelled rows; a model's own name makes it that "
       "model's",
       "POST",
       "/api/v1/holdouts/{holdout}",
       {PathText("holdout", "its name; a model's own makes it that model's"),
        FileBody("file", "the rows"),
        {"label", Place::kQuery, Kind::kText, true, "column of the label"},
        Query("segments", "columns that parts of the rows are told by, with commas between")},
       "",
       {}},
  };
}

std::vector<Command> RetentionCommands() {
  return {{"gc",
           "",
           "What nobody needs any more: --dry-run tells it, --apply removes it",
           "POST",
           "/api/v1/gc",
           {Body("dry_run", Kind::kFlag, "change nothing"),
            Body("apply", Kind::kFlag, "remove it, by the settings retention.*"),
            Body("reason", Kind::kText, "why; kept in the event")},
           "removed",
           {{"KIND", "kind"},
            {"WHAT", "subject"},
            {"FILES", "files"},
            {"BYTES", "size_bytes"},
            {"WHY", "why"}}}};
}

std::vector<Command> AuditCommands() {
  return {
      {"audit",
       "list",
       "Who changed what, when, why and from where; newest first",
       "GET",
       "/api/v1/audit",
       {Query("actor", "only this one's"), Query("type_prefix", "only types that begin so"),
        Query("subject_prefix", "only subjects that begin so: model/NAME/version/3"),
        Query("since", "from this time (RFC 3339)"), Query("until", "before this time"),
        Query("after", "after this sequence number"), Query("order", "newest (default) or oldest"),
        Limit()},
       "events",
       {{"SEQ", "sequence"},
        {"TIME", "time"},
        {"ACTOR", "actor"},
        {"FROM", "source"},
        {"TYPE", "type"},
        {"SUBJECT", "subject"},
        {"WHY", "data.reason"}}},
      {"audit",
       "verify",
       "Recompute the hash chain over all events",
       "POST",
       "/api/v1/audit/verify",
       {Body("sequence", Kind::kInteger, "of a head that was noted before"),
        Body("hash", Kind::kText, "of that head")},
       "",
       {}},
      {"registry",
       "verify",
       "Read every file again and compare it with its SHA-256",
       "POST",
       "/api/v1/registry/verify",
       {Body("model", Kind::kText, "only this model's"),
        Body("version", Kind::kInteger, "only this version of it")},
       "",
       {}},
  };
}

}  // namespace slipway::cli
