// SPDX-License-Identifier: Apache-2.0
// Alerts: one incident an episode of a rule on an endpoint's version, firing until it is calm
// again. Kept in the database, each change with its event ("alert.firing", "alert.resolved") and
// its messages to the sinks in one transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "storage/database.h"

namespace slipway::monitoring {

struct Alert {
  std::string id;    // ULID
  std::string rule;  // "prediction_psi", "feature_psi", "auc_drop", "error_rate"
  std::string endpoint;
  int64_t version = 0;
  std::string severity;  // "info", "warning", "critical"
  std::string state;     // "firing", "resolved"
  base::Micros since = 0;
  std::optional<base::Micros> resolved;
  double value = 0;  // of the newest judged window
  double threshold = 0;
  std::string summary;            // one sentence
  std::string episode_key;        // rule/endpoint/version: at most one firing alert has it
  base::Micros window_start = 0;  // newest judged window
  base::Json data;  // facts behind it: {"window": {...}, "features": {...}, "reference", ...}
};
base::Json ToJson(const Alert& alert);

struct AlertFilter {
  std::string state = {};     // empty: any
  std::string endpoint = {};  // empty: any
  int64_t limit = 100;        // <= 1000
};

// What one rule says of one window.
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
};

// Thread-safe; blocks. The tables are in migrations/0001_monitoring.sql.
class Alerts {
 public:
  // `sinks`: names of the sinks that every change is queued for.
  Alerts(storage::Database& database, events::EventLog& events, std::vector<std::string> sinks);

  // Inside a write transaction: opens, continues or ends the finding's episode. A finding about an
  // older window than the episode's newest one changes nothing.
  base::Status Apply(storage::Transaction& transaction, const Finding& finding, base::Micros now);
  // Ends every episode of the endpoint whose version is not in `serving`: nothing would ever end
  // it.
  base::Status ResolveGone(storage::Transaction& transaction, const std::string& endpoint,
                           const std::vector<int64_t>& serving, base::Micros now);
  base::Result<std::vector<Alert>> List(const AlertFilter& filter);  // newest first

 private:
  base::Status Announce(storage::Transaction& transaction, const Alert& alert, base::Micros now);
  base::Status Resolve(storage::Transaction& transaction, Alert alert, const std::string& why,
                       base::Micros now);

  storage::Database& database_;
  events::EventLog& events_;
  const std::vector<std::string> sinks_;
};

}  // namespace slipway::monitoring
