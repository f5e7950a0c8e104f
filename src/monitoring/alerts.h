// SPDX-License-Identifier: Apache-2.0
// Alerts: one incident an episode of a rule on an endpoint's version: pending, firing until it is
// calm again, resolved. Kept in the database, each change with its event ("alert.firing",
// "alert.resolved", "alert.acknowledged") and its messages to the sinks in one transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "monitoring/silences.h"
#include "storage/database.h"

namespace slipway::monitoring {

struct Alert {
  std::string id;    // ULID: the same from the first breach to the end, for receivers to group by
  std::string rule;  // its name in the rules file
  std::string endpoint;
  int64_t version = 0;     // 0: the endpoint as a whole
  std::string severity;    // "info", "warning", "critical"
  std::string state;       // "pending", "firing", "resolved"
  base::Micros since = 0;  // firing since; pending since
  std::optional<base::Micros> resolved;
  double value = 0;  // the newest
  double threshold = 0;
  std::string summary;            // one sentence
  std::string episode_key;        // rule/endpoint/version: at most one open alert has it
  base::Micros window_start = 0;  // newest judged window, or moment
  base::Json data;  // facts behind it: {"window": {...}, "features": {...}, "reference", ...}
  std::map<std::string, std::string> labels = {};  // of the rule
  std::string runbook = {};
  bool told = true;  // its messages have been queued
  base::Micros pending_since = 0;
  int64_t breaches = 1;  // closed windows in a row
  std::optional<base::Micros> acknowledged = {};
  std::string acknowledged_by = {};
  std::string acknowledged_why = {};
  std::string silenced_by = {};  // id of a silence that is in force; filled in by List and Get
};
base::Json ToJson(const Alert& alert);
// What matchers, routes and receivers go by: the rule's labels, rule, endpoint, version, severity.
std::map<std::string, std::string> LabelsOf(const Alert& alert);

struct AlertFilter {
  std::string state = {};     // empty: any; "silenced": firing, with a silence in force
  std::string endpoint = {};  // empty: any
  int64_t limit = 100;        // <= 1000
};

// What one rule says of one window, or of a moment.
struct Finding {
  std::string rule;
  std::string severity;
  std::string endpoint;
  int64_t version = 0;
  base::Micros window_start = 0;
  bool breached = false;
  bool calm = false;  // back under the threshold by the hysteresis: an episode may end
  double value = 0;
  double threshold = 0;
  std::string summary;
  base::Json data;
  base::Micros hold = 0;  // so long it must last before it fires
  int64_t windows = 1;    // and so many windows in a row
  std::map<std::string, std::string> labels = {};
  std::string runbook = {};
};

// Which sinks hear of an alert: the first route that matches names them; no route: all of them.
struct AlertRoute {
  std::map<std::string, std::string> match;
  std::vector<std::string> sinks;
};

// Thread-safe; blocks. The tables are in migrations/.
class Alerts {
 public:
  // `sinks`: names of all sinks.
  Alerts(storage::Database& database, events::EventLog& events, std::vector<std::string> sinks);
  void SetRoutes(std::vector<AlertRoute> routes);  // before everything else

  // {"match": {...}, "sinks": [...]} each; kInvalidArgument naming "alerts.routes[i]...".
  static base::Result<std::vector<AlertRoute>> ReadRoutes(const base::Json& json,
                                                          const std::vector<std::string>& sinks);

  // Inside a write transaction: opens, continues or ends the finding's episode. A finding about an
  // older window than the episode's newest one changes nothing.
  base::Status Apply(storage::Transaction& transaction, const Finding& finding, base::Micros now);
  // The findings of all live rules at a moment: breaches, and what is said of open episodes. An
  // open episode of a live rule that none of them is about ends.
  base::Status ApplyLive(storage::Transaction& transaction, const std::vector<Finding>& findings,
                         const std::function<bool(const std::string& rule)>& is_live,
                         base::Micros now);
  // Ends every open episode that `gone` says to end, and why; an empty reason leaves it.
  base::Status ResolveWhere(storage::Transaction& transaction,
                            const std::function<std::string(const Alert&)>& gone, base::Micros now);
  // Queues the messages of alerts that fire, were silenced when they began, and no longer are.
  base::Status TellUnsilenced(base::Micros now);
  // kNotFound; kFailedPrecondition (reason "alert_not_firing").
  base::Result<Alert> Acknowledge(const std::string& id, const events::Actor& actor,
                                  const std::string& why, base::Micros now);

  base::Result<std::vector<Alert>> List(const AlertFilter& filter,
                                        base::Micros now);  // newest first
  base::Result<Alert> Get(const std::string& id, base::Micros now);
  base::Result<std::vector<Alert>> ListOpen(storage::Transaction& transaction);  // pending, firing

 private:
  base::Status Begin(storage::Transaction& transaction, const Finding& finding,
                     const std::string& key, base::Micros now);
  base::Status Continue(storage::Transaction& transaction, Alert alert, const Finding& finding,
                        base::Micros now);
  base::Status Fire(storage::Transaction& transaction, Alert& alert, base::Micros now);
  base::Status Resolve(storage::Transaction& transaction, Alert alert, const std::string& why,
                       base::Micros now);
  base::Status WriteEvent(storage::Transaction& transaction, const std::string& type,
                          const Alert& alert, const events::Actor& actor);
  base::Status Queue(storage::Transaction& transaction, const std::string& type, const Alert& alert,
                     base::Micros now);
  std::vector<std::string> SinksFor(const Alert& alert) const;

  storage::Database& database_;
  events::EventLog& events_;
  const std::vector<std::string> sinks_;
  std::vector<AlertRoute> routes_;
};

}  // namespace slipway::monitoring
