// SPDX-License-Identifier: Apache-2.0
// Commands about alerts: what fires, who looks after it, what must be quiet, and the rules.
#include <utility>

#include "cli/command_rows.h"

namespace slipway::cli {

namespace {

std::vector<Command> IncidentCommands() {
  return {
      {"alerts",
       "list",
       "Incidents, newest first",
       "GET",
       "/api/v1/alerts",
       {Query("state", "pending, firing, silenced or resolved"),
        Query("endpoint", "only this endpoint's"), Limit()},
       "alerts",
       {{"ID", "id"},
        {"STATE", "state"},
        {"SEVERITY", "severity"},
        {"RULE", "rule"},
        {"ENDPOINT", "endpoint"},
        {"VERSION", "version"},
        {"SINCE", "since"},
        {"VALUE", "value"},
        {"SUMMARY", "summary"}}},
      {"alerts",
       "show",
       "One incident",
       "GET",
       "/api/v1/alerts/{id}",
       {PathText("id", "its id")},
       "",
       {}},
      {"alerts",
       "ack",
       "Say that somebody looks after a firing alert",
       "POST",
       "/api/v1/alerts/{id}/acknowledgement",
       {PathText("id", "its id"), Body("comment", Kind::kText, "what is being done")},
       "",
       {}},
  };
}

std::vector<Command> SilenceAndRuleCommands() {
  return {
      {"alerts",
       "silence",
       "Tell nobody of matching alerts for a time (--for or --until, and --why)",
       "POST",
       "/api/v1/alerts/silences",
       {Body("rule", Kind::kText, "pattern, such as drift_*"),
        Body("endpoint", Kind::kText, "pattern"), Body("severity", Kind::kText, "pattern"),
        Body("version", Kind::kText, "pattern"),
        Body("label", Kind::kText, "NAME=PATTERN, of a label that the rule gives"),
        Body("for", Kind::kText, "how long, such as 2h"),
        Body("until", Kind::kText, "until when (RFC 3339)"),
        Body("why", Kind::kText, "the reason; kept in the event")},
       "",
       {}},
      {"alerts",
       "silences",
       "Silences in force or to come",
       "GET",
       "/api/v1/alerts/silences",
       {Query("ended", "true: those that are over, too")},
       "silences",
       {{"ID", "id"}, {"MATCHER", "matcher"}, {"ENDS", "ends"}, {"WHO", "who"}, {"WHY", "why"}}},
      {"alerts",
       "unsilence",
       "End a silence",
       "DELETE",
       "/api/v1/alerts/silences/{id}",
       {PathText("id", "its id")},
       "",
       {}},
      {"alerts",
       "rules",
       "Rules in force",
       "GET",
       "/api/v1/alerts/rules",
       {},
       "rules",
       {{"NAME", "name"},
        {"KIND", "kind"},
        {"SEVERITY", "severity"},
        {"DIRECTION", "direction"},
        {"THRESHOLD", "threshold"},
        {"FOR", "for"},
        {"ENDPOINTS", "endpoints"}}},
      {"alerts",
       "versions",
       "Rules files that were in force, newest first",
       "GET",
       "/api/v1/alerts/rules/versions",
       {Limit()},
       "versions",
       {{"VERSION", "version"},
        {"SOURCE", "source"},
        {"CREATED", "created"},
        {"WHO", "who"},
        {"WHY", "why"}}},
  };
}

}  // namespace

std::vector<Command> AlertCommands() {
  std::vector<Command> all = IncidentCommands();
  for (Command& command : SilenceAndRuleCommands()) all.push_back(std::move(command));
  return all;
}

}  // namespace slipway::cli
