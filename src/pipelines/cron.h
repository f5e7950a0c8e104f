// SPDX-License-Identifier: Apache-2.0
// Cron: five fields (minute hour day-of-month month day-of-week), UTC. Each: *, n, a-b, lists, and
// steps */k or a-b/k; months and days also by their English names of three letters; Sunday is 0
// or 7. When both days are restricted either will do, as in cron(5).
#pragma once

#include <bitset>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace slipway::pipelines {

struct Cron {
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> days;    // 1..31
  std::bitset<13> months;  // 1..12
  std::bitset<7> weekdays;
  bool any_day = true;  // day-of-month is *
  bool any_weekday = true;
};

// kInvalidArgument naming the field's place and what it may be; also when it can never fire (31
// February).
base::Result<Cron> ParseCron(std::string_view text);
// The first moment after `after` (exclusive, whole minutes) at which it fires; nothing within 5
// years.
std::optional<base::Micros> NextFiring(const Cron& cron, base::Micros after);

}  // namespace slipway::pipelines
