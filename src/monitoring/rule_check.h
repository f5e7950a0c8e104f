// SPDX-License-Identifier: Apache-2.0
// Rules tried on recorded data, without a server: `slipway alerts test`.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "events/events.h"
#include "storage/database.h"

namespace slipway::monitoring {

struct RuleTestResult {
  std::string name;
  std::vector<std::string> failures;  // each a sentence: where, what was expected, what was there
};

// The tests of a file (docs/alerts.md, "Testing rules") in their order. `read_rules` gives the text
// of the file that `rules_file` names; `database` has this room's migrations and those of events
// and is scratch. kInvalidArgument with "<name>:<line>:<column>" when the file itself is wrong.
base::Result<std::vector<RuleTestResult>> RunRuleTests(
    const std::string& yaml, const std::string& name,
    const std::function<base::Result<std::string>(const std::string&)>& read_rules,
    storage::Database& database);
// The names of the rules in the text, or what is wrong with it.
base::Result<std::vector<std::string>> CheckRules(const std::string& yaml, const std::string& name);

}  // namespace slipway::monitoring
